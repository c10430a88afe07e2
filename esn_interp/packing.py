"""Large arrays made smaller without losing a bit: the bytes of equal weight side by side, then zstd.

Sums of rounded numbers end in zeros, and begin alike; between the two nothing can be saved.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

_SMALL = 4096  # bytes; smaller arrays stay as they are, and can be read by anybody
_CODEC = "zstd"


def pack(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Arrays as they go into a file, and what its header must say of those that were packed.

    Returns
    -------
    The arrays, packed ones as bytes (one of two that are equal, if there are such); and by name of each packed array
    its type, its shape, and the name under which its bytes are.
    """
    large = {name: array for name, array in arrays.items() if array.nbytes >= _SMALL}
    plain = {name: array for name, array in arrays.items() if name not in large}
    with ThreadPoolExecutor() as pool:  # both steps leave the interpreter to others
        packed = dict(zip(large, pool.map(_packed, large.values()), strict=True))
    told: dict[str, Any] = {}
    names: dict[tuple[bytes, str], str] = {}
    for name, content in packed.items():
        array = large[name]
        told[name] = [array.dtype.str, list(array.shape), names.setdefault((content, array.dtype.str), name)]
    kept = {name: np.frombuffer(packed[name], np.uint8) for name in names.values()}
    return plain | kept, told


def unpack(arrays: Mapping[str, np.ndarray], told: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """What `pack` was given.

    Raises
    ------
    ValueError
        When the bytes of an array are missing, cut short, or not what the header says.
    """
    missing = sorted({source for _, _, source in told.values()} - set(arrays))
    if missing:
        raise ValueError(f"{missing[0]} is missing")

    def one(name: str) -> np.ndarray:
        dtype, shape, source = told[name]
        return _unpacked(arrays[source], dtype, shape)

    with ThreadPoolExecutor() as pool:
        whole = dict(zip(told, pool.map(one, told), strict=True))
    return {name: array for name, array in arrays.items() if name not in told} | whole


def _packed(array: np.ndarray) -> bytes:
    rows = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize)
    import pyarrow as pa  # here, since whoever only reads a JSON file should not wait for it

    return pa.compress(np.ascontiguousarray(rows.T).data, codec=_CODEC, asbytes=True)


def _unpacked(content: np.ndarray, dtype: str, shape: list[int]) -> np.ndarray:
    import pyarrow as pa

    kind = np.dtype(dtype)
    count = int(np.prod(shape, dtype=np.int64))
    try:
        flat = pa.decompress(content.tobytes(), decompressed_size=count * kind.itemsize, codec=_CODEC, asbytes=True)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(str(error)) from None
    planes = np.frombuffer(flat, np.uint8)
    if len(planes) != count * kind.itemsize:
        raise ValueError(f"{len(planes)} bytes for {count} numbers of type {kind}")
    return np.ascontiguousarray(planes.reshape(kind.itemsize, count).T).view(kind).reshape(shape)
