"""The fixed columns of `Clips`, and the way from a user's table or dataset to them, column by column."""

import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import soundfile
from datasets import Audio, ClassLabel, Dataset, DatasetInfo, Features, Value, concatenate_datasets

from esn_interp.errors import CorpusError
from esn_interp.speech.labels import SPLITS, emotion_name
from esn_interp.speech.spelling import one_form

_TEXT = ("emotion", "speaker", "sex", "sentence", "transcript", "language", "corpus", "split")
COLUMNS = ("id", "audio", *_TEXT, "extras")

# Audio stays encoded: soundfile decodes it when a clip is used, and torchcodec is never needed.
FEATURES = Features(
    {name: Audio(decode=False) if name == "audio" else Value("string") for name in COLUMNS}
)  # fmt: skip
ARROW = pa.schema(
    [
        (name, pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if name == "audio" else pa.string())
        for name in COLUMNS
    ]
)
_BATCH = 1_000
_PLAIN = {str, int, bool, type(None)}

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
    columns = {str(column): frame[column].tolist() for column in frame.columns}
    _require(columns, len(frame), name)
    # Tables have hundreds of thousands of rows: what most cells are is seen to without a call for each.
    audio = [
        {"bytes": None, "path": value} if type(value) is str and value.strip() else _audio(value, row, name)
        for row, value in enumerate(columns["audio"], start=1)
    ]
    texts = _texts(columns, [value["path"] for value in audio], name)
    return dataset_from_table(pa.table({**texts, "audio": pa.array(audio, ARROW.field("audio").type)}))


def dataset_from_dataset(dataset: Dataset, *, name: str) -> Dataset:
    """The same for a `datasets.Dataset`, whose audio stays where it is: on disk, if it is there."""
    _require(dict.fromkeys(dataset.column_names), len(dataset), name)
    audio = _stored(dataset, name)
    paths = _paths(audio, name)
    columns: dict[str, list[Any]] = {}
    for column in dataset.column_names:
        if column != "audio":
            columns[column] = named_values(dataset, column)
    table = pa.table(_texts(columns, paths, name))
    return concatenate_datasets([audio, Dataset(table)], axis=1).select_columns(list(COLUMNS))


def dataset_from_table(table: Any) -> Dataset:
    """A dataset over a `pyarrow.Table` (which ships no types) in memory, without the Hugging Face cache."""
    rows = table.select(list(COLUMNS)).replace_schema_metadata(None).cast(ARROW)
    return Dataset(rows, info=DatasetInfo(features=FEATURES))


def column_values(dataset: Dataset, column: str) -> list[Any]:
    """One column as a list, read at once: a dataset that is iterated over makes each row of its own."""
    table: Any = dataset.select_columns([column]).with_format("arrow")[:]
    return table.column(column).to_pylist()


def audio_batches(dataset: Dataset) -> Iterator[list[dict[str, Any]]]:
    """The audio of a dataset of the schema, encoded as it is, some clips at a time."""
    batches: Any = dataset.select_columns(["audio"]).with_format("arrow").iter(_BATCH)
    for batch in batches:
        yield batch.column("audio").to_pylist()


def named_values(dataset: Dataset, column: str) -> list[Any]:
    """One column as a list, the classes of a `ClassLabel` by their names; -1, which means none of them, is None."""
    values, feature = column_values(dataset, column), dataset.features[column]
    if not isinstance(feature, ClassLabel):
        return values
    known = dict(enumerate(feature.names))
    return [known.get(value) for value in values]


def _require(columns: Mapping[str, Any], rows: int, name: str) -> None:
    for column in ("audio", "emotion"):
        if column not in columns:
            found = ", ".join(columns) or "none"
            raise CorpusError(f"corpus {name}: column {column!r} is missing; found {found}")
    if not rows:
        raise CorpusError(f"corpus {name}: holds no clips")


def _texts(
    columns: Mapping[str, Sequence[Any]], paths: Sequence[str | None], name: str
) -> dict[str, list[str]]:
    """Every column of the schema but the audio, from columns of any kind."""
    rows = len(paths)
    texts = {column: _column(columns.get(column), rows, what=f"corpus {name}, {column}") for column in ("id", *_TEXT)}
    for row, emotion in enumerate(texts["emotion"], start=1):
        if not emotion:
            raise CorpusError(f"corpus {name}, row {row}: no emotion")
    spelt = {label: emotion_name(label) for label in set(texts["emotion"])}
    texts["emotion"] = [spelt[label] for label in texts["emotion"]]
    texts["corpus"] = [corpus or name for corpus in texts["corpus"]]
    for row, sex in enumerate(texts["sex"], start=1):
        if sex.lower() not in _SEXES:
            raise CorpusError(f"corpus {name}, row {row}: sex {sex!r} is none of female, male or empty")
    texts["sex"] = [_SEXES[sex.lower()] for sex in texts["sex"]]
    for row, split in enumerate(texts["split"], start=1):
        if split not in ("", *SPLITS):
            raise CorpusError(
                f"corpus {name}, row {row}: split {split!r} is none of {', '.join(SPLITS)} or empty"
            )
    texts["id"] = _ids(texts["id"], paths, name)
    texts["extras"] = _extras(columns, rows)
    return texts


def _audio(value: Any, row: int, name: str) -> dict[str, Any]:
    if isinstance(value, str | Path) and str(value).strip():
        return {"bytes": None, "path": str(value)}
    if isinstance(value, bytes):
        return {"bytes": value, "path": None}
    if isinstance(value, Mapping):
        data, path = value.get("bytes"), value.get("path")
        if data is None and value.get("array") is not None and value.get("sampling_rate"):
            return {"bytes": _encoded(value["array"], value["sampling_rate"], row, name), "path": None}
        if data is not None or path:
            return {"bytes": data, "path": None if path is None else str(path)}
    raise CorpusError(
        f"corpus {name}, row {row}: no audio; expected a path, bytes, or a mapping with 'bytes' or 'path', or with"
        " 'array' and 'sampling_rate'"
    )


