"""What a battery of side tasks says: changes of accuracy and perplexity with their intervals and controls."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Origins, OverClips
from esn_interp.drawing.brief import brief

TITLES = {
    "transcription": "transcription",
    "sex": "speaker's sex",
    "valence": "valence",
    "arousal": "arousal",
}


@dataclass(frozen=True, eq=False)
class TextEffect:
    """How likely an unrelated text is under the edits, without any audio.

    ``perplexity`` is the unedited model's, ``ratio`` that under each edit divided by it: above 1 is worse.
    ``log_probs`` are sums over a sentence's tokens (nats), the unedited model's in the first row. Intervals
    are over sentences, which take the place of speakers here.
    """

    sentences: tuple[str, ...]
    tokens: Int64[np.ndarray, " sentence"]
    log_probs: Float64[np.ndarray, "condition sentence"]
    perplexity: float
    ratio: Estimates
    random_ratio: Estimates
    mean_ratio: Interval
    random_mean: Interval

    __repr__ = brief


@dataclass(frozen=True, eq=False)
class SideEffects(OverClips):
    """Changes of accuracy in side tasks, as signed fractions: -0.1 is a loss of 10 points.

    Accuracy is 1 - min(WER, 1) for transcription, and the share of right answers for the choices.
    ``baseline`` is by task, ``change`` by condition and task with 95 % bounds over speakers,
    ``mean_change`` its mean over the conditions; ``random_change`` and ``random_mean`` are the same with the
    edits on random neurons of the same layers, ``minus_random`` the difference, paired over speakers.

    Valence and arousal follow from the emotion: an edit that changes the emotion heard should change them
    too. Per clip: ``accuracy``, without an edit in the first row, and ``random_accuracy``.
    """

    kind: ClassVar[str] = "side_effects"

    origins: Origins
    alpha: float
    draws: int
    seed: int
    conditions: tuple[str, ...]
    neurons: tuple[int, ...]
    tasks: tuple[str, ...]
    baseline: Estimates
    change: Estimates
    random_change: Estimates
    mean_change: Estimates
    random_mean: Estimates
    minus_random: Estimates
    text: TextEffect | None
    accuracy: Float64[np.ndarray, "condition task clip"]
    random_accuracy: Float64[np.ndarray, "draw own task clip"]
    groups: tuple[GroupEffect, ...] = ()

    def mean(self, task: str) -> Interval:
        """Change of a task's accuracy, the mean over the conditions."""
        return self.mean_change.at(self.tasks.index(task), speakers=self.n_speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per task, kind of neurons (own, random) and condition (or ``mean``).

        ``value`` is a change of accuracy, and for the text a ratio of perplexities; so is ``baseline``.
        """
        rows = [
            (task, kind, name, self.baseline.value[at], *values)
            for at, task in enumerate(self.tasks)
            for kind, each, mean in (
                ("own", self.change, self.mean_change),
                ("random", self.random_change, self.random_mean),
            )
            for name, *values in (
                *zip(self.conditions, each.value[:, at], each.low[:, at], each.high[:, at], strict=True),
                ("mean", mean.value[at], mean.low[at], mean.high[at]),
            )
        ]
        if self.text:
            rows += [
                ("text", kind, name, self.text.perplexity, *values)
                for kind, each, mean in (
                    ("own", self.text.ratio, self.text.mean_ratio),
                    ("random", self.text.random_ratio, self.text.random_mean),
                )
                for name, *values in (
                    *zip(self.conditions, each.value, each.low, each.high, strict=True),
                    ("mean", mean.value, mean.low, mean.high),
                )
            ]
        columns = ["task", "neurons", "condition", "baseline", "value", "low", "high"]
        return pd.DataFrame(rows, columns=columns)

    def summary(self) -> str:
        """The result in one sentence; changes in percentage points of accuracy with 95 % intervals."""
        told = [
            f"{TITLES[task]} {self.mean(task).scaled(100):+.1f}"
            + (f" (random neurons {100 * self.random_mean.value[at]:+.1f})" if self.draws else "")
            for at, task in enumerate(self.tasks)
        ]
        if self.text:
            control = f" (random neurons {self.text.random_mean.value:.3f})" if self.draws else ""
            told.append(f"perplexity of an unrelated text times {self.text.mean_ratio:.3f}{control}")
        average = f", on average over {len(self.conditions)} conditions" if len(self.conditions) > 1 else ""
        how = "Editing" if np.isnan(self.alpha) else f"Multiplying gates by {1 + self.alpha:g}"
        return (
            f"{how} changes accuracy elsewhere, in points{average}: "
            + ", ".join(told)
            + f"; on {len(self.clips)} clips of {self.n_speakers} speakers{self.reservation}."
        )
