"""What steering does to conversions: levels and paired changes with intervals over speakers, and what was heard."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from einops import repeat
from jaxtyping import Float64, Int64

from esn_interp.analysis.conversion.measures import MEASURES, NOTHING, Outcome
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import (
    ANYWHERE,
    CHANGE,
    Interval,
    SpeakerMeans,
    holm,
    nan_mean,
    sign_flip_tests,
)
from esn_interp.analysis.result import Result, standing_notes
from esn_interp.errors import StatisticsError

if TYPE_CHECKING:
    import plotly.graph_objects as go

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
class ConversionEffect(Result):
    """Conversions of the same clips under several conditions, the first of which is without an edit.

    ``level`` is the mean of each measure, ``change`` the mean difference from the unsteered conversion of the same
    clip to the same target (zero in the first row); ``mean_level`` and ``mean_change`` are unweighted means over the
    targets. ``over_random`` is the change under `STEERED` minus that under `RANDOM`, where both were run. All have 95 %
    cluster-t bounds over speakers. ``p_holm`` are the p-values of sign-flip tests, over speakers, of that difference
    in accuracy, adjusted by Holm over the targets; NaN with fewer than six speakers.

    ``heard`` counts, by target, what the scoring judge heard; the last of ``labels`` is empty and stands for attempts
    in which there was nothing to hear. ``problems`` counts what went wrong, by name.
    """

    kind: ClassVar[str] = "conversion_effect"
    drawn_by: ClassVar[str] = "effect_figure"

    voices: str
    judge: str
    conditions: tuple[str, ...]
    targets: tuple[str, ...]
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
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(self.speakers)

    def of(self, measure: str, condition: str = STEERED, target: str | None = None) -> Interval:
        """Mean of a measure, of one target or over all."""
        return self._at(self.level, self.mean_level, measure, condition, target)

    def change_of(self, measure: str, condition: str = STEERED, target: str | None = None) -> Interval:
        """Change of a measure from the unsteered conversion, of one target or over all."""
        return self._at(self.change, self.mean_change, measure, condition, target)

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

    def plot_prosody(self) -> "go.Figure":
        """How far F0, its range, energy, duration and rate move."""
        return self._drawn("prosody_figure")


def conversion_effect(
    outcomes: Mapping[str, Sequence[Outcome]],
    *,
    targets: Sequence[str],
    voices: str,
    judge: str,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> ConversionEffect:
    """Levels and changes of every measure, from the outcomes of each condition; the first is the unsteered one.

    All conditions hold the same clips with the same targets: an attempt that failed is an outcome too.

    Raises
    ------
    StatisticsError
        When there is no outcome, or a condition has other clips or targets than the first.
    """
    conditions, first = tuple(outcomes), {(o.clip, o.target): o for o in next(iter(outcomes.values()), ())}
    if not first:
        raise StatisticsError(f"no conversion of {voices} speakers to measure; give clips of the source emotions")
    pairs, table = sorted(first), list[list[Outcome]]()
    for condition in conditions:
        found = {(o.clip, o.target): o for o in outcomes[condition]}
        if found.keys() != first.keys() or len(found) != len(outcomes[condition]):
            raise StatisticsError(
                f"condition {condition!r} has other conversions than {conditions[0]!r}; run all of them on the same"
                " clips and targets"
            )
        table.append([found[pair] for pair in pairs])
    everyone = sorted({o.speaker for o in table[0]})
    of_target = np.array([[o.target == target for o in table[0]] for target in targets])
    values = np.array([[[m.of(o) for o in row] for m in MEASURES.values()] for row in table])

    def means(values: Float64[np.ndarray, "condition measure conversion"]) -> SpeakerMeans:
        """By speaker, condition, measure and target; what is not known is left out."""
        outcome = repeat(values, "... conversion -> ... target conversion", target=len(targets))
        return SpeakerMeans.over_clips(outcome, of_target & ~np.isnan(outcome), [o.speaker for o in table[0]])

    level, change = means(values), means(values - values[:1])
    limits = np.array([m.limits for m in MEASURES.values()])
    ours = [conditions.index(c) if c in conditions else 0 for c in (STEERED, RANDOM)]
    difference = means((values[ours[0]] - values[ours[1]])[None])
    labels = (*sorted({name for row in table for o in row for name in o.probabilities}), NOTHING)
    return ConversionEffect(
        voices=voices,
        judge=judge,
        conditions=conditions,
        targets=tuple(targets),
        measures=tuple(MEASURES),
        labels=labels,
        level=_cells(level, limits),
        change=_cells(change, _differences(limits)),
        mean_level=_over_targets(level, limits),
        mean_change=_over_targets(change, _differences(limits)),
        over_random=_cells(difference, _differences(limits))[0],
        mean_over_random=_over_targets(difference, _differences(limits))[0],
        p_holm=_p_values(difference, seed=seed, tested=STEERED in conditions and RANDOM in conditions),
        heard=np.array(
            [
                [[sum(o.target == t and o.label == name for o in row) for name in labels] for t in targets]
                for row in table
            ],
            dtype=np.int64,
        ),
        problems=_problems(dict(zip(conditions, table, strict=True))),
        clips=tuple(sorted({o.clip for o in table[0]})),
        speakers=tuple(everyone),
        notes=standing_notes(len(everyone), (), *notes),
    )


def _cells(means: SpeakerMeans, limits: Float64[np.ndarray, "measure side"]) -> Estimates:
    """Every condition, measure and target by itself."""
    found, (least, most) = Estimates.of(means), limits.T[:, None, :, None]
    return Estimates(found.value, np.maximum(found.low, least), np.minimum(found.high, most))


def _over_targets(means: SpeakerMeans, limits: Float64[np.ndarray, "measure side"]) -> Estimates:
    """The unweighted mean over the targets that have conversions."""
    found, (least, most) = Estimates.reduced(means, nan_mean), limits.T
    return Estimates(found.value, np.maximum(found.low, least), np.minimum(found.high, most))


def _differences(limits: Float64[np.ndarray, "measure side"]) -> Float64[np.ndarray, "measure side"]:
    """What a difference of two means can be."""
    width = limits[:, 1] - limits[:, 0]
    return np.where(np.isfinite(width)[:, None], np.array(CHANGE) * width[:, None], np.array(ANYWHERE))


def _p_values(difference: SpeakerMeans, *, seed: int, tested: bool) -> Float64[np.ndarray, " target"]:
    by_speaker = difference.per_speaker[:, 0, list(MEASURES).index("accuracy")]
    return holm(sign_flip_tests(by_speaker if tested else np.full_like(by_speaker, np.nan), seed=seed))


def _problems(table: Mapping[str, Sequence[Outcome]]) -> tuple[Problem, ...]:
    found = Counter(
        (condition, outcome.target, outcome.problem)
        for condition, row in table.items()
        for outcome in row
        if outcome.problem is not None
    )
    return tuple(Problem(*what, count) for what, count in sorted(found.items()))

