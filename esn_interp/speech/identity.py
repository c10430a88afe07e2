"""What a recording is, told by its content: two files of the same name are two recordings, a moved one is the same.

Encoded files are known by their bytes, sound that came as an array by its samples at 16 bit: decoders differ between
builds, and the last bits of floats with them. What was hashed is remembered with the size and times of the file, here
and in the user's cache, and hashed again when any of them changed.
"""

import hashlib
import io
import os
import sqlite3
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from platformdirs import user_cache_dir

from esn_interp.speech.spelling import as_on_disk

UNREADABLE = "unreadable"
"""The sound of a clip that can't be read."""

_DIGITS, _FLOAT = 16, 3  # hex digits of a sound; the number by which a WAV says that its samples are floats
_CHUNK = 1 << 20
_JUST_NOW = 2.0  # seconds: a file that is so young may change again without its times saying so
_THREADS = 8

Stat = tuple[int, int, int, int]
"""Size, time of the last change, time of the last change of its entry, number of the entry."""

_known: dict[str, tuple[Stat, str]] = {}
_trusting: ContextVar[bool] = ContextVar("trusting", default=False)


@contextmanager
def trusting_mtime(trusting: bool = True) -> Generator[None]:
    """Within the block, a file of the same size and time of change is taken for the same, wherever its entry is.

    Without it, a file whose entry changed as well (it was moved, linked or given other rights) is hashed again; those
    are the changes that a user can't make unseen.
    """
    token = _trusting.set(trusting or _trusting.get())
    try:
        yield
    finally:
        _trusting.reset(token)


def sound_of(audio: Mapping[str, Any] | str | Path | bytes) -> str:
    """Sixteen hex digits over the content of one recording, as `Clip.audio` has it."""
    return sounds_of([audio if isinstance(audio, Mapping) else _mapping(audio)])[0]


def sounds_of(recordings: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The same for many: files that nobody has hashed yet are read by several threads."""
    places = [_place(one) for one in recordings]
    files = _of_files(sorted(set(filter(None, places))))
    return tuple(
        files.get(place, UNREADABLE) if place or one.get("bytes") is None
        else _of_bytes(bytes(one["bytes"]), named=bool(one.get("path")))
        for one, place in zip(recordings, places, strict=True)
    )  # fmt: skip


def _place(one: Mapping[str, Any]) -> str:
    """The full path of a recording that is a file; empty for others."""
    return "" if one.get("bytes") is not None or not one.get("path") else str(Path(one["path"]).absolute())


def _mapping(audio: str | Path | bytes) -> dict[str, Any]:
    return {"bytes": audio} if isinstance(audio, bytes) else {"path": str(audio)}


def _of_bytes(data: bytes, *, named: bool) -> str:
    if not named and _is_float_wav(data):
        with suppress(soundfile.SoundFileError, RuntimeError):
            samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
            return _of_samples(samples, rate)
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _of_samples(samples: np.ndarray, rate: int) -> str:
    """Over the samples as 16-bit numbers, with their rate and channels."""
    with np.errstate(invalid="ignore"):
        whole = np.nan_to_num(np.round(samples.astype(np.float64) * 2**15), nan=0.0)
    whole = np.clip(whole, -(2**15), 2**15 - 1).astype("<i2")
    digest = hashlib.sha256(f"{rate} {samples.shape[1]} ".encode())
    digest.update(np.ascontiguousarray(whole).tobytes())
    return digest.hexdigest()[:_DIGITS]


def _is_float_wav(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt " and int.from_bytes(data[20:22], "little") == _FLOAT


# ---------------------------------------------------------------- files


def _of_files(paths: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    stats = {path: _stat(path) for path in paths}
    there = {path: stat for path, stat in stats.items() if stat is not None}
    _recall(path for path in there if path not in _known)
    for path, stat in there.items():
        if path in _known and _same(_known[path][0], stat):
            found[path] = _known[path][1]
    left = [path for path in there if path not in found]
    if len(left) > 1:
        with ThreadPoolExecutor(_THREADS) as pool:
            fresh = dict(zip(left, pool.map(_of_file, left), strict=True))
    else:
        fresh = {path: _of_file(path) for path in left}
    _remember({path: (there[path], sound) for path, sound in fresh.items() if sound != UNREADABLE})
    return found | fresh


def _of_file(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with as_on_disk(Path(path)).open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except (OSError, ValueError):
        return UNREADABLE
    return digest.hexdigest()[:_DIGITS]


def _stat(path: str) -> Stat | None:
    """None where there is no regular file: a pipe would be waited for."""
    try:
        file = as_on_disk(Path(path))
        if not file.is_file():
            return None
        told = file.stat()
    except (OSError, ValueError):
        return None
    return told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino


def _same(known: Stat, now: Stat) -> bool:
    return known[:2] == now[:2] if _trusting.get() else known == now


# ---------------------------------------------------------------- what is remembered


def _remember(fresh: Mapping[str, tuple[Stat, str]]) -> None:
    now = time.time_ns()
    settled = {
        path: told for path, told in fresh.items() if now - max(told[0][1:3]) > _JUST_NOW * 1e9
    }
    _known.update(settled)
    if not settled:
        return
    rows = [(os.fsencode(path), *map(str, stat), sound) for path, (stat, sound) in settled.items()]
    # A cache that can't be kept costs time, and nothing else.
    with suppress(sqlite3.Error, OSError), closing(_cache()) as cache, cache:
        cache.executemany("insert or replace into sounds values (?, ?, ?, ?, ?, ?)", rows)


def _recall(paths: Iterable[str]) -> None:
    """Have what an earlier run hashed, where its cache can be read."""
    wanted = list(paths)
    if not wanted:
        return
    with suppress(sqlite3.Error, OSError, ValueError), closing(_cache()) as cache:
        for path in wanted:
            row = cache.execute(
                "select size, changed, entered, entry, sound from sounds where path = ?",
                (os.fsencode(path),),
            ).fetchone()
            if row is not None:
                size, changed, entered, entry, sound = row
                _known[path] = (int(size), int(changed), int(entered), int(entry)), str(sound)


def _cache() -> sqlite3.Connection:
    folder = Path(user_cache_dir("esn_interp"))
    folder.mkdir(parents=True, exist_ok=True)
    cache = sqlite3.connect(folder / "sounds.sqlite", timeout=1.0)
    cache.execute(
        "create table if not exists sounds"
        " (path blob primary key, size text, changed text, entered text, entry text, sound text)"
    )
    return cache
