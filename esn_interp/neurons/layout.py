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

ANSWERING = "audio,last"
"""The scopes that count unless somebody says which: the instruction is the same whatever is heard."""

TOKEN_SUMS = ("firings", "sum", "sum_sq", "sum_abs")
CLIP_SUMS = ("rate_sum", "rate_sum_sq", "mean_sum", "mean_sum_sq")

ROUTED, ROUTED_CLIPS = "routed", "routed_clips"
"""In a mixture of experts: the tokens that reached a gate's expert, and the clips that had such a token."""

_SIGNED = {"sum", "mean_sum"}
_UNSIGNED = {"clips", "tokens", "firings", "sum_sq", "sum_abs", "rate_sum", "rate_sum_sq", "mean_sum_sq"}
"""Counts, and sums of what is never below 0; other arrays, such as those of neuron sets, may hold anything."""

_IN_FILE = {ROUTED: "tokens", ROUTED_CLIPS: "clips"}


def sum_types(scopes: Sequence[str], *, mixture: bool = False) -> dict[str, type[np.generic]]:
    """Name and type of every per-gate sum: counts such as ``audio/firings`` are int64, all others float64."""
    names = [f"{scope}/{kind}" for scope in scopes for kind in TOKEN_SUMS]
    names += [f"{scope}/{kind}" for scope in (*scopes, ALL) for kind in CLIP_SUMS]
    if mixture:
        names += [f"{scope}/{ROUTED}" for scope in scopes]
        names += [f"{scope}/{ROUTED_CLIPS}" for scope in (*scopes, ALL)]
    counts = ("firings", ROUTED, ROUTED_CLIPS)
    return {name: np.int64 if name.rpartition("/")[2] in counts else np.float64 for name in names}


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
    """One array per layer (views), such as ``audio/firings/07``, from ``[row, gate]``.

    What is the same for all gates of an expert is one column per expert, and there for mixtures only.
    """
    head, _, kind = name.rpartition("/")
    for layer, columns in enumerate(origin.layers):
        if kind not in _IN_FILE:
            yield f"{name}/{layer:02d}", values[:, columns]
        elif count := origin.mixtures.get(layer):
            yield (
                f"{head}/{_IN_FILE[kind]}/{layer:02d}",
                values[:, columns][:, :: origin.widths[layer] // count],
            )


class LayeredArrays:
    """The arrays of a file called ``where``, read with the shape and type that the format promises.

    Methods raise StatisticsError when an array is missing or another, or holds what no sum can be; it is named.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], origin: Origin, *, where: str) -> None:
        self._arrays, self._origin, self.where = arrays, origin, where

    @property
    def mixture(self) -> bool:
        """Whether some layer is a mixture of experts."""
        return bool(self._origin.mixtures)

    def flat(self, name: str, dtype: type[np.generic], length: int) -> np.ndarray:
        """A one-dimensional array."""
        return self._take(name, (length,), dtype)

    def gates(self, name: str, *dtypes: type[np.generic], rows: int) -> np.ndarray:
        """The layers of one array side by side: ``[row, gate]``, gates by flat index; of one of these types."""
        head, _, kind = name.rpartition("/")
        if kind in _IN_FILE:
            return self._per_expert(f"{head}/{_IN_FILE[kind]}", name, dtypes[0], rows)
        widths = enumerate(self._origin.widths)
        return np.concatenate(
            [self._take(f"{name}/{at:02d}", (rows, n), *dtypes) for at, n in widths], axis=1
        )

    def _per_expert(self, name: str, kind: str, dtype: type[np.generic], rows: int) -> np.ndarray:
        """One column per expert in the file, one per gate here; a layer without experts has every token."""
        parts: list[np.ndarray] = []
        for layer, width in enumerate(self._origin.widths):
            if count := self._origin.mixtures.get(layer):
                parts.append(
                    self._take(f"{name}/{layer:02d}", (rows, count), dtype).repeat(width // count, axis=1)
                )
            else:
                everywhere = self._everywhere(kind, rows)
                parts.append(np.repeat(everywhere[:, None].astype(dtype), width, axis=1))
        return np.concatenate(parts, axis=1)

    def _everywhere(self, kind: str, rows: int) -> np.ndarray:
        """Tokens of a scope, or clips, as any gate outside mixtures meets them."""
        scope = kind.rpartition("/")[0]
        name = f"{scope}/tokens" if kind.endswith(f"/{ROUTED}") else "clips"
        return np.asarray(self._arrays[name])[:rows]

    def _take(self, name: str, shape: tuple[int, ...], *dtypes: type[np.generic]) -> np.ndarray:
        found = self._arrays.get(name)
        if found is None or found.shape != shape or found.dtype.type not in dtypes:
            had = "is missing" if found is None else f"is {found.dtype} {list(found.shape)}"
            wanted = " or ".join(dtype.__name__ for dtype in dtypes)
            raise StatisticsError(f"{self.where}: array {name} {had}; expected {wanted} {list(shape)}")
        parts = name.split("/")
        if not _SIGNED.isdisjoint(parts) and not np.isfinite(found).all():
            raise StatisticsError(f"{self.where}: array {name} holds values that are not finite; the file is damaged")
        if not _UNSIGNED.isdisjoint(parts) and not ((found >= 0) & (found < np.inf)).all():
            wrong = "below 0" if (found < 0).any() else "that are not finite"
            raise StatisticsError(f"{self.where}: array {name} holds values {wrong}; the file is damaged")
        return found


def sum_over(arrays: Iterable[np.ndarray]) -> np.ndarray:
    """Sum of equally shaped arrays, added from left to right into a new one."""
    iterator = iter(arrays)
    total = next(iterator).copy()
    for array in iterator:
        total += array
    return total
