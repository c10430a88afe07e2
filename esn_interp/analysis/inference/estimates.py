"""Many estimates at once, each with its bounds over speakers: cell by cell, set by set, and over a dose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.significance import ANYWHERE, RATE, Interval, Range, SpeakerMeans, nan_mean


@dataclass(frozen=True, eq=False)
class Estimates:
    """Several values with their 95 % bounds over speakers."""

    value: Float64[np.ndarray, "*cell"]
    low: Float64[np.ndarray, "*cell"]
    high: Float64[np.ndarray, "*cell"]

    @classmethod
    def of(cls, means: SpeakerMeans, *, within: Range = ANYWHERE) -> "Estimates":
        """Every cell of these means, of something that lies ``within`` these limits."""
        return cls(means.value, *means.bounds(within=within))

    @classmethod
    def reduced(
        cls,
        means: SpeakerMeans,
        reduce: Callable[[np.ndarray], np.ndarray],
        *,
        within: Range = ANYWHERE,
        of_shares: bool = True,
    ) -> "Estimates":
        """What is computed from the cells; see `SpeakerMeans.reduced`."""
        return cls(*means.reduced(reduce, within=within, of_shares=of_shares))

    def __getitem__(self, cells: Any) -> "Estimates":
        return self.mapped(lambda values: values[cells])

    def mapped(self, change: Callable[[np.ndarray], np.ndarray]) -> "Estimates":
        """The same after a change of shape or unit, of the values and of both bounds."""
        return Estimates(*(np.asarray(change(part)) for part in (self.value, self.low, self.high)))

    def at(self, *cell: int, speakers: int) -> Interval:
        """One of them."""
        return Interval(float(self.value[cell]), float(self.low[cell]), float(self.high[cell]), speakers)


@dataclass(frozen=True, eq=False)
class _WithMean:
    """A quantity for each set, and its unweighted mean over the sets, with 95 % bounds over ``speakers``."""

    value: Float64[np.ndarray, "..."]
    low: Float64[np.ndarray, "..."]
    high: Float64[np.ndarray, "..."]
    mean: Float64[np.ndarray, "..."]
    mean_low: Float64[np.ndarray, "..."]
    mean_high: Float64[np.ndarray, "..."]
    speakers: int

    @property
    def over_sets(self) -> Estimates:
        """Those of the mean over the sets."""
        return Estimates(self.mean, self.mean_low, self.mean_high)

    def at(self, *cell: int) -> Interval:
        """The mean over the sets in one cell, or at one dose, by its position."""
        return self.over_sets.at(*cell, speakers=self.speakers)


@dataclass(frozen=True, eq=False)
class BySet(_WithMean):
    """A quantity for each cell and set, ``value[*cell, set]``, and its mean over the sets, ``mean[*cell]``.

    Both have 95 % bounds over speakers; the mean is unweighted.
    """

    @classmethod
    def of(cls, means: SpeakerMeans, *, within: Range = ANYWHERE) -> "BySet":
        """From means by speaker, cell and set, of something that lies ``within`` these limits."""
        each, mean = means.bounds(within=within), means.reduced(nan_mean, within=within)
        return cls(means.value, *each, *mean, int(means.present.sum()))

    @classmethod
    def computed(
        cls, means: SpeakerMeans, compute: Callable[[np.ndarray], np.ndarray], *, within: Range = ANYWHERE
    ) -> "BySet":
        """From what ``compute`` makes of the means, such as a ratio; see `SpeakerMeans.reduced`."""
        each = means.reduced(compute, within=within)
        mean = means.reduced(lambda cells: nan_mean(compute(cells)), within=within)
        return cls(*each, *mean, int(means.present.sum()))

    @property
    def each(self) -> Estimates:
        """Those of the sets."""
        return Estimates(self.value, self.low, self.high)


@dataclass(frozen=True, eq=False)
class Curves(_WithMean):
    """One quantity over the doses: ``value[set, dose]``, and its unweighted mean over the sets, ``mean[dose]``.

    Both have 95 % bounds over ``speakers`` speakers.
    """

    @classmethod
    def of(cls, means: SpeakerMeans, within: Range = RATE) -> "Curves":
        """From means by speaker, set and dose, of something that lies ``within`` these limits."""
        each, mean = means.bounds(within=within), means.reduced(mean_over_sets, within=within)
        return cls(means.value, *each, *mean, len(means.total))


def mean_over_sets(cells: Float64[np.ndarray, "*speaker set dose"]) -> Float64[np.ndarray, "*speaker dose"]:
    """Unweighted mean over the sets, or other conditions, of what is known."""
    return nan_mean(np.swapaxes(cells, -1, -2))
