"""Where plain readings come from: `read(engine, voice, text)` gives the sound and its sample rate.

Each engine is a file. espeak-ng comes with the `tools` extra and reads for the training voices. The natural voices of
the corpora need what `tools/voices/README.md` lists; the package itself needs none of them.
"""

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float

from voices.engines import espeak, festival, flite, kokoro, piper

Reader = Callable[[str, str], tuple[Float[np.ndarray, " sample"], int]]

READERS: Mapping[str, Reader] = {
    "espeak": espeak.read,
    "festival": festival.read,
    "flite": flite.read,
    "kokoro": kokoro.read,
    "piper": piper.read,
}


def read(engine: str, voice: str, text: str) -> tuple[Float[np.ndarray, " sample"], int]:
    """`text` read plainly. Where READINGS names a folder, readings are kept there: Kokoro takes seconds for each."""
    folder = os.environ.get("READINGS")
    if folder is None or engine == "espeak":  # who takes 10 ms
        return READERS[engine](voice, text)
    name = hashlib.sha256("\n".join((engine, voice, text)).encode()).hexdigest()[:24]
    path = Path(folder) / f"{engine}-{name}.npz"
    if not path.exists():
        wave, rate = READERS[engine](voice, text)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, wave=wave, rate=rate)
    kept = np.load(path)
    return kept["wave"], int(kept["rate"])
