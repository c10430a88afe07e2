"""festival, diphones and hidden Markov models of people: "kal_diphone", "ked_diphone", "cmu_us_slt_arctic_hts"."""

import subprocess
import tempfile
from pathlib import Path

import soundfile
from jaxtyping import Float
from numpy import ndarray

from esn_interp.errors import EsnError


def read(voice: str, text: str) -> tuple[Float[ndarray, " sample"], int]:
    """`text` in a voice that is installed for festival."""
    with tempfile.TemporaryDirectory(prefix="festival-") as folder:
        path = Path(folder) / "said.wav"
        try:
            subprocess.run(
                ["text2wave", "-eval", f"(voice_{voice})", "-o", str(path)],
                input=text.encode(), check=True, capture_output=True,
            )  # fmt: skip
        except (OSError, subprocess.CalledProcessError) as error:
            raise EsnError(
                f"festival could not read in the voice {voice!r}: apt-get install festival festvox-kdlpc16k"
            ) from error
        return soundfile.read(path, dtype="float64")
