"""The user's own corpora: columns called otherwise, datasets of all kinds, audformat, and very long tables."""

import csv
import tracemalloc
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Value
from miniature_corpora.parts import tone, write

from esn_interp.errors import AudioError, CorpusError
from esn_interp.speech.corpora import corpus

LINES = "wav,label,who,words\na.wav,Freude,anna,Grüß Gott\nb.wav,Wut,ben,Nein\nc.wav,neutral,ben,\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        tone(tmp_path / f"{name}.wav")
    return write(tmp_path / "mine.csv", LINES)


def test_columns_are_named_by_options(table: Path) -> None:
    clips = corpus(table, audio="wav", emotion="label", speaker="who", transcript="words")
    assert clips.column("emotion") == ["freude", "wut", "neutral"]
    assert clips.column("speaker") == ["anna", "ben", "ben"]
    assert clips[0].transcript == "Grüß Gott"
    assert clips[0].extras == {}
    assert clips.notes == ("labels that are not in the vocabulary, kept as they are: 1 freude, 1 wut",)


def test_labels_are_translated_as_the_user_says(table: Path) -> None:
    named = {"audio": "wav", "emotion": "label", "speaker": "who"}
    clips = corpus(table, labels={"Freude": "happy", "Wut": "angry"}, **named)
    assert clips.column("emotion") == ["happy", "angry", "neutral"]
    assert clips.notes == ()
    assert clips[0].extras == {"words": "Grüß Gott"}


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            {"emotion": "label"},
            "needs a column audio, file or path; found wav, emotion, who, words; .* audio=COLUMN",
        ),
        ({"audio": "wav"}, "column 'emotion' is missing; found audio, label, who, words; .* emotion=COLUMN"),
        ({"audio": "sound"}, "there is no column 'sound' to take audio from; found wav, label, who, words"),
        ({"mood": "label"}, "unknown option 'mood'; columns are id, audio, emotion"),
    ],
)
def test_a_column_that_is_not_there_is_named(table: Path, options: dict[str, str], reason: str) -> None:
    with pytest.raises(CorpusError, match=reason) as refused:
        corpus(table, **options)
    assert "\n" not in str(refused.value)


def test_a_column_cannot_take_the_name_of_another(tmp_path: Path) -> None:
    path = write(tmp_path / "two.csv", "audio,emotion,felt\na.wav,sad,angry\n")
    with pytest.raises(CorpusError, match="column 'emotion' is there already"):
        corpus(path, emotion="felt")


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_a_table_reads_alike_in_every_form(table: Path, form: str) -> None:
    frame = pd.read_csv(table, keep_default_na=False)
    path = table.with_suffix(f".{form}")
    if form == "parquet":
        frame.to_parquet(path)
    elif form == "jsonl":
        frame.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        frame.to_csv(path, index=False, sep="," if form == "csv" else "\t")
    clips = corpus(path, audio="wav", emotion="label", speaker="who", name="mine")
    assert clips.fingerprint == corpus(table, audio="wav", emotion="label", speaker="who").fingerprint
    assert len(clips[1].waveform()) == 3200


def test_emotions_are_chosen_in_any_spelling_and_the_rest_is_listed(table: Path) -> None:
    clips = corpus(
        table,
        audio="wav",
        emotion="label",
        labels={"Freude": "joy", "Wut": "ANGER "},
        emotions="Angry, happiness",
    )
    assert clips.emotions == ("happy", "angry")
    assert clips.notes == ("left out, emotions that were not chosen: 1 neutral",)
    with pytest.raises(CorpusError, match="no clip with emotion 'sad'"):
        corpus(table, audio="wav", emotion="label", emotions=["sad"])


def test_extras_that_are_plain_text_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "audio,emotion,extras\na.wav,sad,said in a hurry\nb.wav,sad,\n")
    assert corpus(path).column("extras") == [{"extras": "said in a hurry"}, {}]


def test_names_in_any_script(tmp_path: Path) -> None:
    folder = tmp_path / "Übung 语音"
    tone(folder / "traurig" / "Łucja" / "смех №1.wav")
    clips = corpus(folder, labels={"traurig": "sad"})
    assert (clips[0].id, clips[0].speaker, clips[0].emotion) == ("смех №1", "Łucja", "sad")
    assert len(clips[0].waveform()) == 3200


def hub(tmp_path: Path) -> Dataset:
    """As the hub has them. The feature is cast afterwards: what `datasets` encodes itself needs torchcodec."""
    files = [str(tone(tmp_path / f"clip{n}.wav")) for n in range(4)]
    features = Features(
        {"sound": Value("string"), "label": ClassLabel(names=["anger", "joy"]), "spk": Value("int32")}
    )
    columns = {"sound": files, "label": [0, 1, 0, 1], "spk": [1, 1, 2, 2]}
    return Dataset.from_dict(columns, features=features).cast_column("sound", Audio(decode=False))


