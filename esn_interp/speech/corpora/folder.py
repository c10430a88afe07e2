"""The user's own recordings: one subfolder per emotion, or a table that names files and labels."""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from esn_interp.errors import CorpusError, first_line
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.dataset import load_dataset_file, named_columns, relabelled
from esn_interp.speech.corpora.release import AUDIO_SUFFIXES, EVERY_SUFFIX, files, unwritable
from esn_interp.speech.corpora.tables import lines_of_json, text_table, with_numbers
from esn_interp.speech.schema import COLUMNS

_FILE_COLUMNS = ("audio", "file", "path")
# Names that look like numbers must stay as they are written, also under other names of columns: "03" is not 3.
_NAMED = {*COLUMNS, *_FILE_COLUMNS, "gender", "session"}


def load_folder(root: Path, *, name: str | None = None, labels: Mapping[str, str] | None = None) -> Clips:
    """Clips from a folder: by its metadata.csv if there is one, else a subfolder per emotion ("angry/a.wav").

    Below an emotion, a further level of folders is taken for the speaker ("angry/anna/a.wav"). `labels` says
    which emotion a folder's name stands for, where it is not one of the vocabulary.
    """
    name = name or root.resolve().name
    if (root / "metadata.csv").is_file():
        return load_table(root / "metadata.csv", name=name, labels=labels)
    rows: list[dict[str, str]] = []
    stray: list[str] = []
    nameless: list[str] = []
    for path in sorted(files(root, EVERY_SUFFIX, left_out=nameless)):
        emotion, *between = path.relative_to(root).parts[:-1] or ("",)
        if emotion:
            rows.append({"audio": str(path), "emotion": emotion, "speaker": between[0] if between else ""})
        else:
            stray.append(path.name)
    if not rows:
        raise CorpusError(
            f"corpus {name}: {root} holds neither a metadata.csv nor a subfolder per emotion with audio, "
            f"such as angry/a.wav ({', '.join(AUDIO_SUFFIXES)})"
        )
    return relabelled(pd.DataFrame(rows), labels, name=name).noted(
        f"recordings outside the folders of emotions, left out: {len(stray):,}, such as {stray[0]}"
        if stray
        else "",
        unwritable(nameless),
    )


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
    frame = _read(path, name, columns)
    if frame is None:
        return load_dataset_file(path, name=name, labels=labels, **columns)
    return _from_table(frame, path, name, labels, columns)


def load_frame(
    frame: pd.DataFrame,
    *,
    name: str = "table",
    labels: Mapping[str, str] | None = None,
    **columns: str,
) -> Clips:
    """Clips from a table in memory, see `Clips.from_frame`; `labels` and `columns` are those of `load_table`."""
    found = [str(column) for column in frame.columns]
    renamed = frame.set_axis(found, axis=1).rename(columns=named_columns(columns, found, name))
    if "emotion" not in renamed.columns:
        raise CorpusError(f"corpus {name}: column 'emotion' is missing; found {', '.join(found) or 'none'}")
    return relabelled(renamed, labels, name=name)


def _from_table(
    frame: pd.DataFrame,
    path: Path,
    name: str,
    labels: Mapping[str, str] | None,
    columns: Mapping[str, str],
) -> Clips:
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
        (file if file.startswith("/") else f"{path.parent}/{file}")
        if isinstance(file, str) and file
        else None
        for file in frame["audio"]
    ]
    return relabelled(frame, labels, name=name)


def _read(path: Path, name: str, columns: Mapping[str, str]) -> pd.DataFrame | None:
    """The table; nothing for a parquet file whose audio lies in it, which is not read as a whole."""
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        cells = text_table(path, name, sep="\t" if suffix == ".tsv" else ",")
        return with_numbers(cells, besides={*_NAMED, *columns.values()})
    if suffix in (".jsonl", ".ndjson"):
        return lines_of_json(path, name)
    if suffix != ".parquet":
        raise CorpusError(
            f"corpus {name}: {path} is neither a .csv nor a .jsonl table (.csv, .tsv, .jsonl, .ndjson, .parquet), nor a"
            " folder"
        )
    try:
        return _read_parquet(path, columns)
    except (ValueError, OSError) as error:  # the parser's errors are ValueErrors
        raise CorpusError(f"corpus {name}: {path} cannot be read as a table ({first_line(error)})") from error


def _read_parquet(path: Path, columns: Mapping[str, str]) -> pd.DataFrame | None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    schema = parquet.read_schema(path)
    wanted = (columns.get("audio"), *_FILE_COLUMNS)
    audio = next((name for name in wanted if name in schema.names), None)
    kind = None if audio is None else schema.field(audio).type
    if kind is not None and not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return None
    # Whole numbers stay whole where others lack: speaker 3 is not 3.0.
    return parquet.read_table(path).to_pandas(integer_object_nulls=True)
