"""What asking in other ways says: effects of neurons, by how they were found and how one asks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Origins, OverClips


@dataclass(frozen=True, eq=False)
class Asking(OverClips):
    """Changes of the share of right answers, as signed fractions, by way of asking and by how neurons were found.

    ``self_change[asked, found]`` is the mean over the emotions of what becomes of an emotion's clips when its own
    neurons are edited, ``cross_change`` when another emotion's are, ``specificity`` their difference, with 95 %
    cluster-t bounds over speakers. ``by_emotion[asked, found, emotion]`` is the self change of each. ``elsewhere`` is
    the mean specificity over all ways but the one under which neurons were found. ``nulls`` holds, for each way of
    finding, the specificity in every way of asking beside that of selections from permuted labels; its one number for
    all is ``elsewhere``. ``p_values`` are theirs, adjusted for the number of ways of asking; NaN without ``draws``.

    ``kept`` counts correct identification clips and ``neurons`` selected gates, ``shared`` is the mean Jaccard index of
    the sets of two ways; ``baseline`` the share of right answers without an edit, mean over the emotions, ``written``
    the share of greedy written answers that name what scores highest (NaN where none were asked for).
    """

    kind: ClassVar[str] = "asking"

    origins: Origins
    seed: int
    emotions: tuple[str, ...]
    asked: tuple[str, ...]
    titles: tuple[str, ...]
    found: tuple[str, ...]
    alpha: float
    kept: Int64[np.ndarray, "found emotion"]
    neurons: Int64[np.ndarray, "found emotion"]
    shared: Float64[np.ndarray, "found found"]
    baseline: Estimates
    self_change: Estimates
    cross_change: Estimates
    specificity: Estimates
    elsewhere: Estimates
    by_emotion: Estimates
    p_values: Float64[np.ndarray, "asked found"]
    draws: int
    written: Float64[np.ndarray, " asked"]
    nulls: tuple[SelectionNull, ...] = ()

    def title(self, name: str) -> str:
        """A way in words."""
        return self.titles[self.asked.index(name)]

    def here(self, found: str) -> Interval:
        """The specificity of neurons, asked as they were found."""
        at = self.asked.index(found), self.found.index(found)
        return self.specificity.at(*at, speakers=self.n_speakers)

    def other(self, found: str) -> Interval:
        """Their mean specificity when asked in all other ways."""
        return self.elsewhere.at(self.found.index(found), speakers=self.n_speakers)

    def carries(self, found: str) -> bool:
        """Whether they matter for their own emotion when one asks otherwise: the interval lies beyond 0."""
        interval = self.other(found)
        return bool(interval.high < 0 if self.alpha < 0 else interval.low > 0)

    def to_frame(self) -> pd.DataFrame:
        """One row per way of asking and way of finding."""
        return pd.DataFrame(
            [
                {
                    "asked": asked,
                    "found": found,
                    "baseline": self.baseline.value[a],
                    "self": self.self_change.value[a, f],
                    "cross": self.cross_change.value[a, f],
                    "specificity": self.specificity.value[a, f],
                    "low": self.specificity.low[a, f],
                    "high": self.specificity.high[a, f],
                    "p": self.p_values[a, f],
                }
                for a, asked in enumerate(self.asked)
                for f, found in enumerate(self.found)
            ]
        )

    def summary(self) -> str:
        """For each way of finding: self minus cross in points when asked so, and otherwise, and what that means."""
        told = [
            f"found by {self.title(name)}: {self.here(name).scaled(100):+.1f} asked so,"
            f" {self.other(name).scaled(100):+.1f} otherwise{self._selection(name)}"
            f" ({'they carry over' if self.carries(name) else 'they serve that way of asking, as far as can be told'})"
            for name in self.found
        ]
        verb = "silenced" if self.alpha == -1 else f"turned up by {self.alpha:g}"
        return (
            f"Self minus cross change in points, neurons {verb}: {'; '.join(told)} ({len(self.clips)} clips"
            f"{self.reservation})."
        )

    def _selection(self, found: str) -> str:
        """The p-value of what they do when asked otherwise, among selections from permuted labels."""
        return f", {self.nulls[self.found.index(found)].told_p()}" if self.nulls else ""
