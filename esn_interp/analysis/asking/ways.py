"""Ways to ask about the same clips: what is asked, what may be answered, and what is right."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol as Interface
from typing import runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from esn_interp.models.families.inputs import Prompts
from esn_interp.speech.clips import Clip
from esn_interp.tasks.protocols import Protocol, protocol
from esn_interp.tasks.recognition import FREE_QUESTION, Recognition
from esn_interp.tasks.side_tasks import CHOICES
from esn_interp.tasks.wording import Wording

Question = tuple[Prompts, tuple[str, ...]]
"""What is asked about each clip of a batch, and the answers that are scored."""


@runtime_checkable
class Way(Interface):
    """One way of asking."""

    @property
    def title(self) -> str:
        """What it is called."""
        ...

    def questions(self, emotions: tuple[str, ...], clips: Sequence[Clip]) -> list[Question]:
        """What is asked about these clips; several questions where one is not enough."""
        ...

    def right(
        self, emotions: tuple[str, ...], clips: Sequence[Clip], scores: Sequence[Float[np.ndarray, "clip _label"]]
    ) -> Float[np.ndarray, " clip"]:
        """Whether each clip was answered rightly (0 or 1), from the scores of each question; NaN where unknown."""
        ...


@dataclass(frozen=True)
class Choosing:
    """One of the emotions: by its word, its letter, or without being told which there are."""

    title: str
    wording: Wording

    def asked(self, emotions: tuple[str, ...]) -> Recognition:
        """The question."""
        return Recognition(emotions, wording=self.wording)

    def questions(self, emotions: tuple[str, ...], clips: Sequence[Clip]) -> list[Question]:
        recognition = self.asked(emotions)
        return [(recognition.asked([clip.id for clip in clips]), recognition.labels)]

    def right(
        self, emotions: tuple[str, ...], clips: Sequence[Clip], scores: Sequence[Float[np.ndarray, "clip _label"]]
    ) -> Float[np.ndarray, " clip"]:
        found = self.asked(emotions).by_emotion(scores[0], [clip.id for clip in clips])
        return _named(emotions, clips, found.argmax(axis=1))


@dataclass(frozen=True)
class YesOrNo:
    """Each emotion by itself; the answer is the one that gets most of a yes."""

    title: str = "yes or no"

    def questions(self, emotions: tuple[str, ...], clips: Sequence[Clip]) -> list[Question]:
        return [(f"Is the speaker {emotion}?", ("yes", "no")) for emotion in emotions]

    def right(
        self, emotions: tuple[str, ...], clips: Sequence[Clip], scores: Sequence[Float[np.ndarray, "clip _label"]]
    ) -> Float[np.ndarray, " clip"]:
        yes = np.stack([score[:, 0] - score[:, 1] for score in scores], axis=1)
        return _named(emotions, clips, yes.argmax(axis=1))


@dataclass(frozen=True)
class Valence:
    """Positive, neutral or negative: what emotions share, in words that name none."""

    title: str = "valence"

    def questions(self, emotions: tuple[str, ...], clips: Sequence[Clip]) -> list[Question]:
        return [(CHOICES["valence"].prompt, CHOICES["valence"].labels)]

    def right(
        self, emotions: tuple[str, ...], clips: Sequence[Clip], scores: Sequence[Float[np.ndarray, "clip _label"]]
    ) -> Float[np.ndarray, " clip"]:
        choice = CHOICES["valence"]
        answers, truth = scores[0].argmax(axis=1), [choice.truth(clip) for clip in clips]
        said = [choice.labels[answer] == right for answer, right in zip(answers, truth, strict=True)]
        return np.where([bool(right) for right in truth], np.array(said, dtype=np.float64), np.nan)


def usual_ways(seed: int = 0) -> dict[str, Way]:
    """Words, letters in order and shuffled, an open question, yes or no, and valence."""
    letters = protocol("authors").wording
    return {
        "words": Choosing("words", Wording()),
        "letters": Choosing("letters in order", replace(letters, shuffled=False)),
        "shuffled": Choosing("letters shuffled", replace(letters, seed=seed)),
        "free": Choosing("an open question", Wording(FREE_QUESTION, "{question}")),
        "yes_no": YesOrNo(),
        "valence": Valence(),
    }


def collecting(way: Choosing) -> Protocol:
    """The protocol by which statistics are collected as this way asks."""
    return replace(protocol("ours"), name=way.title, wording=way.wording)


def _named(
    emotions: tuple[str, ...], clips: Sequence[Clip], answers: Bool[np.ndarray, " clip"] | np.ndarray
) -> Float[np.ndarray, " clip"]:
    truth = np.array([emotions.index(clip.emotion) for clip in clips])
    return (answers == truth).astype(np.float64)
