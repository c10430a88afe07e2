"""The user's own recordings: one subfolder per emotion, or a table that names files and labels."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.dataset import load_dataset_file, named_columns, relabel
from esn_interp.speech.corpora.release import AUDIO_SUFFIXES, SOUND_SUFFIXES, files

_FILE_COLUMNS = ("audio", "file", "path")
# Names that look like numbers must stay as they are written: speaker "03" is not 3.
_NAMES = {"id": str, "speaker": str, "sentence": str}


def load_folder(root: Path, *, name: str | None = None, labels: Mapping[str, str] | None = None) -> Clips:
    """Clips from a folder: by its metadata.csv if there is one, else a subfolder per emotion ("angry/a.wav").

    Below an emotion, a further level of folders is taken for the speaker ("angry/anna/a.wav"). `labels` says
    which emotion a folder's name stands for, where it is not one of the vocabulary.
    """
    name = name or root.resolve().name
    if (root / "metadata.csv").is_file():
        return load_table(root / "metadata.csv", name=name, labels=labels)
    rows: list[dict[str, str]] = []
    for path in sorted(files(root, SOUND_SUFFIXES)):
        emotion, *between = path.relative_to(root).parts[:-1] or ("",)
        if emotion:
            rows.append({"audio": str(path), "emotion": emotion, "speaker": between[0] if between else ""})
    if not rows:
        raise CorpusError(
            f"corpus {name}: {root} holds neither a metadata.csv nor a subfolder per emotion with audio, "
            f"such as angry/a.wav ({', '.join(AUDIO_SUFFIXES)})"
        )
    return Clips.from_frame(relabel(pd.DataFrame(rows), labels), name=name)


def load_table(
    path: Path, *, name: str | None = None, labels: Mapping[str, str] | None = None, **columns: str
) -> Clips:
    """Clips from a .csv, .tsv, .jsonl or .parquet table with a column `audio` (or `file` or `path`) and one
    `emotion`.

    Relative files are looked for beside the table. Columns speaker, sex (or gender), sentence, transcript,
    language and split are used; others go to `extras`. `columns` name those that are called otherwise:
    `emotion="label", speaker="who"`. `labels` says which emotion a label stands for.
    """
    name = name or path.stem
    frame = _read(path, name)
    if frame is None:
        return load_dataset_file(path, name=name, labels=labels, **columns)
    frame = frame.rename(columns=named_columns(columns, [str(column) for column in frame.columns], name))
    column = next((candidate for candidate in _FILE_COLUMNS if candidate in frame.columns), None)
    found = ", ".join(map(str, frame.columns)) or "none"
    if column is None:
        raise CorpusError(
            f"corpus {name}: {path} needs a column audio, file or path; found {found}; name another by audio=COLUMN"
        )
    if "emotion" not in frame.columns:
        raise CorpusError(
            f"corpus {name}: column 'emotion' is missing; found {found}; name another by emotion=COLUMN"
        )
    frame = frame.rename(columns={column: "audio"})
    if "sex" not in frame.columns:
        frame = frame.rename(columns={"gender": "sex"})
    # An absolute file stays where it is; an empty cell stays empty, and is refused with its row number.
    frame["audio"] = [
        (file if file.startswith("/") else f"{path.parent}/{file}") if isinstance(file, str) else None
        for file in frame["audio"]
    ]
    return Clips.from_frame(relabel(frame, labels), name=name)


def _read(path: Path, name: str) -> pd.DataFrame | None:
    """The table; nothing for a parquet file whose audio lies in it, which is not read as a whole."""
    readers: dict[str, Callable[[Path], pd.DataFrame | None]] = {
        **{".csv": _read_csv, ".tsv": _read_tsv, ".jsonl": _read_jsonl, ".ndjson": _read_jsonl},
        ".parquet": _read_parquet,
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise CorpusError(
            f"corpus {name}: {path} is neither a .csv nor a .jsonl table ({', '.join(readers)}), nor a folder"
        )
    try:
        return reader(path)
    except (ValueError, OSError) as error:  # the parsers' errors and those of decoding text are ValueErrors
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CorpusError(f"corpus {name}: {path} cannot be read as a table ({reason})") from error


def _read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=_NAMES)


def _read_tsv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=_NAMES, sep="\t")


def _read_jsonl(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True, dtype=_NAMES)


def _read_parquet(path: Path) -> pd.DataFrame | None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schema = parquet.read_schema(path)
    nested = any(pa.types.is_struct(field.type) or pa.types.is_binary(field.type) for field in schema)
    return None if nested else pd.read_parquet(path)
