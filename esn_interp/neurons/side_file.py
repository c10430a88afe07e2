"""The sums of single clips in a file of their own, which is mapped into memory: as large as the disk allows.

It is a safetensors file whose size is known before the first clip is run: one array a sum, a row a clip, a column a
gate. What clips these are stands in the file of the statistics, which names this one and its ``key``.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from esn_interp.errors import StatisticsError
from esn_interp.files import HEADER, package_version

KIND, VERSION = "sums of single clips", 1
SUFFIX = ".clips.safetensors"
"""Follows the name of the statistics beside which such a file lies."""

_TYPES = {"I32": np.int32, "F32": np.float32, "F64": np.float64}


class SideFile:
    """Takes the sums of one clip after the other; ``capacity`` is how many there can be.

    ``key`` ties it to its statistics. An existing file of the same key is gone on with, any other is replaced.
    """

    def __init__(self, path: str | Path, capacity: int, key: str) -> None:
        self.path, self.capacity, self.key = Path(path), capacity, key
        self._sums: dict[str, np.memmap[Any, Any]] = {}

    def put(self, row: int, sums: Mapping[str, np.ndarray]) -> None:
        """Write the sums of clips from this row on.

        Raises
        ------
        StatisticsError
            When the disk has no room for all clips.
        """
        if not self._sums:
            if row == 0:
                self._make(sums)
            self._sums = mapped(self.path, self.key, writable=True)
        for name, values in sums.items():
            self._sums[name][row : row + len(values)] = values

    def flushed(self, clips: int) -> Mapping[str, np.ndarray]:
        """The sums of the first so many clips, which the disk holds now."""
        for values in self._sums.values():
            values.flush()
        found = self._sums or (mapped(self.path, self.key) if clips else {})
        return {name: values[:clips] for name, values in found.items()}

    def _make(self, sums: Mapping[str, np.ndarray]) -> None:
        entries: dict[str, Any] = {}
        end = 0
        for name, values in sums.items():
            start, end = end, end + self.capacity * values.shape[1] * values.dtype.itemsize
            kind = next(code for code, dtype in _TYPES.items() if values.dtype == dtype)
            shape = [self.capacity, values.shape[1]]
            entries[name] = {"dtype": kind, "shape": shape, "data_offsets": [start, end]}
        told = {"kind": KIND, "version": VERSION, "key": self.key, "esn_interp": package_version()}
        header = json.dumps({"__metadata__": {HEADER: json.dumps(told)}, **entries}).encode()
        header += b" " * (-len(header) % 8)
        try:
            with self.path.open("wb") as file:
                file.write(len(header).to_bytes(8, "little") + header)
                # Room is taken now: a page that the disk can't hold would end the process without a word.
                os.posix_fallocate(file.fileno(), 0, 8 + len(header) + end)
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise StatisticsError(
                f"{self.path}: no room for the sums of {self.capacity} clips, {end / 1e9:.1f} GB ({error.strerror})"
            ) from None


def mapped(path: Path, key: str, *, writable: bool = False) -> dict[str, "np.memmap[Any, Any]"]:
    """The arrays of such a file by name, without reading them.

    Raises
    ------
    StatisticsError
        When there is no such file, it is damaged, or of other clips.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            content: Any = json.loads(file.read(min(length, size)))
        told = json.loads(content.pop("__metadata__")[HEADER])
        entries = {name: _entry(entry) for name, entry in content.items()}
        whole = all(8 + length + start + _bytes(dtype, shape) <= size for dtype, shape, start in entries.values())
    except FileNotFoundError:
        raise StatisticsError(f"{path}: the sums of single clips are not there") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise StatisticsError(f"{path}: these are no sums of single clips") from None
    if not whole or told.get("kind") != KIND or told.get("version") != VERSION:
        raise StatisticsError(f"{path}: these are no sums of single clips, or the file is cut short")
    if told.get("key") != key:
        raise StatisticsError(f"{path}: these are the sums of other clips")
    mode = "r+" if writable else "r"
    return {
        name: np.memmap(path, dtype, mode, 8 + length + start, shape)
        for name, (dtype, shape, start) in entries.items()
    }


def _entry(entry: dict[str, Any]) -> tuple[type[np.generic], tuple[int, int], int]:
    clips, gates = cast("list[int]", entry["shape"])
    start = int(entry["data_offsets"][0])
    if min(clips, gates, start) < 0:
        raise ValueError("below 0")
    return _TYPES[entry["dtype"]], (int(clips), int(gates)), start


def _bytes(dtype: type[np.generic], shape: tuple[int, int]) -> int:
    return shape[0] * shape[1] * np.dtype(dtype).itemsize
