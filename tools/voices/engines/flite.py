"""flite, recordings of people joined together: "awb", "rms", "slt", "kal16"."""

import subprocess
import tempfile
from pathlib import Path

import soundfile
from jaxtyping import Float
from numpy import ndarray

from esn_interp.errors import EsnError


def read(voice: str, text: str) -> tuple[Float[ndarray, " sample"], int]:
    """`text` in a voice that `flite -lv` lists."""
    with tempfile.TemporaryDirectory(prefix="flite-") as folder:
        path = Path(folder) / "said.wav"
        try:
            subprocess.run(
                ["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            raise EsnError(f"flite could not read in the voice {voice!r}: apt-get install flite") from error
        return soundfile.read(path, dtype="float64")
