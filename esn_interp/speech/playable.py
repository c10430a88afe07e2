"""Speech that a model made: played in a notebook, saved as a file."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from jaxtyping import Float

from esn_interp.drawing.notebook import player, sentence
from esn_interp.errors import AudioError
from esn_interp.files import write_bytes

WRITTEN_BY = "esn-interp"
"""What every file of speech says that it was written by."""
MARK = "Synthetic speech: made by a model with esn-interp, with an emotion that no person spoke it with."
"""The comment in every file of speech that a model made. Encoding the file anew takes it away."""


def wav_of_speech(
    waveform: Float[np.ndarray, " sample"], rate: int, *, subtype: str = "PCM_16", mark: bool = True
) -> bytes:
    """Speech that a model made as a WAV file, which says so in its comment unless ``mark`` is False."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", rate, 1, subtype, format="WAV") as sound:
        sound.software = WRITTEN_BY  # so that what a command wrote may be told from what it must not replace
        if mark:
            sound.comment = MARK
        sound.write(waveform)
    return file.getvalue()


@dataclass(frozen=True, eq=False, repr=False)
class Speech:
    """Mono speech at ``sampling_rate`` and the words that were meant; a notebook shows it with a player.

    ``problem`` names what went wrong on the way, such as speech that never ended; None when nothing did.
    """

    waveform: Float[np.ndarray, " sample"]
    sampling_rate: int
    text: str
    problem: str | None = None

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.waveform) / self.sampling_rate

    def wav(self, *, mark: bool = True) -> bytes:
        """A WAV file, 16 bit; what is louder than full scale is cut. Its comment says that it is synthetic: `MARK`.

        Raises
        ------
        AudioError
            When there is no sound, or it is not finite.
        """
        if not len(self.waveform) or not np.isfinite(self.waveform).all():
            raise AudioError("there is no sound to play or save" + (f": {self.problem}" if self.problem else ""))
        return wav_of_speech(self.waveform.clip(-1, 1), self.sampling_rate, mark=mark)

    def save(self, path: str | Path, *, mark: bool = True) -> None:
        """Write a ``.wav`` file, whole or not at all, that says it is synthetic unless ``mark`` is False.

        Raises
        ------
        AudioError
            When there is no sound, or it is not finite.
        """
        write_bytes(path, self.wav(mark=mark))

    def __repr__(self) -> str:
        wrong = f", {self.problem}" if self.problem else ""
        return f"Speech({self.seconds:.1f} s at {self.sampling_rate} Hz, {self.text!r}{wrong})"

    def _repr_html_(self) -> str:
        words = (self.text or "(no words)") + (f" ({self.problem})" if self.problem else "")
        if not len(self.waveform) or not np.isfinite(self.waveform).all():
            return sentence(f"{words}: no sound")
        return player(self.wav(), "audio/wav", words)
