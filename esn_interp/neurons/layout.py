"""How statistics are laid out: which sums there are, what they are called, and how a file holds them by
layer."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from esn_interp.errors import StatisticsError
from esn_interp.neurons.origin import Origin

SCOPES = ("audio", "text", "last")
"""The token scopes of a prompt: disjoint, and together every position of it."""

ALL = "all"
"""Every position of the prompt, as a scope of its own at clip level."""

TOKEN_SUMS = ("firings", "sum", "sum_sq", "sum_abs")
CLIP_SUMS = ("rate_sum", "rate_sum_sq", "mean_sum", "mean_sum_sq")


def sum_types(scopes: Sequence[str]) -> dict[str, type[np.generic]]:
    """Name and type of every per-gate sum: ``audio/firings`` and so on are int64, all others float64."""
    names = [f"{scope}/{kind}" for scope in scopes for kind in TOKEN_SUMS]
    names += [f"{scope}/{kind}" for scope in (*scopes, ALL) for kind in CLIP_SUMS]
    return {name: np.int64 if name.endswith("/firings") else np.float64 for name in names}


def parse_scopes(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The scopes of a comma-separated list, in the order of ``known``.

    Raises
    ------
    StatisticsError
        When the list names an unknown scope, or joins ``all`` with a scope that it holds already.
    """
    names = {name.strip() for name in text.split(",")}
    if unknown := sorted(names - {*known, ALL}):
        raise StatisticsError(f"unknown scope {unknown[0]!r}; choose from {', '.join((*known, ALL))}")
    if ALL in names and len(names) > 1:
        raise StatisticsError(f"scope {text!r}: 'all' holds every other scope; name it alone")
    return tuple(name for name in (*known, ALL) if name in names)


def by_layer(name: str, values: np.ndarray, origin: Origin) -> Iterator[tuple[str, np.ndarray]]:
    """One array per layer (views), such as ``audio/firings/07``, from ``[row, gate]``."""
    for layer, columns in enumerate(origin.layers):
        yield f"{name}/{layer:02d}", values[:, columns]


class LayeredArrays:
    """The arrays of a file called ``where``, read with the shape and type that the format promises.

    Methods raise StatisticsError when an array is missing or another; the message names it.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], origin: Origin, *, where: str) -> None:
        self._arrays, self._origin, self._where = arrays, origin, where

    def flat(self, name: str, dtype: type[np.generic], length: int) -> np.ndarray:
        """A one-dimensional array."""
        return self._take(name, dtype, (length,))

    def gates(self, name: str, dtype: type[np.generic], rows: int) -> np.ndarray:
        """The layers of one array side by side: ``[row, gate]``, gates by flat index."""
        widths = enumerate(self._origin.widths)
        return np.concatenate([self._take(f"{name}/{at:02d}", dtype, (rows, n)) for at, n in widths], axis=1)

    def _take(self, name: str, dtype: type[np.generic], shape: tuple[int, ...]) -> np.ndarray:
        found = self._arrays.get(name)
        if found is None or found.shape != shape or found.dtype != dtype:
            had = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
            raise StatisticsError(
                f"{self._where}: array {name} {had}; expected {dtype.__name__} {list(shape)}"
            )
        return found


def sum_over(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Sum of equally shaped arrays, added from left to right into a new one."""
    iterator = iter(arrays)
    total = next(iterator).copy()
    for array in iterator:
        total += array
    return total
