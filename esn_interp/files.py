"""Reading and writing: whole files or none, with a header that says what they are."""

import hashlib
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from esn_interp.errors import EsnError, first_line
from esn_interp.packing import pack, unpack

try:
    import fcntl
except ImportError:  # on Windows nothing is locked
    fcntl = None

HEADER, PACKED, CHECKSUM = "esn", "packed", "checksum"
"""Metadata key of a safetensors file under which our JSON header is kept; its entries on packed arrays, and on all that
the file holds."""


def write_atomic(path: str | Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a temporary file, then put it in the place of ``path``.

    A reader sees the old file or the new one, never half of one, also when the power fails. Missing folders
    are made, so that the result of a long run is not lost for want of one. See `together` for several files.

    Raises
    ------
    EsnError
        When ``path`` is a folder, or the disk or its rights don't let it be written; what was there is as it was.
    """
    path = Path(path)
    with _told_of(path):
        if path.is_dir():
            raise EsnError(f"{path}: this is a folder; name a file in it")
        path.parent.mkdir(parents=True, exist_ok=True)
        # The suffix stays at the end: some writers choose their format by it.
        temporary = path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}{path.suffix}")
        waiting = _together.get()
        try:
            temporary.touch()
            mode = temporary.stat().st_mode
            write(temporary)
            temporary.chmod(mode)  # safetensors makes files that only their owner can read
            _flush(temporary)
            if waiting is None:
                _place(temporary, path)
            else:
                waiting.append((temporary, path))
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


@contextmanager
def together() -> Generator[None]:
    """Files that are written in the block appear at its end, all of them, or none when anything goes wrong."""
    waiting: list[tuple[Path, Path]] = []
    token = _together.set(waiting)
    try:
        yield
        for temporary, path in waiting:
            with _told_of(path):
                _place(temporary, path)
    finally:
        _together.reset(token)
        for temporary, _ in waiting:
            temporary.unlink(missing_ok=True)


def clean(path: str | Path) -> None:
    """Take away what runs that died while they wrote a file, or files of a folder, have left behind."""
    path = Path(path)
    left = path.rglob(f"{_MARK}*") if path.is_dir() else ()
    for found in (*left, *path.parent.glob(f"{_beginning(path)}*")):
        if not _LEFT.match(found.name):
            continue
        with suppress(OSError):
            shutil.rmtree(found) if found.is_dir() else found.unlink()


_together: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("together", default=None)
_MARK = ".esn-"
_LEFT = re.compile(r"\.esn-[0-9a-f]{8}-[0-9a-f]{8}(\.[^/]*)?$")


def _beginning(path: Path) -> str:
    """How the names of temporary files of this one begin; they are short, whatever its own is."""
    return f"{_MARK}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:8]}-"


def making_of(path: str | Path) -> Path:
    """Where a folder is made before it is put in its place; `clean` takes away what is left of one."""
    path = Path(path)
    return path.with_name(f"{_beginning(path)}{secrets.token_hex(4)}")


def _place(temporary: Path, path: Path) -> None:
    temporary.replace(path)
    _flush(path.parent)


@contextmanager
def _told_of(path: Path) -> Generator[None]:
    """What a disk says, with the file that it is about.

    Raises
    ------
    EsnError
        In its place.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        old = "; the file that was there is as it was" if _there(path) else ""
        raise EsnError(f"{path}: can't be written: {reason}{old}") from error


def _there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def locked(path: str | Path) -> Generator[None]:
    """Within the block, a file or folder that is to be written is this run's alone.

    The system frees what the dead held. A block inside another one of the same place is the same run.

    Raises
    ------
    EsnError
        When another run is writing it.
    """
    place = Path(path).resolve()
    if fcntl is None or place in _ours.get():
        yield
        return
    folder = Path(tempfile.gettempdir()) / f"esn-interp-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = folder / f"{hashlib.sha256(os.fsencode(place)).hexdigest()[:24]}.lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise EsnError(
                f"{path}: another run is writing it (process {other or 'unknown'}); wait for it or end it, or name"
                " another place"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode("ascii"), 0)
        token = _ours.set(_ours.get() | {place})
        try:
            yield
        finally:
            _ours.reset(token)
    finally:
        os.close(descriptor)


_ours: ContextVar[frozenset[Path]] = ContextVar("ours", default=frozenset())


def write_text(path: str | Path, text: str) -> None:
    """Write a file of text, in UTF-8, whole or not at all."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all."""

    def write(file: Path) -> None:
        file.write_bytes(content)

    write_atomic(path, write)


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write one JSON object; ``content`` should name its ``kind`` and ``version``."""
    text = json.dumps(dict(content), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def read_json(path: str | Path, *, kind: str, version: int) -> dict[str, Any]:
    """Read a JSON object that says it is of this kind and version; see `read_json_of`."""
    return read_json_of(path, {kind: version})


def read_json_of(path: str | Path, versions: Mapping[str, int]) -> dict[str, Any]:
    """Read a JSON object that says it is of one of these kinds, each in its version.

    Raises
    ------
    EsnError
        When there is no such file, it is not a JSON object, or it is of another kind or version.
    """
    path = _existing(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise EsnError(f"{path}: this is not a JSON file") from None
    if not isinstance(content, dict):
        raise EsnError(f"{path}: expected a JSON object, found a {type(content).__name__}")
    content = cast("dict[str, Any]", content)
    _require(path, content, versions)
    return content


def save_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], *, packed: bool = False
) -> None:
    """Write arrays and a JSON header as one safetensors file; with ``packed``, large arrays smaller, without loss.

    A checksum over both goes with them.
    """
    if packed:
        arrays, told = pack(arrays)
        header = dict(header) | {PACKED: told}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps({**header, CHECKSUM: _checksum(contiguous, header)}, ensure_ascii=False)
    write_atomic(path, lambda file: save_file(contiguous, file, metadata={HEADER: text}))


def load_tensors(
    path: str | Path, *, kind: str, version: int | tuple[int, ...]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_tensors` wrote: the arrays by name, and the header.

    Several versions may be given, the newest last.

    Raises
    ------
    EsnError
        When there is no such file, it is not one of ours, it is of another kind or version, or it is not what was
        written, by its checksum.
    """
    path = _existing(path)
    try:
        with safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get(HEADER)
            if text is None:
                raise EsnError(f"{path}: this safetensors file was not written by esn_interp")
            header = json.loads(text)
            if not isinstance(header, dict):
                raise EsnError(f"{path}: its header is a {type(header).__name__}, not an object; the file is damaged")
            header = cast("dict[str, Any]", header)
            # The header is judged first: the arrays of a foreign file may be large, and of no use.
            _require(path, header, {kind: version})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            expected = header.pop(CHECKSUM, None)
            if expected is not None and _checksum(arrays, header) != expected:
                raise EsnError(
                    f"{path}: damaged: not what was written, by its checksum; make it anew, or copy it again"
                )
            arrays = unpack(arrays, header.pop(PACKED, {}))
    except (SafetensorError, ValueError, RecursionError):
        raise EsnError(f"{path}: this is not a safetensors file of ours, or it is cut short") from None
    return arrays, header


def _checksum(arrays: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> str:
    """Hex digits over a header and arrays, by name; files of earlier releases have none."""
    digest = hashlib.sha256(json.dumps(dict(header), ensure_ascii=False).encode("utf-8", "surrogatepass"))
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def package_version() -> str:
    """Version of the installed package, for headers."""
    try:
        return metadata.version("esn-interp")
    except metadata.PackageNotFoundError:
        return "unknown"


def _existing(path: str | Path) -> Path:
    path = Path(path)
    if path.is_dir():
        raise EsnError(f"{path}: this is a folder; name a file in it")
    if not path.exists():
        raise EsnError(f"{path}: there is no such file")
    return path


def _require(path: Path, header: Mapping[str, Any], versions: Mapping[str, int | tuple[int, ...]]) -> None:
    found, number = header.get("kind"), header.get("version")
    if not isinstance(found, str) or found not in versions:
        expected = " or ".join(map(repr, versions))
        raise EsnError(f"{path}: this is a file of kind {found!r}, expected {expected}")
    version = versions[found]
    known = (version,) if isinstance(version, int) else version
    reads = " and ".join(map(str, known))
    if number not in known:
        raise EsnError(
            f"{path}: format version {number} of {found!r}, this esn_interp reads version {reads};"
            " make the file anew"
        )


def _flush(path: Path) -> None:
    """Have the disk hold what was written; a rename is only durable once its folder is flushed as well."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
