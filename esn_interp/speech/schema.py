"""The fixed columns of `Clips`, and the way from a user's table to them."""

import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from datasets import Audio, Dataset, DatasetInfo, Features, Value

from esn_interp.errors import CorpusError
from esn_interp.speech.labels import SPLITS, emotion_name

_TEXT = ("emotion", "speaker", "sex", "sentence", "transcript", "language", "corpus", "split")
COLUMNS = ("id", "audio", *_TEXT, "extras")

# Audio stays encoded: soundfile decodes it when a clip is used, and torchcodec is never needed.
FEATURES = Features(
    {name: Audio(decode=False) if name == "audio" else Value("string") for name in COLUMNS}
)  # fmt: skip
_ARROW = pa.schema(
    [
        (name, pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if name == "audio" else pa.string())
        for name in COLUMNS
    ]
)

_SEXES = {
    "female": "female",
    "f": "female",
    "woman": "female",
    "male": "male",
    "m": "male",
    "man": "male",
    "": "",
}


def dataset_from_frame(frame: pd.DataFrame, *, name: str) -> Dataset:
    """Checks a table and brings it to the schema; see `Clips.from_frame`. The result is held in memory."""
    for column in ("audio", "emotion"):
        if column not in frame.columns:
            found = ", ".join(map(str, frame.columns)) or "none"
            raise CorpusError(f"corpus {name}: column {column!r} is missing; found {found}")
    if len(frame) == 0:
        raise CorpusError(f"corpus {name}: holds no clips")
    records = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    rows = [_row(record, number, name) for number, record in enumerate(records, start=1)]
    _name_clips(rows, name)
    return dataset_from_table(table_from_rows(rows))


def table_from_rows(rows: list[dict[str, Any]]) -> Any:
    """A `pyarrow.Table` in the columns of the schema, for rows that are known to be right."""
    return pa.Table.from_pylist(rows, schema=_ARROW)


def dataset_from_table(table: Any) -> Dataset:
    """A dataset over a `pyarrow.Table` (which ships no types) in memory, without the Hugging Face cache."""
    rows = table.select(list(COLUMNS)).replace_schema_metadata(None).cast(_ARROW)
    return Dataset(rows, info=DatasetInfo(features=FEATURES))


def _row(record: Mapping[str, Any], number: int, name: str) -> dict[str, Any]:
    where = f"corpus {name}, row {number}"
    texts = {column: _text(record.get(column)) for column in _TEXT}
    if not texts["emotion"]:
        raise CorpusError(f"{where}: no emotion")
    texts["emotion"] = emotion_name(texts["emotion"])
    texts["corpus"] = texts["corpus"] or name
    sex = _SEXES.get(texts["sex"].lower())
    if sex is None:
        raise CorpusError(f"{where}: sex {texts['sex']!r} is none of female, male or empty")
    if texts["split"] not in ("", *SPLITS):
        raise CorpusError(f"{where}: split {texts['split']!r} is none of {', '.join(SPLITS)} or empty")
    return {
        "id": _text(record.get("id")),
        "audio": _audio(record["audio"], where),
        **texts,
        "sex": sex,
        "extras": _extras(record),
    }


def _audio(value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, str | Path) and str(value).strip():
        return {"bytes": None, "path": str(value)}
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path")
        if data is not None or path:
            return {"bytes": data, "path": None if path is None else str(path)}
    raise CorpusError(f"{where}: no audio; expected a path, bytes or a mapping with 'bytes' or 'path'")


def _text(value: Any) -> str:
    missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def _extras(record: Mapping[str, Any]) -> str:
    given = record.get("extras")
    extras: dict[str, Any] = {}
    if isinstance(given, Mapping):
        extras.update({str(key): value for key, value in given.items()})
    elif isinstance(given, str) and given:
        extras.update(json.loads(given))
    extras.update({key: value for key, value in record.items() if key not in COLUMNS})
    return json.dumps({key: _plain(value) for key, value in extras.items()}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON can hold: numpy scalars as numbers, gaps as null, anything else as text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str | list | dict | None) else str(value)


def _name_clips(rows: list[dict[str, Any]], name: str) -> None:
    """Fills empty ids in: the file's stem where no other has it, else corpus and row number."""
    stems = [Path(row["audio"]["path"]).stem if row["audio"]["path"] else "" for row in rows]
    single = {stem for stem, count in Counter(stems).items() if stem and count == 1}
    seen: dict[str, int] = {}
    for number, (row, stem) in enumerate(zip(rows, stems, strict=True), start=1):
        row["id"] = row["id"] or (stem if stem in single else f"{name}-{number:05d}")
        if row["id"] in seen:
            raise CorpusError(f"corpus {name}: id {row['id']!r} is in rows {seen[row['id']]} and {number}")
        seen[row["id"]] = number
