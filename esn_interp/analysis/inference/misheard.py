"""What is left of a difference of shares once one knows how often a judge mishears.

A judge who hears a target in a share h of the clips that have it, and in a share f of those that have not, turns a true
difference d into (h - f) d. (Rogan and Gladen, American Journal of Epidemiology 107, 1978.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy.stats import beta

from esn_interp.analysis.inference.significance import Interval

_LEVEL = 0.95


@dataclass(frozen=True)
class Band:
    """Where a true difference of shares may lie, by what is known of the judge alone; ``sharpness`` is h - f."""

    sharpness: Interval
    low: float
    high: float

    def __format__(self, form: str) -> str:
        return f"{self.low:{form}} to {self.high:{form}}"


def sharpness(
    confusion: Int[np.ndarray, "truth heard"], truths: Sequence[str], emotions: Sequence[str], target: str
) -> Interval:
    """Hit rate minus false alarm rate of a judge for a target, from what it heard in clips of known emotion.

    Bounds by Clopper and Pearson at 97.5 % each, so that both hold together in 95 of 100 cases; no speakers are known.
    """
    heard, row = emotions.index(target), truths.index(target)
    hits, present = int(confusion[row, heard]), int(confusion[row].sum())
    others = np.delete(confusion, row, axis=0)
    alarms, absent = int(others[:, heard].sum()), int(others.sum())
    h, f = _share(hits, present), _share(alarms, absent)
    return Interval(hits / present - alarms / absent, h[0] - f[1], h[1] - f[0], 0)


def band(difference: float, sharp: Interval) -> Band:
    """The true differences that such a judge would turn into this one; never beyond -1 and 1.

    Of a judge who may hear nothing, the side is all that is known, and without a difference nothing; of one who hears
    the opposite, nothing.
    """
    if sharp.high <= 0:
        return Band(sharp, -1.0, 1.0)
    if sharp.low <= 0:
        return Band(sharp, 0.0 if difference > 0 else -1.0, 0.0 if difference < 0 else 1.0)
    ends = sorted((difference / sharp.low, difference / min(sharp.high, 1.0)))
    return Band(sharp, *(min(max(end, -1.0), 1.0) for end in ends))


def _share(hits: int, clips: int) -> tuple[float, float]:
    tail = (1 - _LEVEL) / 4
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, clips - hits + 1))
    high = 1.0 if hits == clips else float(beta.ppf(1 - tail, hits + 1, clips - hits))
    return low, high
