"""What the microphone and the line do to a clip: a quiet studio, or a telephone."""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, resample_poly, sosfilt

from esn_interp.speech.audio import SAMPLE_RATE


def studio(wave: Float[np.ndarray, " sample"], *, rng: np.random.Generator) -> Float[np.ndarray, " sample"]:
    """A quiet room: half a dB of gain from take to take, and noise about 60 dB below full scale."""
    gain = 10.0 ** (rng.normal(scale=0.5) / 20.0)
    noise = rng.normal(scale=10.0 ** (rng.uniform(-64.0, -56.0) / 20.0), size=len(wave))
    return np.clip(wave * gain + noise, -0.95, 0.95).astype(np.float32)


def phone(wave: Float[np.ndarray, " sample"], *, rng: np.random.Generator) -> Float[np.ndarray, " sample"]:
    """A telephone: 300 to 3400 Hz at 8 kHz, 8-bit mu-law (ITU-T G.711), a noisy line, a varying gain."""
    gain = 10.0 ** (rng.normal(scale=1.0) / 20.0)
    band = butter(4, (300.0, 3400.0), btype="bandpass", fs=SAMPLE_RATE, output="sos")
    narrow = resample_poly(np.asarray(sosfilt(band, wave)) * gain * 1.2, 1, 2)
    narrow = np.clip(
        narrow + rng.normal(scale=10.0 ** (rng.uniform(-52.0, -44.0) / 20.0), size=len(narrow)), -1, 1
    )
    wide = resample_poly(_mu_law(narrow), 2, 1)[: len(wave)]
    return np.clip(wide, -0.95, 0.95).astype(np.float32)


def _mu_law(wave: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
    mu = 255.0
    companded = np.sign(wave) * np.log1p(mu * np.abs(wave)) / np.log1p(mu)
    steps = np.round(companded * 127.0) / 127.0
    return np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(mu)) / mu


CHANNELS: Mapping[str, Callable[..., Float[np.ndarray, " sample"]]] = {"studio": studio, "phone": phone}
