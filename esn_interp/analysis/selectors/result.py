"""What selectors find, side by side: changes of recall for each of them and each size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from einops import rearrange
from jaxtyping import Float64, Int8, Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.recall_changes import RecallChanges
from esn_interp.analysis.result import OfSets


@dataclass(frozen=True, eq=False)
class Effects:
    """Self and cross change and their difference, by selector and size; see `Ablation` for the terms."""

    self_change: Estimates
    cross_change: Estimates
    specificity: Estimates

    @classmethod
    def of(cls, changes: RecallChanges, kinds: slice, selectors: int) -> "Effects":
        """Those of some of the kinds, which are as many as selectors times sizes."""
        whole = (changes.self_change, changes.cross_change, changes.specificity)
        return cls(*(by_selector(each[kinds], selectors) for each in whole))


def by_selector(estimates: Estimates, selectors: int) -> Estimates:
    """What stands in a row, size after size, as a table of selectors by sizes."""
    return estimates.mapped(
        lambda values: rearrange(values, "(selector top) -> selector top", selector=selectors)
    )


@dataclass(frozen=True, eq=False)
class SelectorComparison(OfSets):
    """Changes of recall under ablation for every selector and size, as signed fractions.

    ``own`` is what the selected neurons do, ``random`` what as many random neurons of the same layers do
    (the mean of ``draws`` sets, NaN where a selection leaves too few others), and ``own_minus_random`` the
    difference of the self changes, paired over speakers. ``neurons`` counts the neurons of each emotion; an
    emotion without any is left as it is, and counts as unchanged. ``predicted`` indexes ``emotions``.
    """

    kind: ClassVar[str] = "selector_comparison"

    how: str
    positions: tuple[str, ...]
    draws: int
    selectors: tuple[str, ...]
    tops: Float64[np.ndarray, " top"]
    neurons: Int64[np.ndarray, "selector top set"]
    baseline_uar: Interval
    own: Effects
    random: Effects
    own_minus_random: Estimates
    truth: Int64[np.ndarray, " clip"]
    predicted: Int8[np.ndarray, "selector top set clip"]

    @property
    def best(self) -> tuple[str, float]:
        """Selector and size of the lowest self minus cross change on these clips; of equals, the fewest."""
        selector, top = self._best(range(len(self.selectors)))
        return self.selectors[selector], float(self.tops[top])

    def _best(self, among: Sequence[int]) -> tuple[int, int]:
        values = self.own.specificity.value
        top, selector = min(
            ((t, s) for t in range(len(self.tops)) for s in among),
            key=lambda cell: np.nan_to_num(values[cell[1], cell[0]], nan=np.inf),
        )
        return selector, top

    def to_frame(self) -> pd.DataFrame:
        """One row per selector, size, kind of neurons (own, random) and quantity; ``count`` is per emotion."""
        return pd.DataFrame(
            [
                {
                    "selector": selector,
                    "top": self.tops[t],
                    "count": self.neurons[s, t].mean(),
                    "neurons": kind,
                    "quantity": name,
                    "value": estimates.value[s, t],
                    "low": estimates.low[s, t],
                    "high": estimates.high[s, t],
                }
                for kind, effects in (("own", self.own), ("random", self.random))
                for name, estimates in vars(effects).items()
                for s, selector in enumerate(self.selectors)
                for t in range(len(self.tops))
            ]
        )

    def summary(self) -> str:
        """The result in one sentence: each selector at its best size, in percentage points of recall."""
        best = [self._best([s]) for s in range(len(self.selectors))]
        listed = ", ".join(
            f"{self.selectors[s]} {self.own.specificity.at(s, t, speakers=self.n_speakers).scaled(100):+.1f}"
            f" at {self.tops[t]:.1%}"
            for s, t in sorted(best, key=lambda cell: self.own.specificity.value[cell])
        )
        random = 100 * self.random.specificity.value
        control = (
            f"; random neurons of the same layers {np.nanmin(random):+.1f} to {np.nanmax(random):+.1f}"
            if np.isfinite(random).any()
            else ""
        )
        return (
            f"Self minus cross change of recall under ablation ({self.how}), in points, each selector at its best"
            f" size, chosen on these clips: {listed}{control} ({len(self.clips)} clips of {self.n_speakers}"
            f" speakers{self.reservation})."
        )

