"""Changes of recall when sets of neurons are ablated, by speaker: what ablations are compared by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from einops import repeat
from jaxtyping import Bool, Float, Float64, Num

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import (
    CHANGE,
    CONTRAST,
    Interval,
    SpeakerMeans,
    nan_mean,
    sign_flip_tests,
)
from esn_interp.analysis.trials import Trials


@dataclass(frozen=True, eq=False)
class RecallChanges:
    """Change of recall, ``means[kind, set, emotion]``, for several kinds of neurons: own, random, ...

    ``own`` marks where the emotion is that of the ablated set. Self change is the mean over those cells,
    cross change that over the others, where another emotion's set is ablated. Both leave out emotions that no clip
    is recognised of without an edit: their recall can't fall, and 0 would be no finding. ``falls`` marks the others.
    """

    means: SpeakerMeans
    own: Bool[np.ndarray, "set emotion"]
    falls: Bool[np.ndarray, " emotion"]

    @classmethod
    def stack(cls, trials: Trials, kinds: Sequence[SpeakerMeans]) -> "RecallChanges":
        """From the changes of each kind, as `change_of` gives them."""
        own = trials.target[:, None] == np.arange(len(trials.emotions))
        return cls(SpeakerMeans.stack(kinds), own, can_fall(trials))

    @property
    def speakers(self) -> int:
        """Number of speakers who have a clip at all."""
        return int(self.means.present.sum())

    @property
    def cells(self) -> Estimates:
        """Every cell by itself."""
        return Estimates.of(self.means, within=CHANGE)

    def self_of(self, cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "..."]:
        """Mean over the cells of an emotion's own set."""
        return nan_mean(cells[..., self.own & self.falls])

    def cross_of(self, cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "..."]:
        """Mean over the cells of another emotion's set."""
        return nan_mean(cells[..., ~self.own & self.falls])

    def contrast_of(self, cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "..."]:
        """Self minus cross change."""
        return self.self_of(cells) - self.cross_of(cells)

    @property
    def self_change(self) -> Estimates:
        """By kind."""
        return Estimates.reduced(self.means, self.self_of, within=CHANGE)

    @property
    def cross_change(self) -> Estimates:
        """By kind."""
        return Estimates.reduced(self.means, self.cross_of, within=CHANGE)

    @property
    def specificity(self) -> Estimates:
        """Self minus cross change, by kind."""
        return Estimates.reduced(self.means, self.contrast_of, within=CONTRAST)

    def self_minus(self, first: int, second: int) -> Interval:
        """Self change of one kind minus that of another, paired over speakers."""
        return self.means.interval(
            lambda cells: self.self_of(cells[..., first, :, :] - cells[..., second, :, :]), within=CONTRAST
        )

    def by_speaker(self, first: int, second: int) -> Float[np.ndarray, "speaker set"]:
        """Each speaker's self change under one kind minus that under another, per set; NaN where it can't fall."""
        values = self.means.per_speaker
        return np.where(self.falls, values[:, first] - values[:, second], np.nan)[:, self.own]

    def selection_nulls(
        self,
        kind: int,
        relabelled: Sequence[Float[np.ndarray, "set emotion"]],
        sets: tuple[str, ...],
        **about: Any,
    ) -> tuple[SelectionNull, SelectionNull] | tuple[None, None]:
        """A kind's self change and its self minus cross change beside those of sets selected by permuted labels.

        Set by set: the change of its own emotion, and that minus the mean change of the others. None without any.
        """
        if not relabelled:
            return None, None
        observed, drawn = self.means.value[kind], np.stack(relabelled)

        def own(cells: Float[np.ndarray, "*draw set emotion"]) -> Float[np.ndarray, "*draw set"]:
            return nan_mean(np.where(self.own & self.falls, cells, np.nan))

        def contrast(cells: Float[np.ndarray, "*draw set emotion"]) -> Float[np.ndarray, "*draw set"]:
            return own(cells) - nan_mean(np.where(~self.own & self.falls, cells, np.nan))

        how: dict[str, Any] = {"rises": False, **about}
        return (
            SelectionNull.of("self change of recall", sets, own(observed), own(drawn), **how),
            SelectionNull.of("self minus cross change of recall", sets, contrast(observed), contrast(drawn), **how),
        )

    def p_values(self, first: int, second: int, *, seed: int) -> Float64[np.ndarray, " set"]:
        """Sign-flip tests of one kind's self change against another's; NaN with too few speakers."""
        return sign_flip_tests(self.by_speaker(first, second), seed=seed)


def change_of(
    trials: Trials,
    answers: Num[np.ndarray, "treatment set clip"],
    met: Bool[np.ndarray, " clip"] | None = None,
) -> SpeakerMeans:
    """Change of recall by speaker, set and emotion, over the clips that met the sets; mean over treatments."""
    before = trials.baseline.argmax(axis=1) == trials.truth
    change = (answers == trials.truth).mean(axis=0) - before
    among = trials.of_emotion.T if met is None else trials.of_emotion.T & met
    return trials.means(repeat(change, "set clip -> set emotion clip", emotion=len(trials.emotions)), among)


def can_fall(trials: Trials) -> Bool[np.ndarray, " emotion"]:
    """Which emotions' recall is not 0 without an edit."""
    return trials.recall != 0


def recall_without_edit(trials: Trials) -> SpeakerMeans:
    """Recall of each emotion as the model is, by speaker."""
    right = trials.baseline.argmax(axis=1) == trials.truth
    return trials.means(repeat(right, "clip -> emotion clip", emotion=len(trials.emotions)), trials.of_emotion.T)
