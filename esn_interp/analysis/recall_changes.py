"""Changes of recall when sets of neurons are ablated, by speaker: what ablations are compared by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Num

from esn_interp.analysis.inference.significance import (
    ANYWHERE,
    CHANGE,
    MIN_SPEAKERS,
    Interval,
    Range,
    SpeakerMeans,
    nan_mean,
    sign_flip_test,
)
from esn_interp.analysis.trials import Trials


@dataclass(frozen=True, eq=False)
class Estimates:
    """Several values with their 95 % cluster-t bounds over speakers."""

    value: Float64[np.ndarray, "*cell"]
    low: Float64[np.ndarray, "*cell"]
    high: Float64[np.ndarray, "*cell"]

    def at(self, *cell: int, speakers: int) -> Interval:
        """One of them."""
        return Interval(float(self.value[cell]), float(self.low[cell]), float(self.high[cell]), speakers)


@dataclass(frozen=True, eq=False)
class RecallChanges:
    """Change of recall, ``means[kind, set, emotion]``, for several kinds of neurons: own, random, ...

    ``own`` marks where the emotion is that of the ablated set. Self change is the mean over those cells,
    cross change that over the others, where another emotion's set is ablated.
    """

    means: SpeakerMeans
    own: Bool[np.ndarray, "set emotion"]

    @classmethod
    def stack(cls, trials: Trials, kinds: Sequence[SpeakerMeans]) -> "RecallChanges":
        """From the changes of each kind, as `change_of` gives them."""
        total = np.stack([kind.total for kind in kinds], axis=1)
        count = np.stack([kind.count for kind in kinds], axis=1)
        own = trials.target[:, None] == np.arange(len(trials.emotions))
        return cls(SpeakerMeans(total, count), own)

    @property
    def speakers(self) -> int:
        """Number of speakers who have a clip at all."""
        return int(self.means.count.reshape(len(self.means.count), -1).any(axis=1).sum())

    @property
    def cells(self) -> Estimates:
        """Every cell by itself."""
        return Estimates(self.means.value, *self.means.bounds(within=CHANGE))

    def self_of(self, cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "..."]:
        """Mean over the cells of an emotion's own set."""
        return nan_mean(cells[..., self.own])

    def cross_of(self, cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "..."]:
        """Mean over the cells of another emotion's set."""
        return nan_mean(cells[..., ~self.own])

    @property
    def self_change(self) -> Estimates:
        """By kind."""
        return self._reduced(self.self_of, CHANGE)

    @property
    def cross_change(self) -> Estimates:
        """By kind."""
        return self._reduced(self.cross_of, CHANGE)

    @property
    def specificity(self) -> Estimates:
        """Self minus cross change, by kind."""
        return self._reduced(lambda cells: self.self_of(cells) - self.cross_of(cells), ANYWHERE)

    def self_minus(self, first: int, second: int) -> Interval:
        """Self change of one kind minus that of another, paired over speakers."""
        return self.means.interval(
            lambda cells: self.self_of(cells[..., first, :, :] - cells[..., second, :, :])
        )

    def by_speaker(self, first: int, second: int) -> Float[np.ndarray, "speaker set"]:
        """Each speaker's self change under one kind minus that under another, per set."""
        values = self.means.per_speaker
        return (values[:, first] - values[:, second])[:, self.own]

    def p_values(self, first: int, second: int, *, seed: int) -> Float64[np.ndarray, " set"]:
        """Sign-flip tests of one kind's self change against another's; NaN with too few speakers."""
        return np.array(
            [
                sign_flip_test(values, seed=seed) if (~np.isnan(values)).sum() >= MIN_SPEAKERS else np.nan
                for values in self.by_speaker(first, second).T
            ]
        )

    def _reduced(self, reduce: Callable[[np.ndarray], np.ndarray], within: Range) -> Estimates:
        return Estimates(*self.means.reduced(reduce, within=within))


def change_of(
    trials: Trials,
    answers: Num[np.ndarray, "treatment set clip"],
    met: Bool[np.ndarray, " clip"] | None = None,
) -> SpeakerMeans:
    """Change of recall by speaker, set and emotion, over the clips that met the sets; mean over treatments."""
    before = trials.baseline.argmax(axis=1) == trials.truth
    change = ((answers == trials.truth).mean(axis=0) - before)[:, None]
    among = trials.of_emotion.T if met is None else trials.of_emotion.T & met
    return trials.means(np.repeat(change, len(trials.emotions), axis=1), among)
