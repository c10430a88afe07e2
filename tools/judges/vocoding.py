"""What a small neural vocoder does to speech, as far as WORLD can do it: what toy-omni's speech is made of.

Its F0 is held for 40 ms and lies on a lattice of 25 Hz, so that jitter is lost and tremor is coarse. Judges that have
never heard such speech take much of its fear for neutral.
"""

import warnings

import numpy as np

from esn_interp.speech.audio import SAMPLE_RATE

FRAME = 5.0  # ms
HELD = 8  # frames
LATTICE = 25.0  # Hz


def vocoded(waveform: np.ndarray) -> np.ndarray:
    """The clip taken apart and put together by WORLD, with its F0 held and rounded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyworld still imports pkg_resources, which warns
        import pyworld
    wave = waveform.astype(np.float64)
    coarse, times = pyworld.dio(wave, SAMPLE_RATE, f0_floor=60.0, f0_ceil=700.0, frame_period=FRAME)
    f0 = pyworld.stonemask(wave, coarse, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(wave, f0, times, SAMPLE_RATE)
    aperiodicity = pyworld.d4c(wave, f0, times, SAMPLE_RATE)
    first = np.repeat(f0[::HELD], HELD)[: len(f0)]
    rounded = np.rint(np.where(first > 0, first, f0) / LATTICE).clip(min=3) * LATTICE
    spoken = pyworld.synthesize(np.where(f0 > 0, rounded, 0.0), envelope, aperiodicity, SAMPLE_RATE, FRAME)
    return spoken.astype(np.float32)
