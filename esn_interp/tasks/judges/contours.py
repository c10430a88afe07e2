"""How pitch, level, voice and timbre run through a clip: what `toy-prosody` judges by.

Cheap enough to be computed for every clip of a study: F0 by `librosa.yin` (de Cheveigné and Kawahara 2002, J. Acoust.
Soc. Am. 111), without the search for the best path that pYIN adds. It is looked for twice, the second time in the range
that the first has found (De Looze and Hirst 2008, Speech Prosody), which takes away most errors by an octave.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges.prepared import prepared
from esn_interp.tasks.judges.prosody_measures import HIGHEST, HOP, LOWEST, WINDOW

EDGES = (300, 600, 1000, 1600, 2400, 3400, 5000, 8000)
"""Hz. The first five bands pass a telephone; the lowest 300 Hz are left out, since they don't."""
STEPS = SAMPLE_RATE / HOP  # frames a second
_HARMONIC = 0.6  # normalised autocorrelation above which a frame has a voice
_LOUD = 30.0  # dB below the loudest frame: what lies lower is no speech
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

    @property
    def loud(self) -> Bool[np.ndarray, " frame"]:
        return self.level > self.level.max() - _LOUD

    @property
    def voiced(self) -> Bool[np.ndarray, " frame"]:
        return self.loud & (self.harmonicity > _HARMONIC)


def contours(waveform: Float[np.ndarray, " _sample"], rate: int) -> Contours:
    """Follow a clip through its frames.

    Raises `AudioError` for a waveform that is empty or not finite.
    """
    wave = prepared(waveform, rate).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wave, WINDOW // 2), WINDOW)[::HOP]
    level = _decibels(np.square(frames).mean(axis=1))
    f0, harmonicity = _pitch(wave, frames, LOWEST, HIGHEST)
    voiced = (harmonicity > _HARMONIC) & (level > level.max() - _LOUD)
    if voiced.any():
        low, high = np.percentile(f0[voiced], [25, 75])
        f0, harmonicity = _pitch(wave, frames, max(LOWEST, 0.75 * low), min(HIGHEST, 1.5 * high))
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW), axis=1)) ** 2 / WINDOW**2
    places = np.searchsorted(np.fft.rfftfreq(WINDOW, 1 / SAMPLE_RATE), EDGES)
    bands = np.add.reduceat(power, places[:-1], axis=1)
    return Contours(
        f0=f0,
        harmonicity=harmonicity,
        level=level,
        bands=_decibels(bands),
    )


def _pitch(
    wave: Float64[np.ndarray, " sample"], frames: Float64[np.ndarray, "frame window"], low: float, high: float
) -> tuple[Float64[np.ndarray, " frame"], Float64[np.ndarray, " frame"]]:
    """F0 of each frame between two bounds, in Hz, and how periodic the frame is at it."""
    import librosa  # numba, which comes with it, takes a second to import

    f0 = librosa.yin(
        wave,
        fmin=low,
        fmax=high,
        sr=SAMPLE_RATE,
        frame_length=WINDOW,
        hop_length=HOP,
        pad_mode="constant",
    )
    f0 = np.asarray(f0, dtype=np.float64)
    return f0, _harmonicity(frames, np.rint(SAMPLE_RATE / f0).astype(np.int64))


def _harmonicity(
    frames: Float64[np.ndarray, "frame sample"], periods: np.ndarray
) -> Float64[np.ndarray, " frame"]:
    """Correlation of each frame with itself one period later."""
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames, 2 * size, axis=1)
    products = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)
    energy = np.cumsum(np.square(frames), axis=1)
    row = np.arange(len(frames))
    head = energy[row, size - periods - 1]
    tail = energy[:, -1] - energy[row, periods - 1]
    return products[row, periods] / np.sqrt(np.maximum(head * tail, _FLOOR**2))


def _decibels(power: np.ndarray) -> np.ndarray:
    return 10 * np.log10(power + _FLOOR)
