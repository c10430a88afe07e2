"""Databases of others, damaged: one line says which file or table, whatever its reader runs into."""

from pathlib import Path

import pandas as pd
import pytest
from datasets import Audio, Dataset
from miniature_corpora import LAYOUTS
from miniature_corpora.parts import tone, write

from esn_interp.errors import CorpusError
from esn_interp.speech.corpora import corpus

HEADER = "name: minidb\ntables:\n  emotion: {type: filewise, columns: {emotion: {}}}\n"


def database(root: Path, header: str = HEADER, table: str = "file,emotion\na.wav,joy\nb.wav,sad\n") -> Path:
    for name in ("a.wav", "b.wav"):
        tone(root / name)
    write(root / "db.yaml", header)
    write(root / "db.emotion.csv", table)
    return root


def test_the_whole_database_is_read(tmp_path: Path) -> None:
    assert corpus(database(tmp_path)).column("emotion") == ["happy", "sad"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("tables: [emotion]\n", "lists no tables by name"),
        ("tables: {emotion: filewise}\n", "lists no tables by name"),
        (HEADER + "splits: [train]\n", "lists no splits by name"),
        (HEADER + "schemes: {speaker: [1]}\n", "lists no schemes by name"),
        ("tables: {emotion: }\n", "no table has a column 'emotion'"),
        ("- 1\n", "is not the header of a database"),
        ("[" * 1200, "cannot be read as a header"),
    ],
)
def test_a_header_of_another_form_is_told(tmp_path: Path, header: str, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        corpus(database(tmp_path, header))


@pytest.mark.parametrize(
    ("table", "column"), [("audio,emotion\na.wav,joy\n", "file"), ("file,mood\na.wav,joy\n", "emotion")]
)
def test_a_table_without_the_columns_that_its_header_names_is_told(tmp_path: Path, table: str, column: str) -> None:
    with pytest.raises(CorpusError, match=f"corpus minidb: table emotion of .* has no column '{column}'"):
        corpus(database(tmp_path, table=table))


@pytest.mark.parametrize("labels", ["[1, 2]", "{1: {age: 30}, 2: thirty}"])
def test_speakers_of_whom_nothing_is_told_stay_speakers(tmp_path: Path, labels: str) -> None:
    header = HEADER + f"schemes: {{speaker: {{labels: {labels}}}}}\nlanguages: [deu]\n"
    clips = corpus(database(tmp_path, header, "file,emotion,speaker,language\na.wav,joy,1,eng\nb.wav,sad,2,\n"))
    assert clips.column("speaker") == ["1", "2"]
    assert clips.column("language") == ["eng", ""]  # what a clip says counts more than the header


def test_what_a_header_says_of_each_speaker_is_kept(tmp_path: Path) -> None:
    header = HEADER + "schemes: {speaker: {labels: {1: {sex: female}, 2: {sex: male}}}}\nlanguages: [deu]\n"
    clips = corpus(database(tmp_path, header, "file,emotion,speaker\na.wav,joy,1\nb.wav,sad,2\n"))
    assert clips.column("sex") == ["female", "male"]
    assert clips.column("language") == ["deu", "deu"]


@pytest.mark.parametrize("line", ["[1]", "3", '"a.wav"'])
def test_a_line_that_is_no_object_is_told(tmp_path: Path, line: str) -> None:
    tone(tmp_path / "a.wav")
    write(tmp_path / "clips.jsonl", f'{{"audio": "a.wav", "emotion": "sad"}}\n\n{line}\n')
    with pytest.raises(CorpusError, match=r"clips\.jsonl cannot be read as a table \(line 3 is no object\)"):
        corpus(tmp_path / "clips.jsonl")


def test_msp_podcast_without_its_entries_is_told(tmp_path: Path) -> None:
    for name in ("Audios/a.wav", "Audios/b.wav"):
        tone(tmp_path / name)
    write(tmp_path / "Labels" / "labels_consensus.json", '{"a.wav": {"EmoClass": "H"}}')
    with pytest.raises(CorpusError, match=r"corpus msp-podcast: .*labels_consensus\.json has no entry '"):
        corpus("msp-podcast", root=tmp_path)
    write(tmp_path / "Labels" / "labels_consensus.json", '{"a.wav": 3}')
    with pytest.raises(CorpusError, match=r"corpus msp-podcast: .*labels_consensus\.json cannot be read"):
        corpus("msp-podcast", root=tmp_path)


def test_esd_without_a_speaker_of_the_language_is_told(tmp_path: Path) -> None:
    tone(tmp_path / "0011" / "Angry" / "0011_000351.wav")
    with pytest.raises(CorpusError, match="holds no speakers of the language zh"):
        corpus("esd", root=tmp_path, language="zh")


def test_nemo_without_its_clips_is_told(tmp_path: Path) -> None:
    nemo = LAYOUTS["nemo"]
    nemo.build(tmp_path)
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match=r"holds data\.tsv but no clips; expected samples/.*\.wav"):
        corpus("nemo", root=tmp_path)


