"""Firing frequencies and mean gates per emotion: what every selector scores."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.errors import StatisticsError


@dataclass(frozen=True, eq=False)
class Rates:
    """Per emotion and gate (flat index), under one choice of scope, pooling and filter.

    ``frequency`` is P, the share of tokens at which the gate fires (0 to 1); ``mean`` is mu, its mean value.
    ``firings`` and ``tokens`` are the counts behind them, which `lape` needs as they are; ``tokens`` has one
    column, or one per gate where experts of a mixture meet different tokens.
    """

    emotions: tuple[str, ...]
    frequency: Float64[np.ndarray, "emotion gate"]
    mean: Float64[np.ndarray, "emotion gate"]
    clips: Int64[np.ndarray, " emotion"]
    firings: Int64[np.ndarray, "emotion gate"]
    tokens: Int64[np.ndarray, "emotion column"]
    pooling: str

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
