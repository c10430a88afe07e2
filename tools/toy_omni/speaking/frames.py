"""What token2wav turns codes into: 100 spectral frames a second, which also carry the voice's source.

A small convolutional vocoder answers a stationary spectrogram with a sound whose period is that of its frames: it can't
hold a pitch that the frames do not show it. So every frame holds, beside 64 mel bands, sixteen samples of the source
``cos(phase)``; and F0 is held for each code of 40 ms at a multiple of 25 Hz, a whole number of cycles, so that the code
alone decides the phase at every moment of it.
"""

import functools

import librosa
import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

RATE = 24_000
HOP = 240
MELS, SOURCE = 64, 16
FRAME = MELS + SOURCE
FRAMES_PER_CODE = 4
CODE = FRAMES_PER_CODE * HOP  # samples: 40 ms
LATTICE = 25.0  # Hz
LOWEST, HIGHEST = 3, 18  # multiples of it: 75 to 450 Hz
FFT = 1024
FLOOR = 1e-4
SOURCE_SCALE, SOURCE_CENTRE = 4.0, -4.3  # the vocoder maps log amplitudes of -10.9 to 2.3 to -1 to 1


@functools.cache
def mel_filters() -> Float[Tensor, "mel bin"]:
    return torch.from_numpy(librosa.filters.mel(sr=RATE, n_fft=FFT, n_mels=MELS, fmin=0, fmax=8000))


def log_mel(wave: Float[Tensor, "clip sample"]) -> Float[Tensor, "clip mel frame"]:
    """Natural logarithm of the mel magnitudes, frames centred on every 10 ms."""
    edge = (FFT - HOP) // 2
    padded = torch.nn.functional.pad(wave[:, None], (edge, edge), mode="reflect")[:, 0]
    window = torch.hann_window(FFT)
    spectrum = torch.stft(padded, FFT, HOP, FFT, window, center=False, return_complex=True)
    magnitude = (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()
    return torch.log(torch.clamp(mel_filters() @ magnitude, min=FLOOR))


def source(
    pitch: Int[np.ndarray, " code"], voiced: Int[np.ndarray, " frame"]
) -> Float[np.ndarray, "frame sample"]:
    """Samples of the source, as frames hold them; ``pitch`` counts cycles a code, ``voiced`` is 0 or 1 a frame."""
    moment = (np.arange(FRAMES_PER_CODE * SOURCE) + 0.5) / (FRAMES_PER_CODE * SOURCE)
    wave = np.cos(2 * np.pi * pitch[:, None] * moment[None])
    frames = wave.reshape(-1, SOURCE) * voiced[:, None]
    return frames * SOURCE_SCALE + SOURCE_CENTRE
