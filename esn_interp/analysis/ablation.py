"""Ablation: what each emotion's recall loses when one emotion's neurons are taken away, with controls."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Float64, Int8, Int64

from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.significance import (
    CHANGE,
    MIN_SPEAKERS,
    RATE,
    Interval,
    SpeakerMeans,
    holm,
    nan_mean,
    sign_flip_test,
)
from esn_interp.analysis.trials import Treatment, Trials, run_trials
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate, mean_ablate
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go

_OWN, _RANDOM = 0, 1


@dataclass(frozen=True, eq=False)
class Ablation(Result):
    """Changes of recall under ablation, as signed fractions: -0.2 is a loss of 20 points.

    ``change[i, j]`` is the recall of emotion j with the neurons of set i ablated, minus its recall without an
    edit, over all clips, right or wrong; ``random_change`` is the mean of the same over layer-matched random
    sets, ``random_draws`` each draw by itself. ``_low`` and ``_high`` are 95 % cluster-t bounds over
    speakers.

    ``self_change`` is the mean over emotions of the change of an emotion under its own neurons' ablation,
    ``cross_change`` that of the other emotions, and ``specificity`` self minus cross; ``random_self`` and
    ``random_cross`` are the same for the random sets, ``self_minus_random`` the paired difference.
    ``p_values`` come from sign-flip tests over speakers of own minus random self change, ``p_holm`` adjusts
    them over the emotions; both are NaN with fewer than six speakers or without random draws.

    Per clip: ``predicted`` indexes ``emotions`` without an edit (first row) and under each set's ablation;
    ``random_predicted`` holds the answers under the draws, -1 where a clip did not meet one.
    """

    kind: ClassVar[str] = "ablation"

    origins: Origins
    how: str
    positions: tuple[str, ...]
    tokens_touched: int
    seed: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    neurons: tuple[int, ...]
    baseline_uar: Interval
    baseline_recall: Float64[np.ndarray, " emotion"]
    baseline_low: Float64[np.ndarray, " emotion"]
    baseline_high: Float64[np.ndarray, " emotion"]
    change: Float64[np.ndarray, "set emotion"]
    change_low: Float64[np.ndarray, "set emotion"]
    change_high: Float64[np.ndarray, "set emotion"]
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
    p_values: Float64[np.ndarray, " set"]
    p_holm: Float64[np.ndarray, " set"]
    speakers_with: Int64[np.ndarray, " emotion"]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "condition clip"]
    random_predicted: Int8[np.ndarray, "draw set clip"]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def draws(self) -> int:
        """The number of random sets per emotion."""
        return len(self.random_predicted)

    def confusion(self, ablated: str | None = None) -> Int64[np.ndarray, "truth answer"]:
        """Clips by true emotion (rows) and answer (columns), without an edit or with one set ablated."""
        row = 0 if ablated is None else 1 + self.sets.index(ablated)
        table = np.zeros((len(self.emotions), len(self.emotions)), dtype=np.int64)
        np.add.at(table, (self.truth, self.predicted[row]), 1)
        return table

    def to_frame(self) -> pd.DataFrame:
        """One row per kind of neurons (own, random), ablated set and emotion."""
        rows = [
            {
                "neurons": kind,
                "ablated": ablated,
                "count": self.neurons[i],
                "emotion": emotion,
                "relation": "self" if ablated == emotion else "cross",
                "baseline": self.baseline_recall[j],
                "change": change[i, j],
                "low": low[i, j],
                "high": high[i, j],
                "speakers": int(self.speakers_with[j]),
                "p": self.p_values[i] if kind == "own" and ablated == emotion else np.nan,
                "p_holm": self.p_holm[i] if kind == "own" and ablated == emotion else np.nan,
            }
            for kind, change, low, high in (
                ("own", self.change, self.change_low, self.change_high),
                ("random", self.random_change, self.random_low, self.random_high),
            )
            for i, ablated in enumerate(self.sets)
            for j, emotion in enumerate(self.emotions)
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence; changes in percentage points of recall with 95 % intervals."""
        own, cross, random, specificity = (
            f"{interval.scaled(100):+.1f}"
            for interval in (self.self_change, self.cross_change, self.random_self, self.specificity)
        )
        return (
            f"Ablating ({self.how}) an emotion's own neurons changes its recall by {own} points"
            f" and that of the others by {cross}"
            + (f"; random neurons of the same layers: {random}" if self.draws else "")
            + f" (self minus cross {specificity}; UAR without an edit {self.baseline_uar.value:.2f};"
            f" {len(self.clips)} clips of {self.specificity.speakers} speakers)."
        )

    def plot(self) -> "go.Figure":
        """The matrix of changes, with the random control below it."""
        from esn_interp.plots.ablation_matrix import ablation_matrix

        return ablation_matrix(self)


