"""Reading and writing: whole files or none, with a header that says what they are."""

import json
import os
import secrets
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from esn_interp.errors import EsnError
from esn_interp.packing import pack, unpack

HEADER, PACKED = "esn", "packed"
"""Metadata key of a safetensors file under which our JSON header is kept, and its entry on packed arrays."""


def write_atomic(path: str | Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` fill a temporary file, then put it in the place of ``path``.

    A reader sees the old file or the new one, never half of one, also when the power fails. Missing folders
    are made, so that the result of a long run is not lost for want of one.

    Raises
    ------
    EsnError
        When ``path`` is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise EsnError(f"{path}: this is a folder; name a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays at the end: some writers choose their format by it.
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors makes files that only their owner can read
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


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
    except ValueError:
        raise EsnError(f"{path}: this is not a JSON file") from None
    if not isinstance(content, dict):
        raise EsnError(f"{path}: expected a JSON object, found a {type(content).__name__}")
    content = cast("dict[str, Any]", content)
    _require(path, content, versions)
    return content


def save_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], header: Mapping[str, Any], *, packed: bool = False
) -> None:
    """Write arrays and a JSON header as one safetensors file; with ``packed``, large arrays smaller, without loss."""
    if packed:
        arrays, told = pack(arrays)
        header = dict(header) | {PACKED: told}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(dict(header), ensure_ascii=False)
    write_atomic(path, lambda file: save_file(contiguous, file, metadata={HEADER: text}))


def load_tensors(
    path: str | Path, *, kind: str, version: int | tuple[int, ...]
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_tensors` wrote: the arrays by name, and the header.

    Several versions may be given, the newest last.

    Raises
    ------
    EsnError
        When there is no such file, it is not one of ours, or it is of another kind or version.
    """
    path = _existing(path)
    try:
        with safe_open(str(path), framework="numpy") as file:
            text = (file.metadata() or {}).get(HEADER)
            if text is None:
                raise EsnError(f"{path}: this safetensors file was not written by esn_interp")
            header = cast("dict[str, Any]", json.loads(text))
            # The header is judged first: the arrays of a foreign file may be large, and of no use.
            _require(path, header, {kind: version})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            arrays = unpack(arrays, header.pop(PACKED, {}))
    except (SafetensorError, ValueError):
        raise EsnError(f"{path}: this is not a safetensors file of ours, or it is cut short") from None
    return arrays, header


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
