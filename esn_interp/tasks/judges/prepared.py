"""A waveform as every judge takes it: checked, float32, at the rate that the judge hears at."""

import numpy as np
import soxr
from jaxtyping import Float, Float32

from esn_interp.errors import AudioError
from esn_interp.speech.audio import SAMPLE_RATE

SHORTEST = 0.5
"""Seconds: shorter waveforms are filled up with silence, since networks need a few frames."""


def prepared(
    waveform: Float[np.ndarray, " _sample"], rate: int, *, at: int = SAMPLE_RATE
) -> Float32[np.ndarray, " _resampled"]:
    """The waveform at ``at`` samples a second, half a second of it or more.

    Raises `AudioError` when it is empty or not finite, or the rate is not positive. Silence passes: speech that
    failed to come is for a judge to hear.
    """
    if rate <= 0:
        raise AudioError(f"a judge was given a waveform at {rate} Hz: the sampling rate must be positive")
    if len(waveform) == 0:
        raise AudioError("a judge was given a waveform without samples: there is nothing to hear")
    if not np.isfinite(waveform).all():
        raise AudioError("a judge was given samples that are not finite (NaN or infinity)")
    if rate != at:
        waveform = soxr.resample(waveform, rate, at, quality="VHQ")
    missing = max(0, round(SHORTEST * at) - len(waveform))
    return np.pad(np.asarray(waveform, dtype=np.float32), (0, missing))