def ablation(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    how: str = "zero",
    stats: GateStatistics | None = None,
    draws: int = 20,
    draws_per_clip: int | None = None,
    positions: Iterable[str] = EVERYWHERE,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Ablation:
    """Ablate each emotion's neurons in turn and measure the recall of every emotion.

    Effects are measured on all clips: judging only those that the unedited model labels correctly would make
    pure noise look like a loss. The unit of inference is the speaker.

    Parameters
    ----------
    how
        ``"zero"`` writes 0 to the gates, ``"mean"`` their mean over emotions, which needs ``stats``.
    draws
        Layer-matched random sets per emotion, drawn from outside the emotion's own set; 0 for no control.
    draws_per_clip
        How many of the draws each clip meets; the default is all. Fewer cost less and estimate the same mean.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.

    Raises
    ------
    StatisticsError
        When the neurons come from another model, ``how`` is unknown, or ``"mean"`` has no ``stats``.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    esns.check(lm)
    positions = frozenset(positions)
    treatment = _treatment(how, stats, positions)
    trials = run_trials(
        lm,
        clips,
        esns,
        {how: treatment},
        draws=draws,
        draws_per_clip=draws_per_clip,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Ablating",
    )
    return _result(trials, Origins.of(lm, clips, esns), esns, how=how, positions=positions, seed=seed)


def _treatment(how: str, stats: GateStatistics | None, positions: frozenset[str]) -> Treatment:
    if how == "zero":
        return lambda neurons: deactivate(neurons, positions=positions)
    if how != "mean":
        raise StatisticsError(f"unknown ablation {how!r}; choose zero or mean")
    if stats is None:
        raise StatisticsError("mean ablation needs the statistics that hold the means: pass stats=")
    return lambda neurons: mean_ablate(neurons, stats, positions=positions)


def _result(
    trials: Trials, origins: Origins, esns: NeuronSet, *, how: str, positions: frozenset[str], seed: int
) -> Ablation:
    predicted = np.vstack([trials.baseline.argmax(axis=1)[None], trials.log_probs[0].argmax(axis=2)])
    right = predicted == trials.truth
    random = trials.random[:, 0]
    own = _changes(trials, right[1:], right[0], np.ones(len(trials.clips), dtype=np.bool_))
    draws = [
        _changes(trials, answers == trials.truth, right[0], met)
        for answers, met in zip(random, trials.met, strict=True)
    ]
    control = SpeakerMeans(np.zeros_like(own.total), np.zeros_like(own.count))
    for draw in draws:
        control = control + draw
    both = SpeakerMeans(
        np.stack([own.total, control.total], axis=1), np.stack([own.count, control.count], axis=1)
    )
    recall = trials.means(np.repeat(right[:1], len(trials.emotions), axis=0), trials.of_emotion.T)
    diagonal = trials.target[:, None] == np.arange(len(trials.emotions))

    def self_of(kind: int, cells: np.ndarray) -> np.ndarray:
        return nan_mean(cells[..., kind, :, :][..., diagonal])

    def cross_of(kind: int, cells: np.ndarray) -> np.ndarray:
        return nan_mean(cells[..., kind, :, :][..., ~diagonal])

    (low, high), (recall_low, recall_high) = both.bounds(within=CHANGE), recall.bounds(within=RATE)
    value = both.value
    p_values = _p_values(both.per_speaker, diagonal, seed=seed)
    return Ablation(
        origins=origins,
        how=how,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        tokens_touched=trials.tokens_touched(positions),
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=tuple(len(esns[emotion]) for emotion in trials.sets),
        baseline_uar=recall.interval(nan_mean, within=RATE),
        baseline_recall=recall.value,
        baseline_low=recall_low,
        baseline_high=recall_high,
        change=value[_OWN],
        change_low=low[_OWN],
        change_high=high[_OWN],
        random_change=value[_RANDOM],
        random_low=low[_RANDOM],
        random_high=high[_RANDOM],
        random_draws=np.array([draw.value for draw in draws]).reshape(len(draws), *diagonal.shape),
        self_change=both.interval(lambda cells: self_of(_OWN, cells), within=CHANGE),
        cross_change=both.interval(lambda cells: cross_of(_OWN, cells), within=CHANGE),
        specificity=both.interval(lambda cells: self_of(_OWN, cells) - cross_of(_OWN, cells)),
        random_self=both.interval(lambda cells: self_of(_RANDOM, cells), within=CHANGE),
        random_cross=both.interval(lambda cells: cross_of(_RANDOM, cells), within=CHANGE),
        self_minus_random=both.interval(lambda cells: self_of(_OWN, cells) - self_of(_RANDOM, cells)),
        p_values=p_values,
        p_holm=holm(p_values),
        speakers_with=trials.speakers_with,
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=predicted,
        random_predicted=random,
        skipped=trials.skipped,
        notes=trials.notes(esns),
    )


def _changes(
    trials: Trials,
    right: Bool[np.ndarray, "set clip"],
    before: Bool[np.ndarray, " clip"],
    met: Bool[np.ndarray, " clip"],
) -> SpeakerMeans:
    """Change of recall by speaker, set and emotion, over the clips that met the sets."""
    change = (right.astype(np.int64) - before)[:, None]
    return trials.means(np.repeat(change, len(trials.emotions), axis=1), trials.of_emotion.T & met)


def _p_values(
    per_speaker: Float[np.ndarray, "speaker kind set emotion"],
    diagonal: Bool[np.ndarray, "set emotion"],
    *,
    seed: int,
) -> Float64[np.ndarray, " set"]:
    """Sign-flip tests of own minus random self change; NaN where too few speakers have both."""
    differences = (per_speaker[:, _OWN] - per_speaker[:, _RANDOM])[:, diagonal]
    return np.array(
        [
            sign_flip_test(values, seed=seed) if (~np.isnan(values)).sum() >= MIN_SPEAKERS else np.nan
            for values in differences.T
        ]
    )
