"""The fields of a result as plain JSON, and back: every value as its annotation says, or refused by its name."""

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, cast, get_args, get_origin

import numpy as np

_LONGEST = 60


def encode(value: Any) -> Any:
    """A field as JSON values; what is no finite number is null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        # Nested lists can't tell (0, 5) from (0,), so an array without elements keeps its shape.
        return {"shape": list(value.shape)} if value.size == 0 else encode(value.tolist())
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in cast(dict[Any, Any], value).items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in cast(list[Any], value)]
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def decode(kind: Any, value: Any, name: str = "") -> Any:
    """What `encode` made of a field called ``name`` and annotated as ``kind``; null is NaN where a number is expected.

    Raises
    ------
    ValueError
        When it is missing or can't be that; names the field.
    """
    if isinstance(kind, type) and is_dataclass(kind):
        return _of_dataclass(kind, _a(dict, value, name), name)
    if hasattr(kind, "array_type"):
        return _array(kind, value, name)
    arguments, origin = get_args(kind), get_origin(kind)
    if origin is tuple:
        items = _a(list, value, name)
        inner = arguments[:1] * len(items) if arguments[1:] == (...,) else arguments
        if len(inner) != len(items):
            raise ValueError(f"{name!r} has {len(items)} values, not {len(inner)}")
        return tuple(decode(its, one, f"{name}[{at}]") for at, (its, one) in enumerate(zip(inner, items, strict=True)))
    if origin is dict:
        return {key: decode(arguments[1], item, f"{name}.{key}") for key, item in _a(dict, value, name).items()}
    if isinstance(kind, types.UnionType):
        (inner,) = [option for option in arguments if option is not types.NoneType]
        return None if value is None else decode(inner, value, name)
    if kind is float:
        return float("nan") if value is None else float(_a((int, float), value, name))
    return _a(kind, value, name) if kind in (str, int, bool) else value


def _of_dataclass(kind: Any, content: dict[str, Any], where: str) -> Any:
    values: dict[str, Any] = {}
    sizes: dict[str, int] = {}
    for field in fields(kind):
        name = f"{where}.{field.name}" if where else field.name
        if field.name not in content:
            if field.default is MISSING and field.default_factory is MISSING:
                raise ValueError(f"{name!r} is missing")
            continue  # what an earlier version did not know of has its default
        values[field.name] = found = decode(field.type, content[field.name], name)
        for dimension, size in _named(field.type, found):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(f"{name!r} has {size} along {dimension!r}, other fields {sizes[dimension]}")
    return kind(**values)


def _array(kind: Any, value: Any, name: str) -> np.ndarray:
    dtype = kind.dtypes[0]  # exact but for Bool, which has two names
    try:
        if isinstance(value, dict):
            found = np.empty(cast(dict[str, Any], value)["shape"], dtype)
        else:
            found = np.array(value, dtype)
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError(f"{name!r} is {_short(value)}, no array of {dtype}") from None
    if isinstance(value, dict) == bool(found.size):  # one without elements is written by its shape
        raise ValueError(f"{name!r} is {_short(value)}, which does not go with its shape {list(found.shape)}")
    if kind.index_variadic is None and found.ndim != len(kind.dims):
        raise ValueError(f"{name!r} has {found.ndim} dimensions, not {len(kind.dims)} ({kind.dim_str})")
    return found


def _named(kind: Any, found: Any) -> list[tuple[str, int]]:
    """Named dimensions of an array that has elements, with their sizes."""
    if not hasattr(kind, "array_type") or found.size == 0 or found.ndim != len(kind.dims):
        return []
    names = (getattr(dimension, "name", None) for dimension in kind.dims)
    return [(name, size) for name, size in zip(names, found.shape, strict=True) if name is not None]


def _a(kind: Any, value: Any, name: str) -> Any:
    """The value, which must be of this kind; true and false are no numbers."""
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
        raise ValueError(f"{name!r} is {_short(value)}, not {expected}")
    return value


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
