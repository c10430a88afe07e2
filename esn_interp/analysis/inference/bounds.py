"""Where a mean over speakers may lie: bounds that hold with few speakers, unequal ones, and next to 0 and 1.

The estimand is the mean over *further speakers*, each counting once, however many clips were recorded of them. So a
bound starts from the mean of the speakers' means, with Student's t over them. That alone fails where hardly anything
varies: four speakers without a mistake don't prove that there are none. What the clips can't exclude is held as well:
the interval of Clopper and Pearson for shares, that of Jeffreys for the gains and losses of which a change is made (put
together as by Zou and Donner 2008, "Construction of confidence limits about effect measures"), and for what is computed
from many cells, the most that an event which no clip shows could add. How often all this holds the truth, and how wide
it is, is simulated in ``benchmarks/intervals.py``, and told in docs/analyses/inference.md.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from scipy import stats

Bounds = tuple[np.ndarray, np.ndarray]

_STEP = 1e-4
"""By how much a cell is moved to see how much a number depends on it."""

_AT_ONCE = 2_000_000
"""Numbers that are held while cells are moved."""


class Speakers(NamedTuple):
    """The means of single speakers, and what they are worth; 0 where a speaker has no clip in a cell.

    ``size`` is the number of clips, all speakers alike, with which a mean of speakers' means would be as uncertain.
    """

    mean: Float[np.ndarray, " speaker *cell"]
    present: Float[np.ndarray, " speaker *cell"]
    number: Float[np.ndarray, " *cell"]
    size: Float[np.ndarray, " *cell"]

    @classmethod
    def of(
        cls,
        total: Float[np.ndarray, " speaker *cell"],
        count: Int[np.ndarray, " speaker *cell"],
        clips: Int[np.ndarray, " speaker *cell"],
    ) -> "Speakers":
        """From the sum of an outcome, over how many, and how many different clips these were."""
        present = (count > 0).astype(np.float64)
        number = np.asarray(present.sum(axis=0))
        each = np.where(count > 0, 1 / np.maximum(clips, 1), 0.0).sum(axis=0)
        return cls(_over(total, count, 0.0), present, number, _over(number**2, each))

    @property
    def value(self) -> Float[np.ndarray, " *cell"]:
        """The mean over speakers, each counting once; NaN without any."""
        return _over(self.mean.sum(axis=0), self.number)

    @property
    def replicates(self) -> Float[np.ndarray, " speaker *cell"]:
        """The same with each speaker left out in turn."""
        return _over(self.mean.sum(axis=0) - self.mean, self.number - self.present)


def cell_bounds(
    pooled: Float[np.ndarray, " *cell"],
    speakers: Speakers,
    gained: Float[np.ndarray, " *cell"] | None,
    *,
    share: bool,
    level: float,
) -> Bounds:
    """Bounds of every cell's mean over further speakers.

    Parameters
    ----------
    pooled
        The mean over all clips, which the bounds are stretched to hold.
    gained
        Of outcomes between -1 and 1: the mean over speakers of their positive part; None for outcomes without limits,
        whose bounds are those of Student's t alone.
    share
        Whether outcomes are 0 to 1.

    Returns
    -------
    Lower and upper bounds; NaN with fewer than two speakers, and where no speaker differs from another and outcomes
    have no limits: then nothing can be said.
    """
    value, number = speakers.value, speakers.number
    half = _half(speakers.replicates, value, number, level)
    low, high = value - half, value + half
    if gained is None:
        unknown = ~(half > 0)
    else:
        few_low, few_high = (
            share_bounds_of(value, speakers.size, level=level)
            if share
            else _change_bounds(gained, np.asarray(gained - value), speakers.size, level)
        )
        low, high, unknown = np.fmin(low, few_low), np.fmax(high, few_high), ~(number > 1)
    return _holding(pooled, low, high, unknown)


def computed_bounds(
    pooled: Float[np.ndarray, " *rest"],
    speakers: Speakers,
    compute: Callable[[np.ndarray], np.ndarray],
    *,
    limited: bool,
    level: float,
) -> Bounds:
    """Bounds of what is computed from the cells, such as the mean of a diagonal.

    Student's t over speakers, and beside it (added in squares) what one event too rare for these clips to show could
    still change: with ``n`` clips and none seen, up to ``-ln(0.025) / n`` of them are to be expected (Hanley and
    Lippman-Hand 1983, there for 95 % one-sided), in whichever cell weighs most.

    Parameters
    ----------
    limited
        Whether the outcomes of clips lie between -1 and 1; t alone otherwise.
    """
    some = speakers.present.reshape(len(speakers.present), -1).any(axis=1)
    value = np.asarray(compute(speakers.value))
    replicates = np.asarray(compute(speakers.replicates))[some]
    half = _half(replicates, value, np.full(value.shape, float(some.sum())), level)
    if limited:
        half = np.hypot(half, -np.log(0.5 - level / 2) * _largest_weight(speakers, compute))
    return _holding(pooled, value - half, value + half, ~(half > 0))


def cluster_t_bounds(
    value: Float[np.ndarray, " *cell"],
    replicates: Float[np.ndarray, " speaker *cell"],
    speakers: Int[np.ndarray, " *cell"],
    *,
    within: tuple[float, float] = (-np.inf, np.inf),
    level: float = 0.95,
) -> tuple[Float[np.ndarray, " *cell"], Float[np.ndarray, " *cell"]]:
    """Cluster-t bounds: jackknife error over speakers, Student's t with S - 1 degrees of freedom.

    ``se^2 = (S - 1) / S * sum over s of (replicate_s - value)^2``. When every speaker has the same number of
    clips and the value is a mean, this is the one-sample t interval over the speakers' means, exactly; with
    unequal numbers it keeps its coverage where the plain sandwich does not (CV3 of MacKinnon, Nielsen and
    Webb, "Cluster-robust inference: a guide to empirical practice", J. Econometrics 232, 2023). A speaker
    without clips in a cell leaves it unchanged and is not counted in ``speakers``. ``within`` is what the
    estimate can be at all: bounds are cut there, which costs no coverage.

    Returns
    -------
    Lower and upper bounds; NaN where fewer than two speakers contribute.
    """
    enough = speakers > 1
    freedom = np.where(enough, speakers - 1, 1)
    squares = ((replicates - value) ** 2).sum(axis=0)
    error = np.sqrt(freedom / (freedom + 1) * squares)
    half = np.where(enough, stats.t.ppf(0.5 + level / 2, freedom) * error, np.nan)
    return np.asarray(np.maximum(value - half, within[0])), np.asarray(np.minimum(value + half, within[1]))


def share_bounds_of(
    share: Float[np.ndarray, " *cell"], size: Float[np.ndarray, " *cell"], *, level: float
) -> Bounds:
    """The interval of Clopper and Pearson (1934); ``size`` need not be a whole number."""
    tail, share = 0.5 - level / 2, np.clip(share, 0.0, 1.0)
    hits, misses = share * size, (1 - share) * size
    low, high = stats.beta.ppf(tail, hits, misses + 1), stats.beta.ppf(1 - tail, hits + 1, misses)
    return np.where(hits > 0, low, 0.0 * size), np.where(misses > 0, high, 1.0 + 0.0 * size)


def _change_bounds(
    gained: Float[np.ndarray, " *cell"],
    lost: Float[np.ndarray, " *cell"],
    size: Float[np.ndarray, " *cell"],
    level: float,
) -> Bounds:
    """Of gains minus losses: the distances to the bounds of either, added in squares (Zou and Donner 2008)."""
    gained_low, gained_high = _jeffreys(gained, size, level)
    lost_low, lost_high = _jeffreys(lost, size, level)
    change = gained - lost
    down, up = np.hypot(gained - gained_low, lost_high - lost), np.hypot(gained_high - gained, lost - lost_low)
    return np.asarray(change - down), np.asarray(change + up)


def _jeffreys(share: Float[np.ndarray, " *cell"], size: Float[np.ndarray, " *cell"], level: float) -> Bounds:
    """Jeffreys' interval, closed at 0 and 1 (Brown, Cai and DasGupta 2001)."""
    tail, share = 0.5 - level / 2, np.clip(share, 0.0, 1.0)
    hits, misses = share * size, (1 - share) * size
    low, high = (stats.beta.ppf(at, hits + 0.5, misses + 0.5) for at in (tail, 1 - tail))
    # Rounding must not turn no event into a few.
    return np.where(hits > 1e-9, np.minimum(low, share), 0.0), np.where(misses > 1e-9, np.maximum(high, share), 1.0)