def _encoded(array: Any, rate: Any, row: int, name: str) -> bytes:
    """Samples as a file in memory; what is wrong with the sound itself is said when the clip is heard."""
    try:
        samples, rate = np.asarray(array), int(rate)
        if samples.ndim == 2 and samples.shape[0] < samples.shape[1]:
            samples = samples.T  # channels are the shorter axis
        kind = "FLOAT" if np.issubdtype(samples.dtype, np.floating) else "PCM_16"
        file = io.BytesIO()
        soundfile.write(
            file, samples.astype(np.float32 if kind == "FLOAT" else np.int16), rate, kind, format="WAV"
        )
    except (ValueError, TypeError, OverflowError, soundfile.SoundFileError) as error:
        raise CorpusError(
            f"corpus {name}, row {row}: no audio; its array can't be sound ({error})"
        ) from error
    return file.getvalue()


def _stored(dataset: Dataset, name: str) -> Dataset:
    """The audio of a dataset as files in memory or paths, whatever kind of column it is in.

    Raises
    ------
    CorpusError
        When it is of a kind that holds no sound, or leaves its sampling rate open.
    """
    column = dataset.select_columns(["audio"])
    if isinstance(dataset.features["audio"], Audio):
        return column.cast_column("audio", Audio(decode=False))
    kind = column.data.schema.field("audio").type
    named = (
        {kind.field(number).name for number in range(kind.num_fields)} if pa.types.is_struct(kind) else set()
    )
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    if not (text or binary or "path" in named or "bytes" in named or {"array", "sampling_rate"} <= named):
        raise CorpusError(
            f"corpus {name}: column 'audio' holds {kind}; expected paths, encoded files, or structures with 'bytes' or"
            " 'path', or with 'array' and 'sampling_rate'"
        )
    stored: list[dict[str, Any]] = []
    batches: Any = column.with_format("arrow").iter(_BATCH)
    for batch in batches:
        for value in batch.column("audio").to_pylist():
            stored.append(_audio(value, len(stored) + 1, name))
    table = pa.table({"audio": pa.array(stored, ARROW.field("audio").type)})
    return Dataset(table, info=DatasetInfo(features=Features({"audio": Audio(decode=False)})))


def _paths(audio: Dataset, name: str) -> list[str | None]:
    """Where the clips of a dataset lie, as far as it says; their bytes are passed over batch by batch."""
    paths: list[str | None] = []
    batches: Any = audio.with_format("arrow").iter(_BATCH)
    for batch in batches:
        stored = batch["audio"].combine_chunks()
        known = stored.field("path").to_pylist()
        held = stored.field("bytes").is_valid().to_pylist()
        for path, held_here in zip(known, held, strict=True):
            if not path and not held_here:
                raise CorpusError(f"corpus {name}, row {len(paths) + 1}: no audio, neither bytes nor a path")
            paths.append(path)
    return paths


def _column(values: Sequence[Any] | None, rows: int, *, what: str) -> list[str]:
    if values is None:
        return [""] * rows
    for row, value in enumerate(values, start=1):
        if isinstance(value, list | dict):
            raise CorpusError(f"{what}: row {row} holds a {type(value).__name__}, where one text is expected")
    return [one_form(value.strip() if type(value) is str else _text(value)) for value in values]


def _text(value: Any) -> str:
    missing = value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def _extras(columns: Mapping[str, Sequence[Any]], rows: int) -> list[str]:
    """What the schema has no column for, as JSON; a column `extras` holds mappings, or JSON of them."""
    further = {name: values for name, values in columns.items() if name not in COLUMNS}
    given = columns.get("extras")
    texts: list[str] = []
    for row in range(rows):
        extras = {} if given is None else _given(given[row])
        extras |= {name: values[row] for name, values in further.items()}
        plain = {key: v if type(v) in _PLAIN else _plain(v) for key, v in extras.items()}
        texts.append(json.dumps(plain, ensure_ascii=False))
    return texts


def _given(value: Any) -> dict[str, Any]:
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if not isinstance(value, str) or not value:
        return {}
    try:
        decoded = json.loads(value)
    except ValueError:
        decoded = value  # a column of that name which holds plain text is worth keeping, too
    return decoded if isinstance(decoded, dict) else {"extras": decoded}


def _plain(value: Any) -> Any:
    """What JSON can hold, through and through: numpy scalars as numbers, gaps as null, anything else as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, np.generic):
        value = value.item()
    if value is pd.NA or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return value if isinstance(value, bool | int | float | str | None) else str(value)


def _ids(given: Sequence[str], paths: Sequence[str | None], name: str) -> list[str]:
    """Fills empty ids in: the file's stem where no other has it, else corpus and row number."""
    # As `Path.stem` has them.
    files = [path.rsplit("/", 1)[-1] if path else "" for path in paths]
    stems = [file.rpartition(".")[0] or file for file in files]
    counts = Counter(stems)
    seen: dict[str, int] = {}
    for number, (own, stem) in enumerate(zip(given, stems, strict=True), start=1):
        clip = own or (stem if stem and counts[stem] == 1 else f"{name}-{number:05d}")
        if clip in seen:
            raise CorpusError(f"corpus {name}: id {clip!r} is in rows {seen[clip]} and {number}")
        seen[clip] = number
    return list(seen)
