"""Does speech move as the acoustics of the emotion demand? The signs of the changes, against those of acting."""

from dataclasses import dataclass

import numpy as np

from esn_interp.analysis.conversion.effect_result import STEERED, ConversionEffect
from esn_interp.speech.acting import RULES

_PARAMETERS = {"f0": ("level", 1), "range": ("range", 1), "energy": ("energy", 1), "duration": ("rate", -1)}
"""The parameter of acting behind each measure, and its sign: a slower rate makes a longer clip."""
CHECKED = tuple(_PARAMETERS)


@dataclass(frozen=True)
class Direction:
    """Where a measure should go for an emotion, and where steering moves it.

    ``demanded`` is 1 for up, -1 for down, and 0 where the emotion leaves it open: its two ways of acting go different
    ways (hot anger raises the voice, cold anger lowers it), or nothing is known of it. ``change`` is that from the
    unsteered conversion, with its 95 % bounds over speakers, in the unit of the measure (a logarithm of the ratio for
    F0 and duration).
    """

    target: str
    measure: str
    demanded: int
    change: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``agrees``, ``disagrees``, ``unclear`` (the interval holds 0, or is not known) or ``open``."""
        if not self.demanded:
            return "open"
        if not (self.low > 0 or self.high < 0):
            return "unclear"
        return "agrees" if np.sign(self.change) == self.demanded else "disagrees"


def demanded(emotion: str, measure: str) -> int:
    """The sign of a measure's change from neutral, where both ways of acting the emotion agree on it; else 0.

    The rules are those that the bundled corpora were acted by, which follow the literature on acoustic correlates of
    emotion (see `esn_interp.speech.acting`).
    """
    if emotion not in RULES:
        return 0
    parameter, sign = _PARAMETERS[measure]
    rule = RULES[emotion]
    ways = {int(np.sign(getattr(acting, parameter))) for acting in (rule.first, rule.second)}
    return sign * ways.pop() if len(ways) == 1 else 0


def directions(effect: ConversionEffect, *, condition: str = STEERED) -> tuple[Direction, ...]:
    """Every target and measure."""
    return tuple(
        Direction(target, measure, demanded(target, measure), change.value, change.low, change.high)
        for target in effect.targets
        for measure in CHECKED
        for change in [effect.change_of(measure, condition, target)]
    )

