"""A made-up model that says what a table tells it to: conversions of every kind, good and bad, without a network."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families.spoken import Spoken
from esn_interp.speech.clips import Clips
from esn_interp.tasks.conversion import conversions
from esn_interp.tasks.conversion_record import ConversionRun

RATE = 24_000
WIDTHS = (3, 2)
CODES = np.arange(4)
SILENT = np.zeros(0, np.float32)


def tone(seconds: float = 0.3, *, height: float = 0.1) -> np.ndarray:
    return (height * np.sin(np.arange(round(seconds * RATE)) / 20)).astype(np.float32)


def said(text: str = "the cat", **changes: Any) -> Spoken:
    """Something unremarkable, but for the changes."""
    given: dict[str, Any] = {"waveform": tone(), "codes": CODES, "words": len(text.split()), **changes}
    return Spoken(text, given.pop("waveform"), RATE, **given)


class Puppet:
    """Says ``table(request, seed)``; its gates are the seed's, so that every conversion leaves others."""

    name, fingerprint, component, widths, experts = "puppet", "0123", "talker", WIDTHS, ()
    standing = ()

    def __init__(self, table: Callable[[str, int], Spoken] = lambda request, seed: said()) -> None:
        self.table = table
        self.batches: list[int] = []
        self.requests: list[tuple[str, str | None]] = []

    def inaudible(self, layers: Sequence[int]) -> str | None:
        return None

    def speak_all(self, waveforms, prompt, *, seeds, manner=None, system=None, edits=(), tap_for=None) -> list[Spoken]:
        import torch

        self.batches.append(len(waveforms))
        self.requests.append((prompt, system))
        spoken = [self.table(prompt, seed) for seed in seeds]
        if tap_for is not None:
            codes = [SCOPE_CODES[scope] for scope in ("audio", "text", "last")]
            live = np.ones(len(seeds), dtype=np.bool_)
            tap = tap_for(np.tile(np.array(codes), (len(seeds), 1)), live)
            for step in range(4):
                live &= np.array([step <= len(one.codes if one.codes is not None else ()) for one in spoken])
                for layer, width in enumerate(WIDTHS):
                    tokens = 1 if step else len(codes)
                    gates = [np.random.default_rng(seed + step).normal(size=(tokens, width)) for seed in seeds]
                    tap(step, layer, torch.from_numpy(np.stack(gates)))
        return spoken


def sources(*emotions: str, transcript: str = "the cat", per_emotion: int = 2) -> Clips:
    """Short noises with these emotions, each from a speaker of its own."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "id": f"{emotion}{take}",
            "audio": (0.1 * rng.normal(size=4_000)).astype(np.float32),
            "emotion": emotion,
            "speaker": f"s{take}",
            "transcript": transcript,
        }
        for emotion in emotions
        for take in range(per_emotion)
    ]
    for row in rows:
        row["audio"] = _wav(row["audio"])
    return Clips.from_frame(pd.DataFrame(rows), name="noises")


def convert(
    lm: Puppet, clips: Clips | None = None, targets: Sequence[str] = ("happy", "sad"), **options: Any
) -> ConversionRun:
    """What it makes of a few noises."""
    return conversions(lm, clips or sources("neutral", "happy"), targets, progress=False, **options)


def _wav(wave: np.ndarray) -> dict[str, Any]:
    import io

    import soundfile

    file = io.BytesIO()
    soundfile.write(file, wave, 16_000, format="WAV", subtype="FLOAT")
    return {"bytes": file.getvalue(), "path": None}
