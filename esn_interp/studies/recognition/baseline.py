"""How well a model recognises emotions before anything is done to it."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from einops import repeat
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.significance import RATE, Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.result import Result
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.recognition import recognise


@dataclass(frozen=True, eq=False)
class Baseline(Result):
    """How well the unedited model recognises emotions: recall per emotion with 95 % intervals over speakers."""

    kind: ClassVar[str] = "baseline"

    emotions: tuple[str, ...]
    uar: Interval
    accuracy: float
    macro_f1: float
    recall: Float64[np.ndarray, " emotion"]
    recall_low: Float64[np.ndarray, " emotion"]
    recall_high: Float64[np.ndarray, " emotion"]
    confusion: Int64[np.ndarray, "truth answer"]
    clips: int
    speakers: int
    skipped: tuple[str, ...]


def baseline(lm: Listener, clips: Clips, batch_size: int, *, protocol: Protocol, progress: bool) -> Baseline:
    """Measure it, every clip once."""
    asked = protocol.recognition(clips.emotions, lm=lm)
    answers = recognise(lm, clips, recognition=asked, batch_size=batch_size, progress=progress)
    right, emotions = answers.correct[0], answers.emotions
    of_emotion = answers.truth == np.arange(len(emotions))[:, None]
    outcome = repeat(right, "clip -> emotion clip", emotion=len(emotions))
    recall = SpeakerMeans.over_clips(outcome, of_emotion, answers.speaker)
    low, high = recall.bounds(within=RATE)
    return Baseline(
        emotions=emotions,
        uar=recall.interval(nan_mean, within=RATE),
        accuracy=answers.accuracy(),
        macro_f1=answers.macro_f1(),
        recall=recall.value,
        recall_low=low,
        recall_high=high,
        confusion=answers.confusion(),
        clips=len(answers),
        speakers=len(set(answers.speaker)),
        skipped=tuple(f"{one.clip}: {one.reason}" for one in answers.skipped),
    )
