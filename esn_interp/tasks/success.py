"""Which conversions succeeded: the target emotion is heard, and the words are kept. [ESN-EVC]

The filter is for finding neurons only; effects are measured on every conversion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.neurons.origin import GatedModel
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.conversion_record import Conversion, ConversionRun

REASONS = {
    "other emotion": "The judge hears another emotion than the target.",
    "emotion unsure": "The judge hears the target, with less than `emotion_threshold`.",
    "words lost": "The word error rate to the source's transcript is above `max_wer`.",
    "characters lost": "The character error rate is above `max_cer`.",
}
"""Why a conversion without a problem of its own is dropped; a problem (`PROBLEMS`) is a reason too."""


@dataclass(frozen=True)
class SuccessFilter:
    """When a conversion counts as kept.

    Parameters
    ----------
    emotion_threshold
        The judge's probability of the target must be the largest, and at least this (0 to 1).
    max_wer, max_cer
        Highest word and character error rate (1 is all wrong, more is possible); None does not look at it.
    use
        With False every audible conversion is kept; the reasons are told all the same.
    """

    emotion_threshold: float = 0.5
    max_wer: float | None = 0.25
    max_cer: float | None = None
    use: bool = True


@dataclass(frozen=True, eq=False)
class Verdict:
    """What judges make of one conversion.

    Parameters
    ----------
    emotions, probabilities
        What the judge of emotion hears, over its own emotions; NaN where there is no sound.
    heard
        The words that the judge of words hears; "" without one.
    wer, cer
        Errors to the source's transcript; NaN where one of the two is missing.
    kept
        Whether the conversion passes the filter.
    reasons
        Why it would not pass, by name: keys of `PROBLEMS` and `REASONS`.
    """

    conversion: Conversion
    emotions: tuple[str, ...]
    probabilities: Float[np.ndarray, " emotion"] = field(repr=False)
    heard: str
    wer: float
    cer: float
    kept: bool
    reasons: tuple[str, ...]

    @property
    def probability(self) -> float:
        """Of the target emotion."""
        return float(self.probabilities[self.emotions.index(self.conversion.target)])

    @property
    def emotion(self) -> str | None:
        """The emotion that is heard; None without sound."""
        return None if np.isnan(self.probabilities).any() else self.emotions[int(self.probabilities.argmax())]


def judge(
    run: ConversionRun,
    *,
    emotion: Any,
    transcript: Any | None = None,
    success: SuccessFilter | None = None,
    batch_size: int = 16,
    progress: bool = True,
) -> tuple[Verdict, ...]:
    """A verdict on every conversion of a run, in its order.

    Parameters
    ----------
    emotion, transcript
        An `EmotionJudge`, which knows every target, and a `TranscriptJudge` (without one, words are not compared).

    Raises
    ------
    StatisticsError
        When a target is not among the judge's emotions.
    """
    raise NotImplementedError


def conversion_statistics(lm: GatedModel, run: ConversionRun, verdicts: Sequence[Verdict]) -> GateStatistics:
    """The gates of a run by target emotion and side of the filter; scopes audio, text, last and generated.

    Conversions that left no gates in some scope (nothing was said) are in ``skipped``, with their problem.

    Raises
    ------
    StatisticsError
        When the run kept no gates, is another model's, or the verdicts are of another run.
    """
    raise NotImplementedError
