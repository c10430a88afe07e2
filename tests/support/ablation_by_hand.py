"""What the planted listener answers when gates are silenced, worked out without the package's analyses."""

import numpy as np
from planted_listener import (
    BIAS,
    EMOTIONS,
    PER_LAYER,
    WIDTHS,
    evidence_for,
    planted_gates,
)

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips

# Speakers differ in how much evidence for other emotions their clips carry: at 0.8 a single lost gate of four
# (a quarter of the evidence) costs the answer, at 0 it does not.
LEAKS = [0.0, 0.3, 0.5, 0.8, 0.8, 0.9, 0.6, 0.1]
MISTAKEN = [(0, "sad", "angry"), (3, "neutral", "fearful")]


def answer(evidence: list[float], lost: dict[str, int] | None = None) -> int:
    """What the planted listener answers when so many gates of each emotion are silenced."""
    lost = lost or {}
    n = PER_LAYER * len(WIDTHS)
    return int(np.argmax([BIAS[e] + evidence[e] * (n - lost.get(EMOTIONS[e], 0)) / n for e in range(5)]))


def evidence_of(clip_id: str) -> list[float]:
    speaker, emotion, take = clip_id.split("-")
    number = int(speaker[1:])
    heard = {(s, meant): sound for s, meant, sound in MISTAKEN}.get((number, emotion), emotion)
    return evidence_for(heard if take == "0" else emotion, LEAKS[number])


def gates_hit(neurons: NeuronSet) -> dict[str, int]:
    """How many planted gates of each emotion a set contains."""
    return {
        emotion: sum(
            int(np.isin(neurons.neuron[neurons.layer == layer], planted_gates(emotion, layer)).sum())
            for layer in range(len(WIDTHS))
        )
        for emotion in EMOTIONS
    }


def recalls(answers: list[int], truth: list[int]) -> np.ndarray:
    return np.array(
        [np.mean([a == t for a, t in zip(answers, truth, strict=True) if t == j]) for j in range(5)]
    )


def by_speaker(result: Ablation, clips: Clips, right: np.ndarray) -> np.ndarray:
    """Share of right answers, [speaker, emotion]."""
    speakers, emotions = np.array(clips.column("speaker")), np.array(clips.column("emotion"))
    return np.array(
        [[right[(speakers == s) & (emotions == e)].mean() for e in EMOTIONS] for s in clips.speakers]
    )
