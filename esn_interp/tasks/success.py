"""Which conversions succeeded: the target emotion is heard, and the words are kept. [ESN-EVC]

The filter is for finding neurons only; effects are measured on every conversion.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float

from esn_interp.errors import StatisticsError
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.origin import GatedModel
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.progress import progress_bar
from esn_interp.tasks.conversion_record import Conversion, ConversionRun
from esn_interp.tasks.judges.protocol import EmotionJudge, TranscriptJudge
from esn_interp.tasks.judges.word_errors import Errors, errors

SUCCESS = "converted with success"

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

    Raises
    ------
    StatisticsError
        When a threshold is out of range.
    """

    emotion_threshold: float = 0.5
    max_wer: float | None = 0.25
    max_cer: float | None = None
    use: bool = True

    def __post_init__(self) -> None:
        bounds = {"emotion_threshold": 1.0, "max_wer": np.inf, "max_cer": np.inf}
        for name, highest in bounds.items():
            value = getattr(self, name)
            if value is not None and not 0 <= value <= highest:
                raise StatisticsError(f"{name} {value:g}: it must be at least 0" + (" and at most 1" * (highest == 1)))


@dataclass(frozen=True, eq=False)
class Verdict:
    """What judges make of one conversion.

    Parameters
    ----------
    emotions, probabilities
        What the judge of emotion hears, over its own emotions; NaN where there is no sound.
    words
        Those that the judge of words hears; "" without one.
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
    words: str
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
    emotion: EmotionJudge,
    transcript: TranscriptJudge | None = None,
    success: SuccessFilter | None = None,
    batch_size: int = 16,
    progress: bool = True,
) -> tuple[Verdict, ...]:
    """A verdict on every conversion of a run, in its order.

    Parameters
    ----------
    emotion, transcript
        The first knows every target; without the second, words are not compared.

    Raises
    ------
    StatisticsError
        When a target is not among the judge's emotions, or words are to be compared and there is nobody to hear them.
    """
    success = success or SuccessFilter()
    if missing := [target for target in run.targets if target not in emotion.emotions]:
        raise StatisticsError(
            f"judge {emotion.name} can't hear whether speech is {missing[0]}; it knows {', '.join(emotion.emotions)}"
        )
    if transcript is None and success.use and (success.max_wer, success.max_cer) != (None, None):
        raise StatisticsError(
            "the filter compares words, and there is no judge of words; name one, or set max_wer to None"
        )
    verdicts: list[Verdict | None] = [None] * len(run)
    audible = [row for row, one in enumerate(run.conversions) if one.audible]
    by_rate: dict[int, list[int]] = {}
    for row in audible:
        by_rate.setdefault(run.conversions[row].rate, []).append(row)
    with progress_bar("Judging", len(run), enabled=progress) as advance:
        for rate, rows in by_rate.items():
            for start in range(0, len(rows), batch_size):
                some = rows[start : start + batch_size]
                waveforms = [run.conversions[row].waveform for row in some]
                probabilities = emotion.probabilities(waveforms, rate)
                words = [""] * len(some) if transcript is None else transcript.transcribe(waveforms, rate)
                for at, row in enumerate(some):
                    verdicts[row] = _verdict(
                        run.conversions[row], probabilities[at], words[at], emotion, transcript, success
                    )
                advance(len(some))
        silent = np.full(len(emotion.emotions), np.nan)
        for row, one in enumerate(run.conversions):
            if not one.audible:
                verdicts[row] = _verdict(one, silent, "", emotion, transcript, success)
                advance(1)
    return tuple(verdict for verdict in verdicts if verdict is not None)


def _verdict(
    conversion: Conversion,
    probabilities: Float[np.ndarray, " emotion"],
    words: str,
    emotion: EmotionJudge,
    transcript: TranscriptJudge | None,
    success: SuccessFilter,
) -> Verdict:
    wrong = Errors(float("nan"), float("nan"))
    if transcript is not None and conversion.transcript and conversion.audible:
        wrong = errors(conversion.transcript, words, normalise=transcript.normalise)
    reasons = [] if conversion.kind is None else [conversion.kind]
    if conversion.audible:
        hears = emotion.emotions[int(probabilities.argmax())]
        if hears != conversion.target:
            reasons.append("other emotion")
        elif probabilities.max() < success.emotion_threshold:
            reasons.append("emotion unsure")
    if success.max_wer is not None and wrong.wer > success.max_wer:
        reasons.append("words lost")
    if success.max_cer is not None and wrong.cer > success.max_cer:
        reasons.append("characters lost")
    reasons = [reason for reason in reasons if reason != "no transcript"]
    # Where words are not compared, nobody needs to know what the source says.
    if conversion.audible and (success.max_wer, success.max_cer) != (None, None) and np.isnan(wrong.wer):
        reasons.append("no transcript")
    kept = conversion.audible and (not reasons or not success.use)
    return Verdict(
        conversion, emotion.emotions, probabilities, words, wrong.wer, wrong.cer, kept, tuple(reasons)
    )


def conversion_statistics(
    lm: GatedModel, run: ConversionRun, verdicts: Sequence[Verdict], *, per_clip: bool = False
) -> GateStatistics:
    """The gates of a run by target emotion and side of the filter; scopes audio, text, last and generated.

    A stack that sees nothing but speech has the scope generated alone. Conversions that left no gates in some scope
    (nothing was said), or gates that are not finite, are in ``skipped``, each with the reason.

    Parameters
    ----------
    per_clip
        Keep every conversion's own sums as well, under the ids "CLIP to TARGET". Large: see `PerClip.size`.

    Raises
    ------
    StatisticsError
        When the run kept no gates, is another model's, or the verdicts are of another run.
    """
    if run.reductions is None or run.origin is None:
        raise StatisticsError("the run kept no gates; convert with gates=True")
    run.origin.check(lm, "the conversions")
    if [one.conversion.id for one in verdicts] != [one.id for one in run.conversions]:
        raise StatisticsError("the verdicts are of other conversions than the run's")
    skipped = [(one.clip, one.reason) for one in run.skipped]
    accumulator: Accumulator | None = None
    for verdict, sums in zip(verdicts, run.reductions, strict=True):
        conversion = verdict.conversion
        if sums is None:
            skipped.append((conversion.id, conversion.problem or "some scope has no token"))
        elif not all(np.isfinite(values).all() for values in sums.sums.values()):
            skipped.append((conversion.id, "its gates are not finite"))
        else:
            if accumulator is None:
                scopes = tuple(sums.tokens)
                accumulator = Accumulator(run.origin, run.targets, per_clip=per_clip, scopes=scopes)
            decided = replace(sums, kept=np.array([verdict.kept]))
            accumulator.add(decided, np.array([0]))
    if accumulator is None:
        first = f"{skipped[0][0]}: {skipped[0][1]}" if skipped else "there is none"
        raise StatisticsError(f"no conversion of corpus {run.origin.corpus} left gates; the first is {first}")
    asked = "\n".join(part for part in (run.settings["system"], run.settings["prompt"]) if part)
    return accumulator.statistics(prompt=asked, skipped=skipped, seed=run.settings["seed"], success=SUCCESS)
