"""What an ablation says: changes of recall with their intervals, controls, and every single answer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int8, Int64

from esn_interp.analysis.controls import CONTROLS
from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfSets
from esn_interp.drawing.brief import brief

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure


@dataclass(frozen=True, eq=False)
class Comparison:
    """What ablating other neurons does, as many for each emotion: the same quantities as of the own neurons.

    ``shared`` counts, by set, how many of these are own neurons as well; ``own_minus`` is the self change of
    the own neurons minus that of these, paired over speakers.
    """

    name: str
    neurons: tuple[int, ...]
    shared: tuple[int, ...]
    change: Float64[np.ndarray, "set emotion"]
    change_low: Float64[np.ndarray, "set emotion"]
    change_high: Float64[np.ndarray, "set emotion"]
    self_change: Interval
    cross_change: Interval
    own_minus: Interval
    predicted: Int8[np.ndarray, "ablation clip"]

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class Ablation(OfSets):
    """Changes of recall under ablation, as signed fractions: -0.2 is a loss of 20 points.

    ``change[i, j]`` is the recall of emotion j with the neurons of set i ablated, minus its recall without an
    edit, over all clips, right or wrong: off the diagonal, it is another emotion's set that is ablated.
    ``random_change`` is the mean of the same over random sets, which share with the own what ``matched``
    says, ``random_draws`` each draw by itself. ``_low`` and ``_high`` are 95 % bounds over
    speakers.

    Emotions of which no clip is recognised without an edit can't fall (`falls`): they are left out of these means.
    ``self_change`` is the mean over emotions of the change of an emotion under its own neurons' ablation,
    ``cross_change`` under another emotion's, and ``specificity`` self minus cross; ``random_self`` and
    ``random_cross`` are the same for the random sets, ``self_minus_random`` the paired difference.
    ``p_values`` come from sign-flip tests over speakers of own minus random self change, ``p_holm`` adjusts
    them over the emotions; both are NaN without random draws, or with fewer
    speakers than a family of so many tests needs (`min_speakers`).
    ``effect_sizes`` are the same differences standardised, by set: their mean over speakers divided by their
    standard deviation between speakers (see `standardised_effect`); ``effect_size`` is that of each speaker's
    mean over the sets. They concern new voices; ``self_null`` and ``specificity_null`` concern the selection: set by
    set, and on average, the same effects of neurons that were selected by permuted labels; None where that could not
    be done (see the notes). ``comparisons`` holds the controls that are not drawn.

    ``groups`` are self and cross change by sex and by language, where the corpus knows these.

    Per clip: ``predicted`` indexes ``emotions`` without an edit (first row) and under each set's ablation;
    ``random_predicted`` holds the answers under the draws, -1 where a clip did not meet one. Under
    ``resample`` the sets follow one another once for each of ``donors``, the ids of the clips whose gates
    were written, and changes are means over these.
    """

    kind: ClassVar[str] = "ablation"
    version: ClassVar[int] = 2

    how: str
    donors: tuple[str, ...]
    positions: tuple[str, ...]
    tokens_touched: int
    neurons: tuple[int, ...]
    baseline_uar: Interval
    baseline_recall: Float64[np.ndarray, " emotion"]
    baseline_low: Float64[np.ndarray, " emotion"]
    baseline_high: Float64[np.ndarray, " emotion"]
    change: Float64[np.ndarray, "set emotion"]
    change_low: Float64[np.ndarray, "set emotion"]
    change_high: Float64[np.ndarray, "set emotion"]
    matched: tuple[str, ...]
    random_change: Float64[np.ndarray, "set emotion"]
    random_low: Float64[np.ndarray, "set emotion"]
    random_high: Float64[np.ndarray, "set emotion"]
    random_draws: Float64[np.ndarray, "draw set emotion"]
    self_change: Interval
    cross_change: Interval
    specificity: Interval
    random_self: Interval
    random_cross: Interval
    self_minus_random: Interval
    effect_size: Interval
    effect_sizes: Float64[np.ndarray, " set"]
    effect_low: Float64[np.ndarray, " set"]
    effect_high: Float64[np.ndarray, " set"]
    p_values: Float64[np.ndarray, " set"]
    p_holm: Float64[np.ndarray, " set"]
    comparisons: tuple[Comparison, ...]
    speakers_with: Int64[np.ndarray, " emotion"]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "condition clip"]
    random_predicted: Int8[np.ndarray, "draw ablation clip"]
    groups: tuple[GroupEffect, ...] = ()
    self_null: SelectionNull | None = None
    specificity_null: SelectionNull | None = None

    @property
    def draws(self) -> int:
        """The number of random sets per emotion."""
        return len(self.random_predicted)

    def confusion(self, ablated: str | None = None) -> Int64[np.ndarray, "truth answer"]:
        """Clips by true emotion (rows) and answer (columns), without an edit or with one set ablated.

        With several donors a clip counts once for each of them.
        """
        first = 0 if ablated is None else 1 + self.sets.index(ablated)
        answers = self.predicted[first :: len(self.sets)] if first else self.predicted[:1]
        table = np.zeros((len(self.emotions), len(self.emotions)), dtype=np.int64)
        np.add.at(table, (self.truth, answers), 1)
        return table

    def to_frame(self) -> pd.DataFrame:
        """One row per kind of neurons (own, random, further controls), ablated set and emotion.

        ``effect_size`` and ``p`` compare an emotion's own neurons with the random ones; ``p_selection``, where it is
        known, self minus cross with that of neurons selected by permuted labels, adjusted over the sets.
        """
        kinds = (
            ("own", self.neurons, self.change, self.change_low, self.change_high),
            ("random", self.neurons, self.random_change, self.random_low, self.random_high),
            *((c.name, c.neurons, c.change, c.change_low, c.change_high) for c in self.comparisons),
        )
        frame = pd.DataFrame(
            [
                {
                    "neurons": kind,
                    "ablated": ablated,
                    "count": neurons[i],
                    "emotion": emotion,
                    "relation": "self" if ablated == emotion else "cross",
                    "baseline": self.baseline_recall[j],
                    "change": change[i, j],
                    "low": low[i, j],
                    "high": high[i, j],
                    "speakers": int(self.speakers_with[j]),
                }
                for kind, neurons, change, low, high in kinds
                for i, ablated in enumerate(self.sets)
                for j, emotion in enumerate(self.emotions)
            ]
        )
        tested = (frame["neurons"] == "own") & (frame["relation"] == "self")
        for name, values in {
            "effect_size": self.effect_sizes,
            "effect_low": self.effect_low,
            "effect_high": self.effect_high,
            "p": self.p_values,
            "p_holm": self.p_holm,
            **({"p_selection": self.specificity_null.p_values} if self.specificity_null else {}),
        }.items():
            frame[name] = np.nan
            frame.loc[tested, name] = values
        return frame

    def summary(self) -> str:
        """The result in one sentence; changes in percentage points of recall with 95 % intervals."""
        own, cross, random, specificity = (
            f"{interval.scaled(100):+.1f}"
            for interval in (self.self_change, self.cross_change, self.random_self, self.specificity)
        )
        like = "of the same layers" + (" and activity" if len(self.matched) > 1 else "")
        further = "".join(
            f"; {CONTROLS[other.name].title} on its clips ({sum(other.shared)} of {sum(other.neurons)} are own)"
            f" by {other.self_change.scaled(100):+.1f}, on another's by {other.cross_change.scaled(100):+.1f}"
            for other in self.comparisons
        )
        return (
            f"Ablating ({self.how}) an emotion's own neurons changes its recall by {own} points,"
            f" another emotion's neurons by {cross}"
            + (f"; random neurons {like} by {random}" if self.draws else "")
            + further
            + f" (self minus cross {specificity}"
            + (f"; {self.specificity_null.told()}" if self.specificity_null else "")
            + (f"; own minus random in standard deviations {self.effect_size:+.1f}" if self.draws else "")
            + f"; UAR without an edit {self.baseline_uar:.2f}, chance {1 / len(self.emotions):.2f}{self._no_task};"
            f" {len(self.clips)} clips of {self.specificity.speakers} speakers{self.reservation})."
        )

    @property
    def falls(self) -> Bool[np.ndarray, " emotion"]:
        """Which emotions' recall can fall: it is not 0 without an edit."""
        return self.baseline_recall != 0

    @property
    def _no_task(self) -> str:
        low = self.baseline_uar.low
        return "" if not np.isfinite(low) or low > 1 / len(self.emotions) else ": the model does not do this task"

    def plot_confusion(self, **look: Unpack["Look"]) -> "Figure":
        """What is heard as what: without an edit, and with each set ablated."""
        return self._drawn("figure.draw_confusion", **look)
