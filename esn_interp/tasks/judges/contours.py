"""How pitch, level, voice and timbre run through a clip: what `toy-prosody` judges by.

Cheap enough to be computed for every clip of a study: F0 by `librosa.yin` (de Cheveigné and Kawahara 2002, J. Acoust.
Soc. Am. 111), without the search for the best path that pYIN adds. It is looked for twice, the second time in the range
that the first has found (De Looze and Hirst 2008, Speech Prosody), which takes away most errors by an octave.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from esn_interp.drawing.brief import brief
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges.prepared import prepared
from esn_interp.tasks.judges.prosody_measures import (
    HARMONIC,
    HIGHEST,
    HOP,
    LOUD,
    LOWEST,
    WINDOW,
    periodic_pitch,
)

EDGES = (300, 600, 1000, 1600, 2400, 3400, 5000, 8000)
"""Hz. The first five bands pass a telephone; the lowest 300 Hz are left out, since they don't."""
STEPS = SAMPLE_RATE / HOP  # frames a second
_FLOOR = 1e-10


@dataclass(frozen=True, eq=False)
class Contours:
    """A clip, frame by frame: 64 ms every 20 ms.

    ``level`` and ``bands`` (by `EDGES`) are in dB relative to full scale, ``harmonicity`` is the normalised
    autocorrelation at the period of ``f0`` (Hz): 1 for a perfectly periodic voice.
    """

    f0: Float64[np.ndarray, " frame"]
    harmonicity: Float64[np.ndarray, " frame"]
    level: Float64[np.ndarray, " frame"]
    bands: Float64[np.ndarray, "frame band"]

    __repr__ = brief

    @property
    def loud(self) -> Bool[np.ndarray, " frame"]:
        return self.level > self.level.max() - LOUD

    @property
    def voiced(self) -> Bool[np.ndarray, " frame"]:
        return self.loud & (self.harmonicity > HARMONIC)


def contours(waveform: Float[np.ndarray, " _sample"], rate: int) -> Contours:
    """Follow a clip through its frames.

    Raises `AudioError` for a waveform that is empty or not finite.
    """
    wave = prepared(waveform, rate).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, WINDOW // 2), WINDOW)[::HOP]
    level = _decibels(np.square(frames).mean(axis=1))
    f0, harmonicity = periodic_pitch(wave, frames, LOWEST, HIGHEST)
    voiced = (harmonicity > HARMONIC) & (level > level.max() - LOUD)
    if voiced.any():
        low, high = np.percentile(f0[voiced], [25, 75])
        f0, harmonicity = periodic_pitch(wave, frames, max(LOWEST, 0.75 * low), min(HIGHEST, 1.5 * high))
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2 / WINDOW**2
    places = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE), EDGES)
    bands = np.add.reduceat(power, places[:-1], axis=1)
    return Contours(
        f0=f0,
        harmonicity=harmonicity,
        level=level,
        bands=_decibels(bands),
    )


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + _FLOOR)
