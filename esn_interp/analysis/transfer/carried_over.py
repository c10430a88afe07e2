"""Effects of several sources' neurons on the same clips, and their ratios to the effect of one of them."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.ratio import ratio_interval
from esn_interp.analysis.inference.significance import Interval, SpeakerMeans
from esn_interp.analysis.recall_changes import RecallChanges, change_of
from esn_interp.analysis.trials import Trials
from esn_interp.drawing.brief import brief

RANDOM = "random"


@dataclass(frozen=True, eq=False)
class CarriedOver:
    """One effect of the neurons of every source (the last are random ones), with 95 % bounds over speakers.

    ``change`` has a matrix of sets by emotions for each source; ``own_emotion`` and ``other_emotions`` are
    the means of its diagonal and of the rest, ``effect`` is the effect that is compared, and ``ratio`` that
    effect over the one of the target's own neurons.
    """

    speakers: int
    change: Float64[np.ndarray, "source set emotion"]
    change_low: Float64[np.ndarray, "source set emotion"]
    change_high: Float64[np.ndarray, "source set emotion"]
    own_emotion: Estimates
    other_emotions: Estimates
    effect: Estimates
    ratio: Estimates

    __repr__ = brief

    @property
    def quantities(self) -> dict[str, Estimates]:
        """The four, by the names that tables use."""
        return {
            "self": self.own_emotion,
            "cross": self.other_emotions,
            "effect": self.effect,
            "ratio": self.ratio,
        }

    def interval(self, estimates: Estimates, source: int) -> Interval:
        """One source's."""
        return estimates.at(source, speakers=self.speakers)


def carried_over(
    trials: Trials,
    predicted: Int64[np.ndarray, "source set clip"],
    treatment: int,
    *,
    denominator: int,
    steering: bool,
) -> CarriedOver:
    """The effect of one treatment; random neurons come from the trials."""
    measure = _flips if steering else _recalls
    everyone = np.ones(len(trials.clips), dtype=np.bool_)
    kinds = [measure(trials, answers, everyone) for answers in predicted]
    drawn = zip(trials.random[:, treatment], trials.met, strict=True)
    control = kinds[0].pool(measure(trials, answers, met) for answers, met in drawn)
    changes = RecallChanges.stack(trials, [*kinds, control])
    effect = changes.self_change if steering else changes.specificity

    def compared(cells: Float[np.ndarray, "... source set emotion"]) -> Float[np.ndarray, "... source"]:
        own = changes.self_of(cells)
        return own if steering else own - changes.cross_of(cells)

    value, replicates = compared(changes.means.value), compared(changes.means.replicates)[changes.means.present]
    ratios = [
        ratio_interval(
            float(value[at]), float(value[denominator]), replicates[:, at], replicates[:, denominator]
        )
        for at in range(len(value))
    ]
    cells = changes.cells
    return CarriedOver(
        speakers=changes.speakers,
        change=cells.value,
        change_low=cells.low,
        change_high=cells.high,
        own_emotion=changes.self_change,
        other_emotions=changes.cross_change,
        effect=effect,
        ratio=Estimates(*np.array([(ratio.value, ratio.low, ratio.high) for ratio in ratios]).T),
    )


def _recalls(
    trials: Trials, answers: Int[np.ndarray, "set clip"], met: Bool[np.ndarray, " clip"]
) -> SpeakerMeans:
    """Change of recall by set and emotion."""
    return change_of(trials, answers[None], met)


def _flips(
    trials: Trials, answers: Int[np.ndarray, "set clip"], met: Bool[np.ndarray, " clip"]
) -> SpeakerMeans:
    """Change of the share of clips of other emotions that are labelled as an emotion, by set and emotion."""
    emotion = np.arange(len(trials.emotions))[:, None]
    before = trials.baseline.argmax(axis=1) == emotion
    change = (answers[:, None] == emotion).astype(np.float64) - before
    return trials.means(change, ~trials.of_emotion.T & met)
