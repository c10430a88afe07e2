"""Clips for the report's players: the same words in every emotion, and what the model answers to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from esn_interp.analysis.result import Result
from esn_interp.analysis.trials import options
from esn_interp.files import write_bytes
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.report.sounds import wav_of
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, Predictions, recognise


@dataclass(frozen=True)
class Pick:
    """One row per emotion, and whether all are the same voice saying the same sentence."""

    rows: tuple[int, ...]
    same_speaker: bool


def pick(clips: Clips, *, seed: int) -> Pick:
    """One clip per emotion by a seeded draw: one voice that says one sentence in every emotion, if there is.

    The draw knows nothing of the model's answers: a clip that the model mishears is as likely as any other.
    """
    emotions = clips.column("emotion")
    places: dict[tuple[str, str], dict[str, int]] = {}
    for row, place in enumerate(zip(clips.column("speaker"), clips.column("sentence"), strict=True)):
        places.setdefault((str(place[0]), str(place[1])), {}).setdefault(emotions[row], row)
    complete = [places[place] for place in sorted(places) if len(places[place]) == len(clips.emotions)]
    draw = np.random.default_rng(seed)
    if complete:
        chosen = complete[int(draw.integers(len(complete)))]
        return Pick(tuple(chosen[emotion] for emotion in clips.emotions), same_speaker=True)
    rows = [
        int(draw.choice([row for row, found in enumerate(emotions) if found == emotion]))
        for emotion in clips.emotions
    ]
    return Pick(tuple(rows), same_speaker=False)


@dataclass(frozen=True)
class Answer:
    """What the model answers: the probability of each option, and the emotion whose neurons were edited."""

    edit: str
    neurons: str | None
    probabilities: dict[str, float]


@dataclass(frozen=True)
class Example:
    """A clip, the file in the study's folder that holds its sound, and what the model answers to it."""

    id: str
    emotion: str
    speaker: str
    sex: str
    transcript: str
    file: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, eq=False)
class Examples(Result):
    """One clip of each emotion: as it is, with its own emotion's neurons silenced, with another's turned up."""

    kind: ClassVar[str] = "examples"

    same_speaker: bool
    clips: tuple[Example, ...]

    def write_sounds(self, clips: Clips, out: Path) -> None:
        """Write the sounds below the folder ``out``; ``clips`` are those that the examples were picked from."""
        rows = {str(name): row for row, name in enumerate(clips.column("id"))}
        for example in self.clips:
            write_bytes(out / example.file, wav_of(clips[rows[example.id]].waveform()))


def examples(
    lm: Listener, clips: Clips, neurons: NeuronSet, *, alpha: float, seed: int, progress: bool
) -> Examples:
    """Pick one clip of each emotion and ask about it: unedited, silenced, steered."""
    picked = pick(clips, seed=seed)
    chosen = clips.take(picked.rows)
    emotions = neurons.emotions
    answers = recognise(
        lm,
        chosen,
        conditions={
            BASELINE: (),
            **{f"silenced {emotion}": deactivate(neurons[emotion]) for emotion in emotions},
            **{f"steered {emotion}": steer(neurons[emotion], alpha) for emotion in emotions},
        },
        recognition=options(clips, neurons),
        strict=True,
        progress=progress,
        description="Asking about the clips of the report",
    )
    told = [_example(row, chosen[row], answers, emotions) for row in range(len(chosen))]
    return Examples(picked.same_speaker, tuple(told))


def _example(row: int, clip: Clip, answers: Predictions, emotions: Sequence[str]) -> Example:
    other = emotions[(emotions.index(clip.emotion) + 1) % len(emotions)]

    def answer(edit: str, edited: str | None, condition: str) -> Answer:
        shares = np.exp(answers.log_probs[answers.row(condition), row].astype(np.float64))
        return Answer(edit, edited, dict(zip(answers.emotions, shares.tolist(), strict=True)))

    return Example(
        id=clip.id,
        emotion=clip.emotion,
        speaker=clip.speaker,
        sex=clip.sex,
        transcript=clip.transcript,
        file=f"clips/{clip.emotion}.wav",
        answers=(
            answer("unedited", None, BASELINE),
            answer("silenced", clip.emotion, f"silenced {clip.emotion}"),
            answer("steered", other, f"steered {other}"),
        ),
    )
