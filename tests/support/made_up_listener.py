"""A made-up model that hears clips by their length, and a corpus for it."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import soundfile
import torch
from made_up_gates import WIDTHS, HeardClip, heard_clip

from esn_interp.speech.clips import Clips

EMOTIONS = ("neutral", "happy", "angry")


def wav(samples: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 16_000, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def noise(seed: int) -> np.ndarray:
    """A burst of noise; its length differs for every seed."""
    rng = np.random.default_rng(seed)
    return (0.1 * rng.normal(size=2_000 + 4_000 * int(rng.integers(1, 4)) + seed)).astype(np.float32)


def corpus(n: int, *, bad: dict[int, bytes] | None = None) -> Clips:
    rows = [
        {
            "id": f"clip-{seed}",
            "audio": (bad or {}).get(seed) or wav(noise(seed)),
            "emotion": EMOTIONS[seed % 3],
        }
        for seed in range(n)
    ]
    return Clips.from_frame(pd.DataFrame(rows), name="noise")


@dataclass
class Heard:
    clips: list[HeardClip]
    scopes: np.ndarray


class MadeUpModel:
    """Hears a clip by the length of its waveform, and answers wrongly about every fourth."""

    name, fingerprint, component, widths = "made-up", "m0", "thinker", WIDTHS

    def __init__(self, n: int, *, fails_after: int | None = None) -> None:
        self.by_length = {len(noise(seed)): seed for seed in range(n)}
        self.fails_after = fails_after
        self.heard: list[str] = []
        self.prompts: set[str] = set()

    def expected(self, seed: int) -> HeardClip:
        clip = heard_clip(seed)
        return HeardClip(f"clip-{seed}", seed % 3, seed % 4 != 0, clip.gates, clip.scopes)

    def encode(self, waveforms: Sequence[np.ndarray], prompt: str) -> Heard:
        if self.fails_after is not None and len(self.heard) + len(waveforms) > self.fails_after:
            raise KeyboardInterrupt
        clips = [self.expected(self.by_length[len(waveform)]) for waveform in waveforms]
        self.heard += [clip.id for clip in clips]
        self.prompts.add(prompt)
        longest = max(len(clip.scopes) for clip in clips)
        scopes = np.full((len(clips), longest), -1, dtype=np.int8)
        for row, clip in enumerate(clips):
            scopes[row, longest - len(clip.scopes) :] = clip.scopes
        return Heard(clips, scopes)

    def scores(self, encoded: Heard, labels: Sequence[str], *, tap) -> np.ndarray:
        longest = encoded.scopes.shape[1]
        for layer, width in enumerate(WIDTHS):
            gate = np.full((len(encoded.clips), longest, width), 99, dtype=np.float32)
            for row, clip in enumerate(encoded.clips):
                gate[row, longest - len(clip.scopes) :] = clip.gates[layer]
            tap(0, layer, torch.from_numpy(gate))
        scores = np.full((len(encoded.clips), len(labels)), -3.0, dtype=np.float32)
        for row, clip in enumerate(encoded.clips):
            right = labels.index(EMOTIONS[clip.emotion])
            scores[row, (right + (not clip.kept)) % len(labels)] = -0.1
        return scores