def test_iemocap_without_its_labels_is_told(tmp_path: Path) -> None:
    LAYOUTS["iemocap"].build(tmp_path)
    for path in tmp_path.rglob("EmoEvaluation/*.txt"):
        path.write_text("% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="holds no labels; expected Session1/dialog/EmoEvaluation"):
        corpus("iemocap", root=tmp_path)


def test_speakers_in_a_table_without_their_names_are_told(tmp_path: Path) -> None:
    header = HEADER + "  people: {type: misc}\nschemes: {speaker: {labels: people}}\n"
    root = database(tmp_path, header, "file,emotion,speaker\na.wav,joy,1\n")
    write(root / "db.people.csv", "name,age\n1,30\n")
    with pytest.raises(CorpusError, match=r"table people of .* has no column 'speaker'"):
        corpus(root)


def test_a_damaged_parquet_table_is_told(tmp_path: Path) -> None:
    root = database(tmp_path)
    (root / "db.emotion.csv").unlink()
    file = root / "db.emotion.parquet"
    pd.DataFrame({"file": ["a.wav", "b.wav"], "emotion": ["joy", "sad"]}).to_parquet(file)
    assert len(corpus(root)) == 2
    whole = file.read_bytes()
    for content in (b"", whole[:50], whole[:-20], bytes(len(whole)), b"file,emotion\n"):
        file.write_bytes(content)
        with pytest.raises(CorpusError, match=r"db\.emotion\.parquet cannot be read as a table"):
            corpus(root)


def sounds(folder: Path) -> Dataset:
    sound = {"bytes": tone(folder / "a.wav").read_bytes(), "path": None}
    rows = Dataset.from_dict({"audio": [sound] * 2, "emotion": ["joy", "sad"]})
    return rows.cast_column("audio", Audio())


def test_a_saved_dataset_that_is_damaged_is_told(tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    sounds(tmp_path).save_to_disk(str(saved))
    assert corpus(saved).column("emotion") == ["happy", "sad"]
    for name in ("state.json", "dataset_info.json", next(saved.glob("*.arrow")).name):
        file = saved / name
        whole = file.read_bytes()
        for content in (b"", whole[: len(whole) // 2], b"[]"):
            file.write_bytes(content)
            with pytest.raises(CorpusError, match=r"corpus saved: .*cannot be read as a saved dataset"):
                corpus(saved)
        file.write_bytes(whole)


def test_a_parquet_file_with_the_audio_inside_that_is_damaged_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = tmp_path / "held.parquet"
    sounds(tmp_path).to_parquet(str(file))
    whole = bytearray(file.read_bytes())
    assert len(corpus(file)) == 2
    whole[4:400] = bytes(396)  # the footer is whole, and what it tells of is not
    for content in (bytes(whole), bytes(whole[:-30]), b""):
        file.write_bytes(content)
        with pytest.raises(CorpusError, match=r"held\.parquet cannot be read as a table"):
            corpus(file)
