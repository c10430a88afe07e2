"""Tables, datasets and releases are read as they are written, or refused with what is wrong; nothing is guessed."""

import json
import unicodedata
from inspect import unwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import Audio, ClassLabel, Dataset, DatasetDict, Features, Value
from hypothesis import given
from hypothesis import strategies as st
from miniature_corpora.parts import tone, write

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.speech.corpora.tables import text_table, with_numbers
from esn_interp.speech.heard import Heard
from esn_interp.speech.labels import emotion_name

COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "Zoë") for form in ("NFC", "NFD"))
SAMPLES = [0.5, -0.5] * 4000


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        tone(tmp_path / f"{name}.wav")
    return tmp_path


# ------------------------------------------------------------------ cells


@pytest.mark.parametrize("options", [{}, {"speaker": "who"}])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_names_that_look_like_numbers_stay_names(place: Path, options: dict[str, str], suffix: str) -> None:
    column, mark = options.get("speaker", "speaker"), "," if suffix == "csv" else "\t"
    rows = [
        ["audio", "emotion", column],
        ["a.wav", "sad", "1e5"],
        ["b.wav", "sad", "03"],
        ["c.wav", "sad", ""],
    ]
    table = write(place / f"t.{suffix}", "".join(f"{mark.join(row)}\n" for row in rows))
    assert corpus(table, **options).column("speaker") == ["1e5", "03", ""]


def test_speakers_called_like_a_gap_are_speakers(place: Path) -> None:
    table = write(place / "t.csv", "audio,emotion,speaker\na.wav,sad,NA\nb.wav,sad,null\nc.wav,sad,None\n")
    assert corpus(table).column("speaker") == ["NA", "null", "None"]


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_whole_numbers_stay_whole_where_others_lack(place: Path, suffix: str) -> None:
    audio, emotion = ["a.wav", "b.wav", "c.wav"], ["sad", "sad", "angry"]
    table, who = place / f"t.{suffix}", [3, None, 12]
    if suffix == "jsonl":
        rows = [
            dict(zip(("audio", "emotion", "who"), row, strict=True))
            for row in zip(audio, emotion, who, strict=True)
        ]
        write(table, "".join(json.dumps(row) + "\n" for row in rows))
    else:
        pd.DataFrame({"audio": audio, "emotion": emotion, "who": pd.array(who, dtype="Int64")}).to_parquet(
            table
        )
    assert corpus(table, speaker="who").column("speaker") == ["3", "", "12"]