def inside(contents: list[bytes]) -> Dataset:
    """A dataset whose audio lies in it."""
    stored = pa.array([{"bytes": content, "path": None} for content in contents])
    emotions = ["sad", "happy"] * (len(contents) // 2)
    return Dataset(pa.table({"audio": stored, "emotion": emotions})).cast_column("audio", Audio(decode=False))


NAMED = {"audio": "sound", "emotion": "label", "speaker": "spk"}


def test_a_dataset_with_an_audio_column_and_class_labels(tmp_path: Path) -> None:
    clips = corpus(hub(tmp_path), name="hub", **NAMED)
    assert clips.column("emotion") == ["angry", "happy"] * 2
    assert clips.speakers == ("1", "2")
    assert clips.column("id") == ["clip0", "clip1", "clip2", "clip3"]
    assert len(clips[3].waveform()) == 3200
    mapped = corpus(hub(tmp_path), labels={"joy": "excited"}, **NAMED)
    assert mapped.emotions == ("angry", "excited")
    with pytest.raises(
        CorpusError, match="column 'audio' is missing; found sound, label, spk; name another by audio="
    ):
        corpus(hub(tmp_path))


def test_a_dataset_of_several_parts(tmp_path: Path) -> None:
    parts = DatasetDict({"train": hub(tmp_path), "test": hub(tmp_path).select([0, 1])})
    both = corpus(parts, **NAMED)
    assert Counter(extras["part"] for extras in both.column("extras")) == {"train": 4, "test": 2}
    assert len(corpus(parts, part="test", **NAMED)) == 2
    with pytest.raises(CorpusError, match="there is no part 'dev'; there are train, test"):
        corpus(parts, part="dev", **NAMED)


def test_a_dataset_saved_to_disk_and_a_parquet_file_with_the_audio_inside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    dataset = hub(tmp_path)
    dataset.save_to_disk(str(tmp_path / "saved"))
    contents = [Path(row["path"]).read_bytes() for row in dataset["sound"]]
    inside(contents).to_parquet(str(tmp_path / "held.parquet"))
    assert corpus(tmp_path / "saved", **NAMED).column("id") == ["clip0", "clip1", "clip2", "clip3"]
    clips = corpus(tmp_path / "held.parquet")
    assert clips.column("id") == [f"held-{n:05d}" for n in (1, 2, 3, 4)]
    assert clips[2].audio["bytes"] == contents[2]
    assert len(clips[2].waveform()) == 3200


def test_a_dataset_may_be_chosen_from_before_it_is_handed_over(tmp_path: Path) -> None:
    clips = corpus(hub(tmp_path).select([3, 0]), **NAMED)
    assert clips.column("id") == ["clip3", "clip0"]
    assert clips.take([1]).column("emotion") == ["angry"]


def test_a_dataset_that_is_neither_here_nor_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match="no such file or folder, and it could not be had from the hub"
    ) as refused:
        corpus("nobody/nothing")
    assert "\n" not in str(refused.value)


DB = """
name: minidb
languages: [deu]
splits: {train: {type: train}, test: {type: test}}
schemes:
  emotion: {dtype: str, labels: [anger, joy]}
  speaker: {dtype: int, labels: {1: {gender: female, age: 30}, 2: {gender: male, age: 41}}}
tables:
  files: {type: filewise, columns: {speaker: {scheme_id: speaker}, transcription: {}}}
  emotion.train: {type: filewise, split_id: train, columns: {emotion: {scheme_id: emotion}, confidence: {}}}
  emotion.test: {type: filewise, split_id: test, columns: {emotion: {scheme_id: emotion}}}
  pieces: {type: segmented, columns: {emotion: {scheme_id: emotion}, mood: {}}}
"""


def database(root: Path) -> Path:
    for name in ("a", "b", "c", "d"):
        tone(root / "wav" / f"{name}.wav")
    write(root / "db.yaml", DB)
    write(
        root / "db.files.csv",
        "file,speaker,transcription\nwav/a.wav,1,Ja\nwav/b.wav,1,Nein\nwav/c.wav,2,Ja\nwav/d.wav,2,\n",
    )
    write(root / "db.emotion.train.csv", "file,emotion,confidence\nwav/a.wav,anger,0.9\nwav/b.wav,joy,0.5\n")
    write(root / "db.emotion.test.csv", "file,emotion\nwav/c.wav,joy\nwav/d.wav,\n")
    write(root / "db.pieces.csv", "file,start,end,mood\nwav/a.wav,0 days 00:00:00,0 days 00:00:01,low\n")
    return root


def test_an_audformat_database(tmp_path: Path) -> None:
    clips = corpus(database(tmp_path / "db"))
    assert clips.name == "minidb"
    assert clips.column("id") == ["a", "b", "c"]
    assert clips.column("emotion") == ["angry", "happy", "happy"]
    assert clips.column("speaker") == ["1", "1", "2"]
    assert clips.column("sex") == ["female", "female", "male"]
    assert clips.column("transcript") == ["Ja", "Nein", "Ja"]
    assert clips.column("split") == ["identification", "identification", "evaluation"]
    assert set(clips.column("language")) == {"deu"}
    assert clips[0].extras["age"] == 30
    assert clips.notes == ("left out, files without a label: 1",)
    assert len(clips[0].waveform()) == 3200


