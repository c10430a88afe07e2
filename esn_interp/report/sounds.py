"""Sounds in a page: a recording as a WAV file, and as a part of the page itself."""

import base64
import io

import numpy as np
import soundfile
from jaxtyping import Float

from esn_interp.speech.audio import SAMPLE_RATE


def wav_of(waveform: Float[np.ndarray, " sample"]) -> bytes:
    """A recording of ours as a WAV file, 16 bit."""
    file = io.BytesIO()
    soundfile.write(file, waveform, SAMPLE_RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def wav_uri(sound: bytes | None) -> str:
    """A WAV file as part of a page; nothing where there is none."""
    return "" if sound is None else f"data:audio/wav;base64,{base64.b64encode(sound).decode('ascii')}"
