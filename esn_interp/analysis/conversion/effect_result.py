"""What steering does to conversions: levels and paired changes of every measure, and what was heard."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.misheard import Band, band, sharpness
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfConversions
from esn_interp.errors import StatisticsError
from esn_interp.tasks.judges.canaries import Canaries

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure

UNSTEERED, STEERED, RANDOM, UNFILTERED = "unsteered", "steered", "random", "unfiltered"
"""Conditions: no edit; the neurons steered; as many random ones; those found without the success filter."""


@dataclass(frozen=True)
class Problem:
    """How often something went wrong in one condition."""

    condition: str
    target: str
    name: str
    count: int


@dataclass(frozen=True, eq=False)
class ConversionEffect(OfConversions):
    """Conversions of the same clips under several conditions, the first of which is without an edit.

    ``level`` is the mean of each measure, ``change`` the mean difference from the unsteered conversion of the same
    clip to the same target (zero in the first row); ``mean_level`` and ``mean_change`` are unweighted means over the
    targets. ``over_random`` is the change under `STEERED` minus that under `RANDOM`, where both were run. All have 95 %
    bounds over speakers. ``p_holm`` are the p-values of sign-flip tests, over speakers, of that difference
    in accuracy, adjusted by Holm over the targets; NaN with fewer speakers than so many tests need.

    ``heard`` counts, by target, what the scoring judge heard; the last of ``labels`` is empty and stands for attempts
    in which there was nothing to hear. ``problems`` counts what went wrong, by name. ``groups`` are changes of what is
    heard and of the words by sex and by language, where the corpus knows these.
    """

    kind: ClassVar[str] = "conversion_effect"
    drawn_by: ClassVar[str] = "effect_figure.draw"

    voices: str
    conditions: tuple[str, ...]
    measures: tuple[str, ...]
    labels: tuple[str, ...]
    level: Estimates
    change: Estimates
    mean_level: Estimates
    mean_change: Estimates
    over_random: Estimates
    mean_over_random: Estimates
    p_holm: Float64[np.ndarray, " target"]
    heard: Int64[np.ndarray, "condition target label"]
    problems: tuple[Problem, ...]
    groups: tuple[GroupEffect, ...] = ()

    def of(self, measure: str, condition: str = STEERED, target: str | None = None) -> Interval:
        """Mean of a measure, of one target or over all."""
        return self._at(self.level, self.mean_level, measure, condition, target)

    def change_of(self, measure: str, condition: str = STEERED, target: str | None = None) -> Interval:
        """Change of a measure from the unsteered conversion, of one target or over all."""
        return self._at(self.change, self.mean_change, measure, condition, target)

    def true_gain(self, tried: Canaries, target: str, condition: str = STEERED) -> Band:
        """The changes of a target's share that the scoring judge may have turned into the one that it heard.

        Parameters
        ----------
        tried
            What that judge makes of natural speech of known emotion, see `esn_interp.tasks.judges.canaries.try_judge`;
            of conversions it is as sharp as of these, at best.

        Raises
        ------
        StatisticsError
            When another judge was tried, or on clips without this target.
        """
        if tried.judge != self.judge:
            raise StatisticsError(f"conversions were scored by {self.judge}, not by {tried.judge}: try the same judge")
        if target not in tried.truths:
            raise StatisticsError(f"{tried.corpus} has no {target} clip for {tried.judge} to hear; try it on another")
        sharp = sharpness(tried.confusion, tried.truths, tried.emotions, target)
        return band(self.change_of("accuracy", condition, target).value, sharp)

    def _at(
        self, each: Estimates, mean: Estimates, measure: str, condition: str, target: str | None
    ) -> Interval:
        at = (self.conditions.index(condition), self.measures.index(measure))
        if target is None:
            return mean.at(*at, speakers=self.n_speakers)
        return each.at(*at, self.targets.index(target), speakers=self.n_speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per condition, measure and target (or ``mean``): level and change with their bounds.

        Durations, rates and F0 are natural logarithms of s, nuclei a second and Hz; their changes of ratios.
        """
        return pd.DataFrame(
            [
                {
                    **{"voices": self.voices, "condition": condition, "measure": measure},
                    "target": target or "mean",
                    **{"level": level.value, "level_low": level.low, "level_high": level.high},
                    **{"change": change.value, "change_low": change.low, "change_high": change.high},
                }
                for condition in self.conditions
                for measure in self.measures
                for target in (*self.targets, None)
                for level in [self.of(measure, condition, target)]
                for change in [self.change_of(measure, condition, target)]
            ]
        )

    def summary(self) -> str:
        """The result in one sentence; shares in percentage points, with 95 % intervals over speakers."""
        gain = self.change_of("accuracy").scaled(100)
        wer = self.change_of("wer").scaled(100)
        random = ""
        if RANDOM in self.conditions:
            random = f", random neurons {self.change_of('accuracy', RANDOM).scaled(100):+.1f}"
        return (
            f"Steering changes the share of conversions that {self.judge} hears as their target from"
            f" {self.of('accuracy', UNSTEERED).value:.1%} by {gain:+.1f} points{random}; the word error rate changes by"
            f" {wer:+.1f} points; {len(self.clips)} clips of {self.n_speakers} {self.voices} speakers, to"
            f" {len(self.targets)} emotions."
        )

    def plot_prosody(self, **look: Unpack["Look"]) -> "Figure":
        """How far F0, its range, energy, duration and rate move."""
        return self._drawn("effect_figure.draw_prosody", **look)

