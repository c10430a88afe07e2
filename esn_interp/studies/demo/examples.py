"""Clips for the report's players: the same words in every emotion, and what the model answers to each."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from esn_interp.files import write_atomic
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clip, Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, Predictions, Recognition, recognise


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


def examples(
    lm: Listener, clips: Clips, neurons: NeuronSet, out: Path, *, alpha: float, seed: int, progress: bool
) -> dict[str, Any]:
    """Write one clip per emotion to ``out/clips``, and ask about each: unedited, silenced, steered."""
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
        recognition=Recognition(clips.emotions),
        strict=True,
        progress=progress,
        description="Asking about the clips of the report",
    )
    return {
        "same_speaker": picked.same_speaker,
        "clips": [_example(row, chosen[row], answers, emotions, out) for row in range(len(chosen))],
    }


def _example(
    row: int, clip: Clip, answers: Predictions, emotions: Sequence[str], out: Path
) -> dict[str, Any]:
    other = emotions[(emotions.index(clip.emotion) + 1) % len(emotions)]
    file = Path("clips") / f"{clip.emotion}.wav"
    waveform = clip.waveform()
    write_atomic(out / file, lambda path: soundfile.write(path, waveform, SAMPLE_RATE, subtype="PCM_16"))

    def probabilities(condition: str) -> dict[str, float]:
        shares = np.exp(answers.log_probs[answers.row(condition), row].astype(np.float64))
        return dict(zip(answers.emotions, shares.tolist(), strict=True))

    return {
        "id": clip.id,
        "emotion": clip.emotion,
        "speaker": clip.speaker,
        "sex": clip.sex,
        "transcript": clip.transcript,
        "file": str(file),
        "answers": [
            {"edit": "unedited", "neurons": None, "probabilities": probabilities(BASELINE)},
            {
                "edit": "silenced",
                "neurons": clip.emotion,
                "probabilities": probabilities(f"silenced {clip.emotion}"),
            },
            {"edit": "steered", "neurons": other, "probabilities": probabilities(f"steered {other}")},
        ],
    }
