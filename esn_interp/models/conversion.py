"""Asking a model to say what it hears with another emotion: the request, and one clip converted. [ESN-EVC]

[ESN-EVC] is Zhao, Ulgen, Koehn, Schuller, Sisman, arXiv 2603.17231; the wording of the request is our choice.
"""

import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from esn_interp.entries import Entries
from esn_interp.errors import EditError, EsnWarning, ModelError
from esn_interp.files import read_json, write_json
from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Spoken
from esn_interp.models.places import require_places
from esn_interp.models.speech_problems import problem_of
from esn_interp.speech.audio import waveform_of
from esn_interp.speech.labels import asked_emotion
from esn_interp.speech.playable import Speech

FILE, KIND, VERSION = "conversion.json", "conversion prompt", 1
PLAIN = "Repeat exactly what is said in this recording, word for word, in {article} {emotion} voice."
"""What a model is asked that was not taught another request."""


class ConversionWarning(EsnWarning):
    """Something about the gates makes an edit of them weaker than it looks."""


@dataclass(frozen=True)
class ConversionPrompt:
    """What a model is asked; both parts may hold ``{emotion}`` and ``{article}`` (a or an).

    ``system`` stands in the place of the model's system prompt; None leaves that as it is. A model that was taught a
    request of its own says so in a ``conversion.json`` beside its weights.

    Raises
    ------
    ModelError
        When something else stands in braces.
    """

    prompt: str
    system: str | None = None

    def __post_init__(self) -> None:
        for text in (self.prompt, self.system or ""):
            try:
                require_places(text, may=("emotion", "article"))
            except ValueError as error:
                raise ModelError(f"the request {error}") from error

    def about(self, emotion: str) -> tuple[str, str | None]:
        """Prompt and system prompt that ask for this emotion."""
        words = {"emotion": emotion, "article": "an" if emotion[:1] in "aeiou" else "a"}
        return self.prompt.format(**words), None if self.system is None else self.system.format(**words)

    @classmethod
    def beside(cls, folder: str | Path) -> "ConversionPrompt | None":
        """The request that a model in this folder was taught; None where it does not say.

        Raises
        ------
        EsnError
            When the file is not such a record.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        told = Entries({"system": None} | read_json(path, kind=KIND, version=VERSION), where=str(path))
        return cls(told.take("prompt", str), told.or_null("system", str))

    def save(self, folder: str | Path) -> None:
        """Write the request into a model's folder."""
        write_json(Path(folder) / FILE, {"kind": KIND, "version": VERSION, **asdict(self)})


def conversion_prompt(lm: Any) -> ConversionPrompt:
    """How this model is asked for a conversion: as it was taught, or in plain English."""
    family = getattr(lm, "family", None)
    return getattr(lm, "taught", None) or ConversionPrompt(PLAIN, getattr(family, "speaking_system", None))


def convert(
    lm: Any,
    audio: Any,
    *,
    to: str,
    neurons: Any = None,
    alpha: float = 0.0,
    prompt: ConversionPrompt | None = None,
    manner: Manner | None = None,
    seed: int = 0,
) -> Speech:
    """One clip with another emotion; ``neurons`` are multiplied by ``1 + alpha`` while it is said.

    Parameters
    ----------
    audio
        A path, a waveform at 16 kHz or a clip.
    to
        The emotion to be asked for: one of the vocabulary, or of the neurons.

    Returns
    -------
    The speech. Where something went wrong, `Speech.problem` names it, and there may be no sound.

    Raises
    ------
    ModelError
        When the model does not speak, or not with this voice or in this manner.
    CorpusError
        When there is no such emotion.
    EditError
        When there is an ``alpha`` without neurons or neurons without one, or neurons can't be steered by it.
    StatisticsError
        When the neurons are another model's.
    """
    if neurons is None and alpha:
        raise EditError(f"alpha {alpha:g} says by how much neurons are amplified; name the neurons")
    if neurons is not None and not alpha:
        raise EditError("alpha 0 changes nothing: the neurons are multiplied by 1 + alpha; say how much, such as 1")
    to = asked_emotion(to, also=getattr(neurons, "emotions", ()))
    steering = nullcontext() if neurons is None else lm.steered(neurons, alpha=alpha)
    waveform = waveform_of(audio)
    request, system = (prompt or conversion_prompt(lm)).about(to)
    with steering:
        warn_of_inaudible(lm, lm.standing)
        (said,) = lm.speak_all([waveform], request, seeds=[seed], manner=manner, system=system)
    problem = problem_of(said, getattr(audio, "transcript", ""))
    return Speech(audible(said), said.sampling_rate, said.text, None if problem == "no transcript" else problem)


def audible(said: Spoken) -> Float[np.ndarray, " sample"]:
    """The sound, none of it where some of it is no number: nobody can hear or save that."""
    return said.waveform if np.isfinite(said.waveform).all() else said.waveform[:0]


def warn_of_inaudible(lm: Any, edits: Sequence[Edit], *, all_layers: bool = False) -> None:
    """Warn when these edits, or those of any layer, can't change the speech of the forward that they are in."""
    layers = range(len(lm.widths)) if all_layers else sorted({edit.layer for edit in edits if not edit.identity})
    if layers and (note := lm.inaudible(list(layers))):
        warnings.warn(note, ConversionWarning, stacklevel=3)
