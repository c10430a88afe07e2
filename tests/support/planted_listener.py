"""A listener whose neurons are planted: what each does is known, so every effect can be worked out by hand.

A clip is a sum of sines. The amplitude at `emotion_frequency(e)` is the evidence for emotion e, and one more
sine tells the speaker's sex. The listener measures the amplitudes, passes the evidence for each emotion
through that emotion's own gates, spread evenly over two layers, and adds the gates up again, plus a small
bias:

    score of emotion e = bias of e + sum over the gates of e of gate,   gate = evidence for e / number of them

All other gates are always on and lead nowhere, but for two: without `SEX_GATE` it takes everybody for male,
and without `WORD_GATE` it drops the last word of a transcript.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import soundfile

from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
WIDTHS = (24, 30)
PER_LAYER = 2
BIAS = np.array([0.05, 0.04, 0.03, 0.02, 0.01])
SEX_GATE = (0, 23)
WORD_GATE = (1, 29)
TRANSCRIPT = "the kettle stands on the table"
RATE, STEP = 16_000, 200


def emotion_frequency(emotion: int) -> int:
    return STEP * (2 + emotion)


SEX_FREQUENCY = STEP * 20


def planted_gates(emotion: str, layer: int) -> np.ndarray:
    """Neurons of a layer that carry an emotion."""
    return PER_LAYER * EMOTIONS.index(emotion) + np.arange(PER_LAYER)


def planted_set(emotions: Sequence[str] = EMOTIONS) -> NeuronSet:
    """The neuron set that a perfect selector would find."""
    origin = Origin("planted", "f00d", "thinker", WIDTHS, "planted-ident", "beef")
    return NeuronSet.from_indices(
        origin,
        {
            emotion: np.concatenate(
                [start + planted_gates(emotion, layer) for layer, start in enumerate(origin.offsets)]
            )
            for emotion in emotions
        },
        selector="planted",
    )


def elsewhere(stats: GateStatistics) -> GateStatistics:
    """The same numbers, as if they came from other clips: neurons of these are then tried on clips of their own."""
    return replace(stats, origin=replace(stats.origin, corpus="elsewhere", corpus_fingerprint="elsewhere", found_on=""))


def clip_bytes(evidence: Sequence[float], *, female: bool = False, seconds: float = 0.25) -> bytes:
    """A WAV file that carries this evidence for each emotion; whole periods, so that sines don't leak."""
    samples = round(seconds * RATE / 80) * 80
    time = np.arange(samples) / RATE
    wave = sum(
        0.1 * amount * np.sin(2 * np.pi * emotion_frequency(emotion) * time)
        for emotion, amount in enumerate(evidence)
    )
    if female:
        wave = wave + 0.1 * np.sin(2 * np.pi * SEX_FREQUENCY * time)
    file = io.BytesIO()
    soundfile.write(file, wave, RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def evidence_for(emotion: str, leak: float = 0.0) -> list[float]:
    """Full evidence for one emotion, and a little for all others."""
    return [1.0 if name == emotion else leak for name in EMOTIONS]


def planted_clips(
    *,
    speakers: int = 8,
    takes: int = 2,
    leaks: Sequence[float] | None = None,
    mistaken: Sequence[tuple[int, str, str]] = (),
    without: Sequence[tuple[int, str]] = (),
) -> Clips:
    """A corpus of ``takes`` clips per speaker and emotion, of different lengths, in a fixed order.

    ``leaks`` is each speaker's evidence for emotions that are not meant. ``mistaken`` (speaker, emotion,
    heard) makes the first take of a cell sound like another emotion; ``without`` (speaker, emotion) leaves
    cells out.
    """
    leaks = [0.0] * speakers if leaks is None else leaks
    wrong = {(speaker, meant): heard for speaker, meant, heard in mistaken}
    meant: dict[bytes, str] = {}

    def sound(evidence: Sequence[float], emotion: str, *, female: bool, seconds: float) -> bytes:
        """A recording that is no copy of one of another emotion: a little longer, where it would be."""
        made = clip_bytes(evidence, female=female, seconds=seconds)
        if meant.setdefault(made, emotion) == emotion:
            return made
        return sound(evidence, emotion, female=female, seconds=seconds + 0.005)

    rows = [
        {
            "id": f"s{speaker:02d}-{emotion}-{take}",
            "audio": sound(
                evidence_for(
                    wrong.get((speaker, emotion), emotion) if take == 0 else emotion, leaks[speaker]
                ),
                emotion,
                female=bool(speaker % 2),
                # Neither sorted nor constant: results must come back in corpus order all the same.
                seconds=0.15 + 0.01 * ((7 * speaker + 3 * at + 5 * take) % 11),
            ),
            "emotion": emotion,
            "speaker": f"s{speaker:02d}",
            "sex": "female" if speaker % 2 else "male",
            "sentence": f"t{take}",
            "transcript": TRANSCRIPT,
        }
        for speaker in range(speakers)
        for at, emotion in enumerate(EMOTIONS)
        for take in range(takes)
        if (speaker, emotion) not in without
    ]
    return Clips.from_frame(pd.DataFrame(rows), name="planted")


@dataclass(frozen=True)
class Heard:
    """What `PlantedListener.encode` gives: the evidence of each clip, and its tokens."""

    prompt: str
    evidence: np.ndarray
    female: np.ndarray
    scopes: np.ndarray

    def __len__(self) -> int:
        return len(self.evidence)


class PlantedListener:
    """See the module. Counts its calls; edits act where they cover the last token."""

    name, fingerprint, component, widths = "planted", "f00d", "thinker", WIDTHS

    def __init__(self) -> None:
        self.encoded: list[tuple[int, ...]] = []
        self.scored = 0

    def encode(self, waveforms: Sequence[np.ndarray], prompt: str) -> Heard:
        self.encoded.append(tuple(len(wave) for wave in waveforms))
        tokens = [len(wave) // 800 for wave in waveforms]
        scopes = np.full((len(waveforms), max(tokens) + 4), -1, dtype=np.int8)
        for row, count in enumerate(tokens):
            scopes[row, -count - 4 : -4], scopes[row, -4:-1], scopes[row, -1] = 0, 1, 2
        evidence = np.array(
            [[_amplitude(w, emotion_frequency(e)) for e in range(len(EMOTIONS))] for w in waveforms]
        )
        female = np.array([_amplitude(w, SEX_FREQUENCY) > 0.5 for w in waveforms])
        return Heard(prompt, evidence, female, scopes)

    def scores(self, encoded: Heard, labels: Sequence[str], *, edits: Sequence[Edit] = ()) -> np.ndarray:
        self.scored += 1
        totals, gates = self._run(encoded, edits)
        if set(labels) <= set(EMOTIONS):
            logits = totals[:, [EMOTIONS.index(label) for label in labels]]
        elif "male" in labels:
            heard = encoded.female & (gates[SEX_GATE[0]][:, SEX_GATE[1]] > 0)
            logits = np.stack([~heard if label == "male" else heard for label in labels], axis=1).astype(
                float
            )
        else:
            classes = {
                "positive": (1,),
                "neutral": (0,),
                "negative": (2, 3, 4),
                "high": (1, 2, 4),
                "low": (0, 3),
            }
            logits = np.stack([totals[:, classes[label]].max(axis=1) for label in labels], axis=1)
        return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)

    def generate(self, waveforms, prompt, *, edits=(), max_new_tokens=32) -> list[str]:
        encoded = self.encode(waveforms, prompt)
        totals, gates = self._run(encoded, edits)
        if prompt == "Transcribe the speech.":
            intact = gates[WORD_GATE[0]][:, WORD_GATE[1]] > 0
            words = [TRANSCRIPT if whole else TRANSCRIPT.rsplit(" ", 1)[0] for whole in intact]
            return [" ".join(text.split()[:max_new_tokens]) for text in words]
        # Driven far beyond anything it hears by itself, it no longer makes sense.
        return [
            "wah wah wah" if total.max() > 5 else f"They sound {EMOTIONS[int(total.argmax())]}."
            for total in totals
        ]

    def _run(self, encoded: Heard, edits: Sequence[Edit]) -> tuple[np.ndarray, list[np.ndarray]]:
        gates = [np.ones((len(encoded), width)) for width in WIDTHS]
        for at, emotion in enumerate(EMOTIONS):
            for layer, gate in enumerate(gates):
                share = encoded.evidence[:, [at]] / (PER_LAYER * len(WIDTHS))
                gate[:, planted_gates(emotion, layer)] = share
        for edit in edits:
            if "last" in edit.positions:
                gate = gates[edit.layer]
                gate[:, edit.neurons] = np.asarray(edit.gain) * gate[:, edit.neurons] + np.asarray(edit.shift)
        mine = [[g[:, planted_gates(e, k)] for k, g in enumerate(gates)] for e in EMOTIONS]
        totals = np.stack([self.combine(np.concatenate(layers, axis=1)) for layers in mine], axis=1)
        return totals + BIAS, gates

    def combine(self, gates: np.ndarray) -> np.ndarray:
        """An emotion's score from its gates [clip, gate]: they add up."""
        return gates.sum(axis=1)


def _amplitude(wave: np.ndarray, frequency: int) -> float:
    time = np.arange(len(wave)) / RATE
    return float(2 / len(wave) * (wave @ np.sin(2 * np.pi * frequency * time)) / 0.1)