def _half(
    replicates: Float[np.ndarray, " speaker *cell"],
    value: Float[np.ndarray, " *cell"],
    number: Float[np.ndarray, " *cell"],
    level: float,
) -> Float[np.ndarray, " *cell"]:
    """Half the width of Student's t interval, its error jackknifed over speakers; NaN with fewer than two.

    A speaker without a clip in a cell leaves its mean as it is.
    """
    freedom = np.maximum(number - 1, 1)
    error = np.sqrt(freedom / (freedom + 1) * ((replicates - value) ** 2).sum(axis=0))
    error = np.where(error > 1e-12 * np.maximum(1.0, np.abs(value)), error, 0.0 * error)
    return np.where(number > 1, stats.t.ppf(0.5 + level / 2, freedom) * error, np.nan)


def _largest_weight(
    speakers: Speakers, compute: Callable[[np.ndarray], np.ndarray]
) -> Float[np.ndarray, " *rest"]:
    """The most that a clip counts: over the cells, how much the number follows a cell, over its clips."""
    value, size = speakers.value, np.ravel(speakers.size)
    base = np.asarray(compute(value))
    largest = np.zeros(base.shape)
    together = max(1, _AT_ONCE // max(1, value.size))
    known = np.flatnonzero(~np.isnan(np.ravel(value)))
    for start in range(0, len(known), together):
        cells = known[start : start + together]
        moved = np.repeat(np.ravel(value)[None], len(cells), axis=0)
        moved[np.arange(len(cells)), cells] += _STEP
        follows = np.abs(np.asarray(compute(moved.reshape(len(cells), *value.shape))) - base) / _STEP
        weight = np.nan_to_num(follows) / size[cells].reshape(-1, *[1] * base.ndim)
        largest = np.maximum(largest, weight.max(axis=0, initial=0.0))
    return np.asarray(largest)


def _holding(
    pooled: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, unknown: npt.ArrayLike
) -> Bounds:
    """Bounds that hold the value which is shown; NaN where they are not known."""
    return (
        np.where(np.logical_or(unknown, np.isnan(pooled)), np.nan, np.fmin(low, pooled)),
        np.where(np.logical_or(unknown, np.isnan(pooled)), np.nan, np.fmax(high, pooled)),
    )


def _over(total: npt.ArrayLike, count: npt.ArrayLike, otherwise: float = np.nan) -> Float[np.ndarray, " *cell"]:
    """Quotient, and what stands where the count is 0."""
    total, count = np.broadcast_arrays(np.asarray(total, dtype=np.float64), np.asarray(count))
    return np.divide(total, count, out=np.full(total.shape, otherwise), where=count > 0)
