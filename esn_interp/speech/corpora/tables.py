"""Tables of text, as they are written: no cell is taken for a number, no column for an index, no row is cut."""

import io
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pandas as pd

from esn_interp.errors import CorpusError, first_line

# "03" and "1e5" are names that look like numbers; what measures something is written like 3, -0.5 or 1.5e-05.
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,15})(?:\.\d+(?:[eE][-+]?\d+)?)?")


def read_text(path: Path, encodings: Collection[str] = ("utf-8-sig", "cp1252")) -> str:
    """A text file of unknown encoding: UTF-16 by its mark or its zeros, else the first of `encodings` that fits."""
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:  # no other encoding of text has zeros; they are the upper halves of its Latin letters
        little = data[1::2].count(0) >= data[0::2].count(0)
        return data.decode("utf-16-le" if little else "utf-16-be", errors="replace")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode(next(iter(encodings)), errors="replace")


def text_table(path: Path, corpus: str, **options: Any) -> pd.DataFrame:
    """A table of text cells, with its header; an empty cell is "".

    Raises
    ------
    CorpusError
        When it cannot be read, a row holds more cells than the header, or two columns have one name.
    """
    try:
        # Read without a header, the first row says how long the others may be, and pandas takes none for an index.
        rows = pd.read_csv(
            io.StringIO(read_text(path)), header=None, dtype=str, keep_default_na=False, **options
        )
    except (ValueError, OSError) as error:  # the parser's errors are ValueErrors
        # "Expected 3 fields in line 2, saw 4"
        reason = first_line(error).removeprefix("Error tokenizing data. C error: ")
        raise CorpusError(f"corpus {corpus}: {path} cannot be read as a table ({reason})") from error
    header = [str(name).strip() for name in rows.iloc[0].fillna("")]
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise CorpusError(f"corpus {corpus}: {path} has two columns {twice[0]!r}; rename or drop one of them")
    table = rows.iloc[1:].fillna("").reset_index(drop=True)
    table.columns = [name or f"unnamed {place}" for place, name in enumerate(header, start=1)]
    return table


def lines_of_json(path: Path, corpus: str) -> pd.DataFrame:
    """A table of JSON objects, one a line; numbers stay whole where other rows lack them.

    Raises
    ------
    CorpusError
        When a line is no JSON object.
    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):  # U+2028 is text, and ends no line
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"corpus {corpus}: {path} cannot be read as a table (line {number}: {error})"
            ) from error
        if not isinstance(row, dict):
            raise CorpusError(
                f"corpus {corpus}: {path} cannot be read as a table (line {number} is no object)"
            )
        rows.append(row)
    return pd.DataFrame(rows, dtype=object)


def with_numbers(table: pd.DataFrame, *, besides: Collection[str]) -> pd.DataFrame:
    """The table with columns of plain numbers as numbers, and of True and False as truths, `besides` named ones."""
    columns: dict[str, Any] = {}
    for name in table.columns:
        values = table[name].tolist()
        filled = {value for value in values if value != ""}
        if name not in besides and filled and filled <= {"True", "False"}:
            columns[name] = [None if value == "" else value == "True" for value in values]
        elif name not in besides and filled and all(_NUMBER.fullmatch(value) for value in filled):
            columns[name] = [None if value == "" else _number(value) for value in values]
        else:
            columns[name] = values
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)
