"""Firing frequencies and mean gates per emotion: what every selector scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int32, Int64

from esn_interp.drawing.brief import brief
from esn_interp.errors import StatisticsError
from esn_interp.neurons.per_clip import PerClip


@dataclass(frozen=True, eq=False)
class Spread:
    """How each clip's mean gate is spread over the clips of an emotion, in one scope.

    ``mean`` and ``square`` are the means over clips of it and of its square; ``clips`` counts them, with one column,
    or one per gate where not every clip reached a gate's expert.
    """

    mean: Float64[np.ndarray, "emotion gate"]
    square: Float64[np.ndarray, "emotion gate"]
    clips: Int64[np.ndarray, "emotion column"]

    __repr__ = brief

    @property
    def variance(self) -> Float64[np.ndarray, "emotion gate"]:
        """Variance over the clips of each emotion, with ``clips - 1`` in the denominator; 0 for a single clip.

        It is the difference of two sums, so it is at least what rounding leaves of their size: 1e-12 of the gate's
        mean square over all clips.
        """
        freedom = np.maximum(self.clips - 1, 1)
        spread = np.where(self.clips > 1, (self.square - self.mean**2) * self.clips / freedom, 0.0)
        everywhere = (self.square * self.clips).sum(axis=0) / np.maximum(self.clips.sum(axis=0), 1)
        return np.maximum(spread, 1e-12 * everywhere)

    @property
    def contrast(self) -> Float64[np.ndarray, "emotion gate"]:
        """Each emotion's mean minus the unweighted mean of the others'."""
        return self.mean - (self.mean.sum(axis=0) - self.mean) / (len(self.mean) - 1)


@dataclass(frozen=True, eq=False)
class SingleClips:
    """Every clip's own mean gate, clip after clip: ``means(columns)`` gives those of some gates."""

    emotion: Int32[np.ndarray, " clip"]
    means: Callable[[slice], Float64[np.ndarray, "clip chosen"]]

    __repr__ = brief

    @classmethod
    def of(cls, single: PerClip | None, scopes: Sequence[str], *, kept: bool, corpus: str) -> "SingleClips":
        """The clips that were ``kept``, or all; several scopes are averaged with equal weight.

        Raises
        ------
        StatisticsError
            When the statistics hold no single clips.
        """
        if single is None:
            raise StatisticsError(
                f"these statistics of {corpus} hold no single clips; collect them with per_clip=True"
                " (esn collect --per-clip)"
            )
        rows = np.flatnonzero(single.kept) if kept else np.arange(len(single))

        def means(columns: slice) -> Float64[np.ndarray, "clip chosen"]:
            return np.mean([single.mean(scope, columns)[rows] for scope in scopes], axis=0)

        return cls(single.emotion[rows], means)


@dataclass(frozen=True, eq=False)
class Rates:
    """Per emotion and gate (flat index), under one choice of scope, pooling and filter.

    ``frequency`` is P, the share of tokens at which the gate fires (0 to 1); ``mean`` is mu, its mean value.
    ``firings`` and ``tokens`` are the counts behind them, which `lape` needs as they are; ``tokens`` has one
    column, or one per gate where experts of a mixture meet different tokens. ``spreads`` gives the spread over clips
    in each of the scopes, and ``singles`` the clips one by one; few selectors ask, so neither is computed before.
    """

    emotions: tuple[str, ...]
    frequency: Float64[np.ndarray, "emotion gate"]
    mean: Float64[np.ndarray, "emotion gate"]
    clips: Int64[np.ndarray, " emotion"]
    firings: Int64[np.ndarray, "emotion gate"]
    tokens: Int64[np.ndarray, "emotion column"]
    pooling: str
    spreads: Callable[[], tuple[Spread, ...]]
    singles: Callable[[], SingleClips]

    __repr__ = brief

    @property
    def grand_mean(self) -> Float64[np.ndarray, " gate"]:
        """Unweighted mean of mu over the emotions: what a gate does whatever the emotion."""
        return self.mean.mean(axis=0)

    def row(self, emotion: str) -> int:
        """Row of an emotion.

        Raises
        ------
        StatisticsError
            When the statistics have no such emotion.
        """
        if emotion not in self.emotions:
            raise StatisticsError(
                f"unknown emotion {emotion!r}; these statistics hold {', '.join(self.emotions)}"
            )
        return self.emotions.index(emotion)


def ratio(total: np.ndarray, count: np.ndarray) -> Float64[np.ndarray, "emotion gate"]:
    """Quotient, 0 for a gate whose expert no token reached: it did not fire."""
    return np.where(count > 0, total / np.maximum(count, 1), 0.0)
