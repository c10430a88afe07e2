"""Curves over a dose: one quantity per neuron set, and its mean over the sets, with intervals over speakers."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.significance import RATE, Interval, Range, SpeakerMeans, nan_mean


@dataclass(frozen=True, eq=False)
class Curves:
    """One quantity over the doses: per set, and the unweighted mean over the sets, with 95 % bounds.

    The bounds are cluster-t bounds over ``speakers`` speakers.
    """

    value: Float64[np.ndarray, "set dose"]
    low: Float64[np.ndarray, "set dose"]
    high: Float64[np.ndarray, "set dose"]
    mean: Float64[np.ndarray, " dose"]
    mean_low: Float64[np.ndarray, " dose"]
    mean_high: Float64[np.ndarray, " dose"]
    speakers: int

    @classmethod
    def of(cls, means: SpeakerMeans, within: Range = RATE) -> "Curves":
        """From means by speaker, set and dose, of something that lies ``within`` these limits."""
        low, high = means.bounds(within=within)
        mean, mean_low, mean_high = means.reduced(mean_over_sets, within=within)
        return cls(means.value, low, high, mean, mean_low, mean_high, len(means.total))

    def at(self, dose: int) -> Interval:
        """The mean over the sets at one dose, by its position."""
        return Interval(
            float(self.mean[dose]), float(self.mean_low[dose]), float(self.mean_high[dose]), self.speakers
        )


def mean_over_sets(cells: Float64[np.ndarray, "*speaker set dose"]) -> Float64[np.ndarray, "*speaker dose"]:
    """Unweighted mean of what is known."""
    return nan_mean(np.swapaxes(cells, -1, -2))