def test_names_in_json_that_look_like_numbers_stay_names(place: Path) -> None:
    rows = [{"audio": f"{name}.wav", "emotion": "sad", "who": who} for name, who in (("a", "03"), ("b", "3"))]
    table = write(place / "t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert corpus(table, speaker="who").column("speaker") == ["03", "3"]


def test_a_separator_of_lines_in_a_text_ends_no_line(place: Path) -> None:
    row = {"audio": "a.wav", "emotion": "sad", "transcript": "one\u2028two\u0085three"}
    table = write(place / "t.jsonl", json.dumps(row, ensure_ascii=False) + "\n")
    assert corpus(table).column("transcript") == ["one\u2028two\u0085three"]


def test_what_measures_something_is_a_number_and_codes_are_not(place: Path) -> None:
    table = write(place / "t.csv", "audio,emotion,code,rate,take\na.wav,sad,1e5,0.25,1\nb.wav,sad,07,,2\n")
    assert corpus(table).column("extras") == [
        {"code": "1e5", "rate": 0.25, "take": 1},
        {"code": "07", "rate": None, "take": 2},
    ]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_survive_being_written(values: list[float]) -> None:
    cells = pd.DataFrame({"x": [f"{value:.1f}" for value in values]})
    read = with_numbers(cells, besides=())["x"].tolist()
    assert [float(one) for one in read] == [float(f"{value:.1f}") for value in values]


# ------------------------------------------------------------------ rows and headers


@pytest.mark.parametrize(
    "text",
    [
        "speaker,audio,emotion\nanna,ben,a.wav,sad\ncara,dan,b.wav,angry\n",
        "audio,emotion,transcript\na.wav,sad,Well, no\nb.wav,angry,Yes, sure\n",
        "audio,emotion,speaker\na.wav,sad,x,\nb.wav,angry,y,\n",
    ],
    ids=["a name too few", "an unquoted comma", "a comma at the end"],
)
def test_rows_longer_than_the_header_are_refused(place: Path, text: str) -> None:
    with pytest.raises(
        CorpusError, match=r"t\.csv cannot be read as a table \(Expected 3 fields in line 2, saw 4\)"
    ):
        corpus(write(place / "t.csv", text))


def test_a_column_that_is_there_twice_is_refused(place: Path) -> None:
    table = write(place / "t.csv", "audio,emotion,emotion\na.wav,sad,angry\n")
    with pytest.raises(CorpusError, match="two columns 'emotion'"):
        corpus(table)


def test_rows_shorter_than_the_header_have_empty_cells(place: Path) -> None:
    table = text_table(write(place / "t.csv", "a,b,c\n1\n2,3\n"), "x")
    assert table.to_numpy().tolist() == [["1", "", ""], ["2", "3", ""]]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_tables_in_other_encodings(place: Path, encoding: str) -> None:
    (place / "t.csv").write_bytes("audio,emotion,speaker\na.wav,sad,Jörg\n".encode(encoding))
    assert corpus(place / "t.csv").column("speaker") == ["Jörg"]


# ------------------------------------------------------------------ one name, two spellings


def test_one_name_in_two_forms_is_one_speaker(place: Path) -> None:
    table = write(place / "t.csv", f"audio,emotion,speaker\na.wav,sad,{COMPOSED}\nb.wav,sad,{DECOMPOSED}\n")
    clips = corpus(table)
    assert clips.speakers == (COMPOSED,)
    assert len(clips.where(speaker=DECOMPOSED)) == 2
    heard = Heard("a model", {"training": {"t": [DECOMPOSED]}})
    assert heard.roles(clips.column("corpus"), clips.column("speaker")) == ["training", "training"]


def test_one_label_in_two_forms_is_one_emotion(place: Path) -> None:
    typed, decomposed = (unicodedata.normalize(form, "fröhlich") for form in ("NFC", "NFD"))
    table = write(place / "t.csv", f"audio,emotion\na.wav,{typed}\nb.wav,{decomposed}\n")
    for key in (typed, decomposed):
        assert corpus(table, labels={key: "happy"}).column("emotion") == ["happy", "happy"]
    assert emotion_name(typed) == emotion_name(decomposed)


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_file_is_found_in_either_form(tmp_path: Path, on_disk: str, in_table: str) -> None:
    tone(tmp_path / unicodedata.normalize(on_disk, "größe/größe.wav"))
    name = unicodedata.normalize(in_table, "größe/größe.wav")
    table = write(tmp_path / "t.csv", f"audio,emotion\n{name},sad\n")
    assert len(corpus(table)[0].waveform()) > 0


# ------------------------------------------------------------------ datasets


def labelled_dataset(values: list[int | None]) -> Dataset:
    features = Features({"audio": Value("string"), "label": ClassLabel(names=["angry", "happy", "sad"])})
    table = pa.table(
        {"audio": [f"{at}.wav" for at in range(len(values))], "label": pa.array(values, pa.int64())}
    )
    return Dataset(table).cast(features)


@pytest.mark.parametrize("missing", [-1, None])
@pytest.mark.parametrize("options", [{}, {"labels": {"angry": "sad"}}], ids=["as they are", "translated"])
def test_a_clip_without_a_class_has_no_emotion(
    missing: int | None, options: dict[str, dict[str, str]]
) -> None:
    with pytest.raises(CorpusError, match="row 3: no emotion"):
        corpus(labelled_dataset([0, 1, missing]), emotion="label", **options)
    assert corpus(labelled_dataset([0, 1, 2]), emotion="label").column("emotion") == ["angry", "happy", "sad"]


def test_no_class_is_no_speaker() -> None:
    features = Features(
        {"audio": Value("string"), "emotion": Value("string"), "who": ClassLabel(names=["x", "y"])}
    )
    table = pa.table({"audio": ["a.wav", "b.wav"], "emotion": ["sad", "sad"], "who": pa.array([1, -1])})
    assert corpus(Dataset(table).cast(features), speaker="who").column("speaker") == ["y", ""]


SOUNDS = {
    "arrays": pa.array([{"array": SAMPLES, "sampling_rate": 16_000}]),
    "arrays that had a file": pa.array([{"array": SAMPLES, "sampling_rate": 16_000, "path": "gone.wav"}]),
    "large binary": None,
    "large paths": None,
}


@pytest.mark.parametrize("kind", SOUNDS)
def test_audio_columns_of_other_kinds_are_heard(tmp_path: Path, kind: str) -> None:
    path = tone(tmp_path / "a.wav")
    column = SOUNDS[kind]
    if kind == "large binary":
        column = pa.array([path.read_bytes()], pa.large_binary())
    elif kind == "large paths":
        column = pa.array([str(path)], pa.large_string())
    table = pa.table({"audio": column, "emotion": ["sad"]})
    wave = corpus(Dataset(table))[0].waveform()
    expected = np.array(SAMPLES, np.float32) if kind.startswith("arrays") else corpus_wave(path)
    np.testing.assert_array_equal(wave, expected)


def corpus_wave(path: Path) -> np.ndarray:
    return Clips.from_frame(pd.DataFrame({"audio": [str(path)], "emotion": ["sad"]}), name="x")[0].waveform()


def test_samples_without_a_rate_are_refused() -> None:
    table = pa.table({"audio": pa.array([SAMPLES]), "emotion": ["sad"]})
    with pytest.raises(CorpusError, match=r"column 'audio' holds list<item: double>; expected paths"):
        corpus(Dataset(table))


def test_a_parquet_file_may_hold_bytes_that_are_no_audio(place: Path) -> None:
    frame = pd.DataFrame({"audio": ["a.wav"], "emotion": ["sad"], "embedding": [b"12"]})
    frame.to_parquet(place / "t.parquet")
    clips = corpus(place / "t.parquet")
    assert len(clips[0].waveform()) > 0
    assert clips.column("extras") == [{"embedding": "2 bytes"}]


def test_a_column_part_of_ones_own_is_kept(place: Path) -> None:
    parts = {
        name: Dataset.from_dict(
            {"audio": [f"{place}/{name}.wav"], "emotion": ["sad"], "part": [f"mine {name}"]}
        )
        for name in ("a", "b")
    }
    assert corpus(DatasetDict(parts)).column("extras") == [{"part": "mine a"}, {"part": "mine b"}]


def test_parts_that_do_not_go_together_are_refused_and_taken_alone(place: Path) -> None:
    one = Dataset.from_dict({"audio": [f"{place}/a.wav"], "emotion": ["sad"], "score": [1]})
    other = Dataset.from_dict({"audio": [f"{place}/b.wav"], "emotion": ["sad"], "score": [{"x": 1}]})
    both = DatasetDict(one=one, other=other)
    with pytest.raises(CorpusError, match=r"parts one, other don't go together .* take one, part=NAME"):
        corpus(both)
    assert len(corpus(both, part="one")) == 1


def test_extras_hold_numbers_of_numpy_at_any_depth() -> None:
    frame = pd.DataFrame(
        {"audio": ["a.wav"], "emotion": ["sad"], "scores": [{"a": np.float32(0.5), "b": [np.int64(1), None]}]}
    )
    assert Clips.from_frame(frame, name="x").column("extras") == [{"scores": {"a": 0.5, "b": [1, None]}}]


def test_a_table_in_memory_is_a_corpus(place: Path) -> None:
    frame = pd.DataFrame({"audio": [f"{place}/a.wav"], "mood": ["Wut"]})
    assert corpus(frame, emotion="mood", labels={"Wut": "angry"}).column("emotion") == ["angry"]
    with pytest.raises(CorpusError, match="column 'emotion' is missing; found audio, mood"):
        corpus(frame)


@pytest.mark.parametrize("thing", [[{"audio": "a.wav", "emotion": "sad"}], 3, {"audio": []}])
def test_what_is_no_corpus_is_refused_with_what_is(thing: object) -> None:
    with pytest.raises(CorpusError, match=r"can't be made of .*: give a name, a folder, a table's path"):
        unwrap(corpus)(thing)  # as it is called where no types are checked


def test_a_stream_is_no_corpus() -> None:
    stream = Dataset.from_dict({"audio": ["a.wav"], "emotion": ["sad"]}).to_iterable_dataset()
    with pytest.raises(CorpusError, match="IterableDataset"):
        unwrap(corpus)(stream)


def test_a_dataset_with_an_audio_feature_keeps_its_files(place: Path) -> None:
    data = {"audio": [f"{place}/a.wav"], "emotion": ["sad"]}
    clips = corpus(Dataset.from_dict(data).cast_column("audio", Audio(decode=False)))
    assert clips[0].audio["path"] == f"{place}/a.wav"


# ------------------------------------------------------------------ releases


def test_savee_of_four_speakers_in_one_folder_is_refused(tmp_path: Path) -> None:
    for name in ("f11", "f11 (2)", "a01"):
        tone(tmp_path / f"{name}.wav")
    with pytest.raises(
        CorpusError, match=r"none of the 2 clips .* such as a01\.wav; expected AudioData/DC/a01\.wav"
    ):
        corpus("savee", root=tmp_path)


def test_clips_that_do_not_tell_whose_they_are_are_said(tmp_path: Path) -> None:
    for name in ("DC/a01", "kl/a01", "others/a02"):
        tone(tmp_path / f"{name}.wav")
    clips = corpus("savee", root=tmp_path)
    assert clips.column("speaker") == ["DC", "KL"]
    assert any("tell whose they are, left out: 1, such as others/a02.wav" in note for note in clips.notes)


def test_msp_podcast_with_gaps_in_its_json(tmp_path: Path) -> None:
    told = [("N", None, "Male", "Train"), ("A", 127, None, "Development"), ("S", 12, "Female", "Test1")]
    rows: dict[str, dict[str, object]] = {}
    for number, (emotion, speaker, sex, part) in enumerate(told):
        name = f"MSP-PODCAST_0001_000{number}.wav"
        tone(tmp_path / "Audios" / name)
        rows[name] = {"EmoClass": emotion, "SpkrID": speaker, "Gender": sex, "Split_Set": part, "EmoAct": 3}
    write(tmp_path / "Labels/labels_consensus.json", json.dumps(rows))
    clips = corpus("msp-podcast", root=tmp_path)
    assert clips.column("speaker") == ["", "127", "12"]
    assert clips.column("sex") == ["male", "", "female"]


def test_emodb_with_a_table_of_another_encoding(tmp_path: Path) -> None:
    tone(tmp_path / "wav/03a01Fa.wav")
    (tmp_path / "metadata.csv").write_bytes("file,hörer,rate\nwav/03a01Fa.wav,ä,0.5\n".encode("cp1252"))
    assert corpus("emodb", root=tmp_path).column("extras") == [{"take": "a", "hörer": "ä", "rate": 0.5}]


@pytest.mark.parametrize(
    ("separator", "encoding"),
    [
        ("\t", "utf-8"),
        (" ", "utf-8"),
        ("  ", "gb18030"),
        ("\t", "utf-16-le"),
        (" ", "utf-16-be"),
        ("\t", "utf-16"),
    ],
)
@pytest.mark.parametrize(
    ("words", "emotion"), [("The nine the eggs, I keep.", "Angry"), ("打远一看，它们。", "生气")]
)
def test_transcripts_of_esd_whatever_separates_them(
    tmp_path: Path, separator: str, encoding: str, words: str, emotion: str
) -> None:
    tone(tmp_path / "0011/Angry/0011_000351.wav")
    line = f"0011_000351{separator}{words}{separator}{emotion}\r\n"
    (tmp_path / "0011/0011.txt").write_bytes(line.encode(encoding))
    assert corpus("esd", root=tmp_path).column("transcript") == [words]
