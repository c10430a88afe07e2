"""What a thing that holds arrays prints: one line, in which arrays say their shape and not their numbers."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

LONGEST = 60
"""Characters of a value that is told as it is; what is longer says how much it holds."""


def brief(self: Any) -> str:
    """A dataclass as a line: ``Rates(emotions=5 of them, frequency=[5, 1024] float64, scope='all')``."""
    told = (f"{one.name}={_value(getattr(self, one.name))}" for one in fields(self) if one.repr)
    return f"{type(self).__name__}({', '.join(told)})"


def _value(value: Any) -> str:
    if isinstance(value, np.ndarray | np.generic) and value.ndim == 0:
        return repr(value.item())
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{list(shape)} {str(dtype).removeprefix('torch.')}"
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else value[: LONGEST - 1] + "…")
    if isinstance(value, Collection) and not isinstance(value, bytes | bytearray) and len(value) > 1:
        return f"{len(value)} of them"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name!r}: {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    text = repr(value)
    return text if len(text) <= LONGEST and "\n" not in text else type(value).__name__