def test_what_an_audformat_database_lacks_is_said(tmp_path: Path) -> None:
    root = database(tmp_path / "db")
    with pytest.raises(
        CorpusError, match="no table has a column 'feeling'; columns are confidence, emotion, mood"
    ):
        corpus(root, emotion="feeling")
    with pytest.raises(CorpusError, match="are of segments"):
        corpus(root, emotion="mood")
    with pytest.raises(CorpusError, match="table 'files' has no column 'emotion'"):
        corpus(root, table="files")
    write(root / "db.emotion.test.csv", "file,emotion\nwav/a.wav,joy\n")
    with pytest.raises(
        CorpusError, match=r"wav/a.wav is labelled in several tables; choose one by table=, of emotion.train"
    ):
        corpus(root)
    assert corpus(root, table="emotion.test").column("emotion") == ["happy"]
    (root / "db.emotion.train.csv").unlink()
    with pytest.raises(CorpusError, match=r"holds no table db.emotion.train.csv or .parquet"):
        corpus(root)
    write(root / "db.yaml", "name: [unclosed")
    with pytest.raises(CorpusError, match="cannot be read as a header"):
        corpus(root)


def long_table(folder: Path, rows: int) -> Path:
    """So many rows over three real files, of which two are then taken away: they can't have been read."""
    waves = [tone(folder / f"{n}.wav") for n in range(3)]
    emotions = ("happy", "angry", "sad", "neutral")
    with (folder / "long.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("audio", "emotion", "speaker", "transcript", "arousal"))
        for row in range(rows):
            writer.writerow((waves[row % 3].name, emotions[row % 4], f"s{row % 997}", f"line {row}", row % 7))
    for wave in waves[1:]:
        wave.unlink()
    return folder / "long.csv"


def test_a_table_of_100_000_rows_stays_lazy(tmp_path: Path) -> None:
    clips = corpus(long_table(tmp_path, 100_000))
    parts = clips.split(seed=1)
    assert len(clips) == sum(map(len, parts)) == 100_000
    assert not set(parts[0].speakers) & set(parts[2].speakers)
    assert len(clips[99_999].waveform()) == 3200
    with pytest.raises(AudioError, match="no such file"):
        clips[1].waveform()
    assert clips[70_000].extras == {"arousal": 0}


def test_a_row_of_a_long_table_weighs_a_kilobyte_or_two(tmp_path: Path) -> None:
    rows = 10_000
    path = long_table(tmp_path, rows)
    tracemalloc.start()
    kept = corpus(path).split(seed=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(map(len, kept)) == rows
    assert peak < 3_000 * rows


def test_a_long_dataset_keeps_its_audio_on_disk(tmp_path: Path) -> None:
    audio = tmp_path / "one.wav"
    soundfile.write(audio, np.random.default_rng(0).normal(scale=0.1, size=8_000), 16_000)
    content, rows = audio.read_bytes(), 2_000
    inside([content] * rows).save_to_disk(str(tmp_path / "saved"))
    held = pa.total_allocated_bytes()
    clips = corpus(tmp_path / "saved")
    sad = clips.where(emotion="sad")
    assert pa.total_allocated_bytes() - held < rows * len(content) / 20
    assert clips[rows - 1].audio["bytes"] == content
    assert len(sad) == rows / 2
    assert len(sad[0].waveform()) == 8_000


@pytest.mark.parametrize("form", ["folder", "table", "frame", "dataset"])
def test_labels_that_nothing_bears_are_told_or_refused(tmp_path: Path, form: str) -> None:
    """A misspelled entry would change nothing, without a word."""
    (tmp_path / "c" / "froh").mkdir(parents=True)
    (tmp_path / "c" / "ernst").mkdir()
    paths = [tone(tmp_path / "c" / name / "a.wav") for name in ("froh", "ernst")]
    rows = {"audio": [str(path) for path in paths], "emotion": ["froh", "ernst"], "id": ["1", "2"]}
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    source = {
        "folder": tmp_path / "c",
        "table": tmp_path / "t.csv",
        "frame": pd.DataFrame(rows),
        "dataset": Dataset.from_dict(rows),
    }[form]
    named = corpus(source, labels={"froh": "happy", "ernts": "sad"})
    assert sorted(named.column("emotion")) == ["ernst", "happy"]
    assert "labels that no clip has, out of those that were given: 'ernts'" in named.notes
    with pytest.raises(CorpusError, match="labels: no clip is labelled 'fröhlich'; its labels are 'ernst', 'froh'"):
        corpus(source, labels={"fröhlich": "happy"})
