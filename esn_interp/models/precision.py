"""Precisions by name: what weights can be loaded in."""

from esn_interp.errors import ModelError

PRECISIONS = ("auto", "float32", "bfloat16", "float16", "float64", "float8_e4m3fn", "float8_e5m2")
"""``auto`` is the checkpoint's own."""


def checked_precision(name: str) -> str:
    """The name of a precision, which may have torch's before it.

    Raises
    ------
    ModelError
        When there is none of that name.
    """
    if name.removeprefix("torch.") not in PRECISIONS:
        raise ModelError(f"unknown dtype {name!r}; choose from {', '.join(PRECISIONS)}")
    return name
