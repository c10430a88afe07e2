"""Databases of others, damaged: one line says which file or table, whatever its reader runs into."""

from pathlib import Path

import pandas as pd
import pytest
from datasets import Audio, Dataset
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
