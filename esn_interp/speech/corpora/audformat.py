"""A database in audformat, as audb delivers it: db.yaml, tables db.NAME.csv or .parquet, and media files.

Read from its files, without the packages audb and audformat; https://audeering.github.io/audformat/ specifies
them. Tables must be filewise: a segment of a longer file is no clip of ours.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pandas as pd
import yaml

from esn_interp.errors import CorpusError, first_line
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora.dataset import relabelled
from esn_interp.speech.corpora.tables import read_text, text_table

_SPLITS = {"train": "identification", "dev": "validation", "test": "evaluation"}
_KNOWN = {
    **{"speaker": "speaker", "gender": "sex", "sex": "sex", "sentence": "sentence"},
    **{
        "transcription": "transcript",
        "transcript": "transcript",
        "text": "transcript",
        "language": "language",
    },
}


def load_audformat(
    root: Path,
    *,
    name: str | None = None,
    table: str | None = None,
    emotion: str = "emotion",
    labels: Mapping[str, str] | None = None,
) -> Clips:
    """Clips from the database in `root`: labels from the column `emotion` of `table`, or of all that have it.

    Speaker, sex, transcript and language come from any filewise table, or from the properties of the labels
    of the speakers. Tables that the header assigns to train, dev and test give the split.
    """
    header = _header(root)
    name = name or str(header.get("name") or root.resolve().name)
    tables = _parts(header, "tables", name)
    having = [key for key, entry in tables.items() if emotion in (entry.get("columns") or {})]
    chosen = [table] if table else [key for key in having if tables[key].get("type") == "filewise"]
    if table and table not in having:
        raise CorpusError(
            f"corpus {name}: table {table!r} has no column {emotion!r}; tables with it: {_list(having)}"
        )
    if (table and tables[table].get("type") != "filewise") or (having and not chosen):
        raise CorpusError(
            f"corpus {name}: the tables with a column {emotion!r} are of segments ({_list(having)}); cut the files "
            "into clips first, as audformat.utils.to_filewise does"
        )
    if not chosen:
        found = sorted({column for entry in tables.values() for column in entry.get("columns") or {}})
        raise CorpusError(f"corpus {name}: no table has a column {emotion!r}; columns are {_list(found)}")
    read = [
        _read(root, key, name, emotion).assign(split=_SPLITS.get(_kind(header, tables[key], name), ""))
        for key in chosen
    ]
    frame = pd.concat(read, ignore_index=True)
    if twice := frame["file"][frame["file"].duplicated()].tolist():
        raise CorpusError(
            f"corpus {name}: {twice[0]} is labelled in several tables; choose one by "
            f"table=, of {_list(chosen)}"
        )
    unlabelled = int(frame[emotion].isna().sum())
    frame = frame[frame[emotion].notna()].rename(columns={emotion: "emotion"})
    for key, entry in tables.items():
        if entry.get("type") == "filewise" and key not in chosen:
            frame = _beside(frame, _read(root, key, name))
    frame = _speakers(frame, header, root, name).rename(columns={"file": "audio"})
    known = {ours: theirs for ours, theirs in _KNOWN.items() if ours in frame and theirs not in frame}
    frame = frame.rename(columns=known)
    if "language" not in frame:
        languages = header.get("languages") or []
        frame["language"] = languages[0] if len(languages) == 1 else ""
    frame["audio"] = [str(root / file) for file in frame["audio"]]
    return relabelled(frame, labels, name=name).noted(
        f"left out, files without a label: {unlabelled:,}" if unlabelled else ""
    )


def _header(root: Path) -> dict[str, Any]:
    path = root / "db.yaml"
    try:
        content = yaml.safe_load(read_text(path))
    except (yaml.YAMLError, OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise CorpusError(f"corpus {root.name}: {path} cannot be read as a header ({reason})") from error
    if not isinstance(content, dict):
        raise CorpusError(f"corpus {root.name}: {path} is not the header of a database")
    return cast("dict[str, Any]", content)


def _parts(header: Mapping[str, Any], kind: str, name: str) -> dict[str, dict[str, Any]]:
    """The tables, splits or schemes of a database by their names."""
    found = header.get(kind) or {}
    if not isinstance(found, dict) or not all(isinstance(one, dict | None) for one in found.values()):
        raise CorpusError(f"corpus {name}: its db.yaml lists no {kind} by name, with what belongs to each")
    return {str(key): one or {} for key, one in found.items()}


def _read(root: Path, key: str, name: str, *columns: str, by: str = "file") -> pd.DataFrame:
    table = _table(root, key, name)
    for column in (by, *columns):
        if column not in table:
            raise CorpusError(f"corpus {name}: table {key} of {root} has no column {column!r}")
    return table


def _table(root: Path, key: str, name: str) -> pd.DataFrame:
    as_csv, as_parquet = root / f"db.{key}.csv", root / f"db.{key}.parquet"
    if as_csv.is_file():
        return text_table(as_csv, name).replace({"": None})
    if as_parquet.is_file():
        try:
            return pd.read_parquet(as_parquet)
        except (ValueError, OSError) as error:  # the parser's errors are ValueErrors
            raise CorpusError(
                f"corpus {name}: {as_parquet} cannot be read as a table ({first_line(error)})"
            ) from error
    raise CorpusError(
        f"corpus {name}: {root} holds no table db.{key}.csv or .parquet, which its header names"
    )


def _kind(header: Mapping[str, Any], entry: Mapping[str, Any], name: str) -> str:
    split = _parts(header, "splits", name).get(str(entry.get("split_id")), {})
    return str(split.get("type", ""))


def _beside(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Adds the columns of another table that are not there yet."""
    new = [column for column in other if column == "file" or column not in frame]
    return frame.merge(other[new].drop_duplicates("file"), on="file", how="left")


def _speakers(frame: pd.DataFrame, header: Mapping[str, Any], root: Path, name: str) -> pd.DataFrame:
    """Adds what the database tells of each speaker: the properties of the labels of its scheme `speaker`."""
    labels: Any = _parts(header, "schemes", name).get("speaker", {}).get("labels")
    if "speaker" not in frame or not labels:
        return frame
    if isinstance(labels, str):  # the properties lie in a table of their own
        rows = _read(root, labels, name, by="speaker").set_index("speaker").to_dict("index")
        told: dict[str, Any] = {str(key): row for key, row in rows.items()}
    elif isinstance(labels, dict):
        told = {str(key): value for key, value in labels.items() if isinstance(value, dict)}
    else:
        return frame
    for column in ("gender", "sex", "age", "language"):
        values = [told.get(str(speaker), {}).get(column) for speaker in frame["speaker"]]
        if column not in frame and any(value is not None for value in values):
            frame[column] = values
    return frame


def _list(names: list[str]) -> str:
    return ", ".join(names) or "none"
