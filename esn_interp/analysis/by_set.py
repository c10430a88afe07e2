"""Effects of several sets of neurons, each with its interval, and their mean."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.significance import ANYWHERE, Interval, Range, SpeakerMeans, nan_mean


@dataclass(frozen=True, eq=False)
class BySet:
    """A quantity for each cell and set, and its unweighted mean over the sets, with 95 % cluster-t bounds."""

    value: Float64[np.ndarray, "*cell set"]
    low: Float64[np.ndarray, "*cell set"]
    high: Float64[np.ndarray, "*cell set"]
    mean: Float64[np.ndarray, "*cell"]
    mean_low: Float64[np.ndarray, "*cell"]
    mean_high: Float64[np.ndarray, "*cell"]
    speakers: int

    @classmethod
    def of(cls, means: SpeakerMeans, *, within: Range = ANYWHERE) -> "BySet":
        """From means by speaker, cell and set, of something that lies ``within`` these limits."""
        low, high = means.bounds(within=within)
        mean, mean_low, mean_high = means.reduced(nan_mean, within=within)
        present = means.count.reshape(len(means.count), -1).any(axis=1)
        return cls(means.value, low, high, mean, mean_low, mean_high, int(present.sum()))

    @classmethod
    def computed(
        cls,
        means: SpeakerMeans,
        compute: Callable[[np.ndarray], np.ndarray],
        *,
        within: Range = ANYWHERE,
    ) -> "BySet":
        """From what ``compute`` makes of the means, such as a ratio; see `SpeakerMeans.reduced`."""
        value, low, high = means.reduced(compute, within=within)
        mean, mean_low, mean_high = means.reduced(lambda cells: nan_mean(compute(cells)), within=within)
        present = means.count.reshape(len(means.count), -1).any(axis=1)
        return cls(value, low, high, mean, mean_low, mean_high, int(present.sum()))

    def at(self, *cell: int) -> Interval:
        """The mean over the sets in one cell."""
        low, high = float(self.mean_low[cell]), float(self.mean_high[cell])
        return Interval(float(self.mean[cell]), low, high, self.speakers)
