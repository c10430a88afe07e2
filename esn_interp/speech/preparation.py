"""What may be done to every clip before a model hears it: nothing by default, since level is an emotion cue."""

import warnings
from dataclasses import dataclass

import numpy as np
import pyloudnorm
from jaxtyping import Float

from esn_interp.errors import CorpusError
from esn_interp.speech.audio import SAMPLE_RATE

FRAME, HOP = 400, 160  # 25 and 10 ms
MARGIN = 800  # samples left standing around the speech: 50 ms
_BLOCK = 0.4  # seconds that BS.1770 averages over


@dataclass(frozen=True)
class Preparation:
    """Loudness and silence, treated alike in every clip of a corpus.

    ``loudness`` brings each clip to so many LUFS (ITU-R BS.1770, by pyloudnorm), less where its peak would
    be clipped. ``trim`` cuts what is so many dB below the loudest 25 ms off both ends, but for 50 ms. Both
    are off by default.
    """

    loudness: float | None = None
    trim: float | None = None

    def __post_init__(self) -> None:
        if self.loudness is not None and not -70 < self.loudness <= 0:
            raise CorpusError(f"loudness {self.loudness:g}: give LUFS between -70 and 0, such as -23")
        if self.trim is not None and not 0 < self.trim <= 100:
            raise CorpusError(f"trim {self.trim:g}: give dB below the loudest part, such as 40")

    def __bool__(self) -> bool:
        return self.loudness is not None or self.trim is not None

    def __str__(self) -> str:
        done = [
            f"silence more than {self.trim:g} dB below the loudest part cut off" if self.trim else "",
            "" if self.loudness is None else f"loudness brought to {self.loudness:g} LUFS",
        ]
        return "; ".join(filter(None, done)) or "as recorded: level and silence are left alone"

    def apply(self, wave: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " _kept"]:
        """The clip as it is to be heard; the very same array when nothing is to be done."""
        if self.trim is not None:
            wave = trimmed(wave, self.trim)
        return wave if self.loudness is None else _levelled(wave, self.loudness)


AS_RECORDED = Preparation()


def trimmed(wave: Float[np.ndarray, " sample"], decibels: float) -> Float[np.ndarray, " _kept"]:
    """The part between the first and the last frame that is within ``decibels`` of the loudest one."""
    if len(wave) < FRAME:
        return wave
    frames = np.lib.stride_tricks.sliding_window_view(wave, FRAME)[::HOP]
    power = np.square(frames.astype(np.float64)).mean(axis=1)
    (loud,) = np.nonzero(power >= power.max() * 10 ** (-decibels / 10))
    first = max(0, int(loud[0]) * HOP - MARGIN)
    last = min(len(wave), int(loud[-1]) * HOP + FRAME + MARGIN)
    return wave[first:last]


def loudness(wave: Float[np.ndarray, " sample"]) -> float:
    """Integrated loudness in LUFS; a clip shorter than a block of 0.4 s counts as one block."""
    block = min(_BLOCK, len(wave) / SAMPLE_RATE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of blocks that are all below the gate: the result says it, -inf
        return float(pyloudnorm.Meter(SAMPLE_RATE, block_size=block).integrated_loudness(wave))


def _levelled(wave: Float[np.ndarray, " sample"], target: float) -> Float[np.ndarray, " sample"]:
    level = loudness(wave)
    if not np.isfinite(level):
        return wave
    gain = min(10 ** ((target - level) / 20), 1 / float(np.abs(wave).max()))
    return (wave * np.float32(gain)).astype(np.float32)
