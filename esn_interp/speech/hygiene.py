"""What can be wrong with a clip, found by listening to each: one pass, one clip in memory at a time."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from esn_interp.errors import AudioError
from esn_interp.progress import track
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.clips import Clip, Clips

FULL_SCALE = 0.999
CLIPPED = 1e-3
"""Share of samples at full scale from which a clip counts as clipped: below, it is a peak or two."""


@dataclass(frozen=True)
class Sound:
    """What one clip sounds like, as it would be heard by a model.

    ``problem`` is why it can't be used, empty when it can; the numbers of such a clip are NaN. ``digest``
    identifies the samples, whatever file or format they came in.
    """

    clip: str
    problem: str
    seconds: float
    level: float  # root mean square in dB relative to full scale
    clipped: float  # share of samples at full scale
    digest: str


def listen(clips: Clips, *, progress: bool = False) -> Iterator[Sound]:
    """Examines every clip in turn; nothing is kept of its samples."""
    for clip in track(clips, "Listening", len(clips), enabled=progress):
        yield examine(clip)


def examine(clip: Clip) -> Sound:
    """Reads one clip; whatever `Clip.waveform` refuses becomes its problem."""
    try:
        wave = clip.waveform()
    except AudioError as error:
        reason = str(error).removeprefix(f"{clip.id}: ")
        return Sound(clip.id, reason, float("nan"), float("nan"), float("nan"), "")
    return Sound(
        clip=clip.id,
        problem="",
        seconds=len(wave) / SAMPLE_RATE,
        level=decibels(wave),
        clipped=float(np.mean(np.abs(wave) >= FULL_SCALE)),
        digest=hashlib.sha256(wave.tobytes()).hexdigest(),
    )


def decibels(wave: Float[np.ndarray, " sample"]) -> float:
    """Root mean square level in dB relative to full scale."""
    return float(10 * np.log10(np.mean(np.square(wave, dtype=np.float64))))
