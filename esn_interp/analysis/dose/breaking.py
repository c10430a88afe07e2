"""Where steering breaks the model: answers that say nothing any more, and what else is lost on the way."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from esn_interp.analysis.dose.doses import DoseAxis
from esn_interp.analysis.inference.estimates import Curves
from esn_interp.analysis.inference.significance import CHANGE, SpeakerMeans
from esn_interp.models.edits import Edit
from esn_interp.speech.clips import Clips
from esn_interp.tasks.free_text import free_answers, parse_emotion
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE
from esn_interp.tasks.side_tasks import off_target

TOLERATED = 0.1
"""A loss above ten points counts as broken; our choice."""

UNPARSED = "answers that name an emotion"
_TASKS = {"transcription": "transcription", "sex": "speaker's sex"}


@dataclass(frozen=True, eq=False)
class Losses:
    """What is lost at each dose: the unedited share minus the share at the dose, on the same clips.

    By name: free-text answers that name an emotion, words transcribed (1 - min(WER, 1)), and speakers whose
    sex is told. Positive is worse.
    """

    clips: int
    curves: dict[str, Curves]

    @property
    def broken(self) -> Bool[np.ndarray, " dose"]:
        """At which doses more than `TOLERATED` of any of them is lost, as a mean over the sets."""
        return np.any([curves.mean > TOLERATED for curves in self.curves.values()], axis=0)


def measure_losses(
    lm: Listener,
    clips: Clips,
    axis: DoseAxis,
    emotions: tuple[str, ...],
    *,
    batch_size: int,
    progress: bool,
) -> Losses:
    """Ask freely, for a transcript and for the speaker's sex, at every dose of every set.

    Text is generated for each clip, set and dose twice over, so that a few clips are enough of a wait.
    """
    shape = (len(emotions), len(axis.doses))
    names = {
        f"{at}/{emotion}": dose.edits(dose.neurons[emotion])
        for emotion in emotions
        for at, dose in enumerate(axis.doses)
        if len(dose.neurons[emotion])
    }
    # Where there is no neuron to edit there is nothing to lose.
    everything: dict[str, list[Edit]] = {BASELINE: [], **names}
    order = [[f"{at}/{emotion}" for at in range(shape[1])] for emotion in emotions]

    def curves(accuracy: dict[str, Float64[np.ndarray, " clip"]], speakers: list[str]) -> Curves:
        before = accuracy[BASELINE]
        loss = np.array([[before - accuracy.get(name, before) for name in row] for row in order])
        return Curves.of(SpeakerMeans.over_clips(loss, ~np.isnan(loss), speakers), CHANGE)

    answers = free_answers(lm, clips, conditions=everything, batch_size=batch_size, progress=progress)
    speaker_of = dict(zip(clips.column("id"), clips.column("speaker"), strict=True))
    parsed = {
        name: np.array([float(parse_emotion(text, clips.emotions) is not None) for text in texts.values()])
        for name, texts in answers.items()
    }
    losses = {UNPARSED: curves(parsed, [str(speaker_of[clip]) for clip in answers[BASELINE]])}
    found = off_target(
        lm, clips, conditions=everything, tasks=tuple(_TASKS), batch_size=batch_size, progress=progress
    )
    for at, task in enumerate(found.tasks):
        accuracy = dict(zip(found.conditions, found.accuracy[:, at], strict=True))
        if not np.isnan(accuracy[BASELINE]).all():
            losses[_TASKS[task]] = curves(accuracy, list(found.speakers))
    return Losses(len(answers[BASELINE]), losses)
