"""How the spectrum of a clip is shaped, and how it moves: what `toy-spectrum` judges by.

Mel cepstra up to a quefrency at which the harmonics of a voice show, so that pitch is heard without being tracked;
their spread, drift and speed; and the modulation spectrum of the lowest ones, in which syllables (4 to 7 Hz) and tremor
(7 to 12 Hz) stand apart. Which statistics are taken is our choice.
"""

from itertools import pairwise

import librosa
import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.fft import dct

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.tasks.judges.prepared import prepared

MELS, CEPSTRA = 64, 40
WINDOW, HOP, FFT = 400, 160, 512  # samples at 16 kHz: 25 ms every 10 ms
FLOOR = 1e-10
QUIET = 7.0  # frames whose power is this far (in nepers) under the loudest one's are not speech
FEWEST = 10  # frames: with fewer that are loud, the whole clip is taken
MOVING, SLIDING = 16, 12  # cepstra whose speed and drift are taken
MODULATED = 10  # cepstra whose modulation spectrum is taken
BANDS = (0.5, 2.0, 4.0, 7.0, 12.0, 25.0)  # Hz, edges
_SIZE = 256


def log_mel(waveform: Float[np.ndarray, " _sample"], rate: int) -> Float64[np.ndarray, "frame mel"]:
    """Natural logarithm of the mel power, a hundred frames a second."""
    power = librosa.feature.melspectrogram(
        y=prepared(waveform, rate), sr=SAMPLE_RATE, n_fft=FFT, win_length=WINDOW, hop_length=HOP, n_mels=MELS, fmin=20.0
    )
    return np.log(np.maximum(power.T, FLOOR)).astype(np.float64)


def spectral_statistics(mel: Float[np.ndarray, "frame mel"]) -> dict[str, float]:
    """The clip in 164 numbers, by name."""
    power = np.logaddexp.reduce(mel, axis=1)
    loud = power > power.max() - QUIET
    first, last = np.flatnonzero(loud)[[0, -1]]
    if last - first + 1 < FEWEST:
        first, last, loud = 0, len(mel) - 1, np.ones(len(mel), dtype=bool)
    speech = slice(first, last + 1)
    cepstra = dct(mel[speech], norm="ortho", axis=1)[:, :CEPSTRA]
    return {
        "log_frames": float(np.log(last - first + 1)),
        "loud": float(loud[speech].mean()),
        **{f"power_{share}": float(np.percentile(power[speech], share)) for share in (10, 25, 50, 95)},
        **_shape(cepstra, loud[speech]),
        **_modulation(cepstra[:, :MODULATED]),
    }


def _shape(
    cepstra: Float64[np.ndarray, "frame cepstrum"], loud: Bool[np.ndarray, " frame"]
) -> dict[str, float]:
    moment = np.linspace(-1.0, 1.0, len(cepstra))[loud]
    spoken = cepstra[loud]
    mean = spoken.mean(axis=0)
    drift = ((spoken - mean) * (moment - moment.mean())[:, None]).mean(axis=0)[:SLIDING]
    speed = np.log(np.abs(np.diff(cepstra[:, :MOVING], axis=0)).mean(axis=0) + 1e-3)
    rows = {"mean": mean, "spread": spoken.std(axis=0), "drift": drift, "speed": speed}
    return {f"{name}_{at}": float(value) for name, row in rows.items() for at, value in enumerate(row)}


def _modulation(cepstra: Float64[np.ndarray, "frame cepstrum"]) -> dict[str, float]:
    """Logarithm of the power of each cepstrum's movement, in bands of modulation frequency."""
    swing = (cepstra - cepstra.mean(axis=0)) * np.hanning(len(cepstra))[:, None]
    size = max(_SIZE, len(swing))
    power = np.abs(np.fft.rfft(swing, size, axis=0)) ** 2 / len(swing)
    frequency = np.arange(len(power)) * (SAMPLE_RATE / HOP) / size
    return {
        f"modulation_{low:g}_{at}": float(np.log(value + 1e-4))
        for low, high in pairwise(BANDS)
        for at, value in enumerate(power[(frequency >= low) & (frequency < high)].mean(axis=0))
    }
