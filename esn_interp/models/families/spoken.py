"""Speaking: what is to be said, one run of it, and what was said."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from esn_interp.drawing.brief import brief
from esn_interp.models.families.inputs import Inputs, Processor
from esn_interp.models.families.manner import Manner


@dataclass(frozen=True, eq=False)
class SpeechRequest:
    """What is to be said aloud about each clip of a batch; None in the place of a clip stands for none.

    Parameters
    ----------
    seeds
        One for each clip, by which its speech is drawn whatever the others are.
    system
        The system prompt.
    """

    waveforms: Sequence[Float[np.ndarray, " _sample"] | None]
    prompt: str
    seeds: Sequence[int]
    manner: Manner
    system: str | None = None

    __repr__ = brief

    @property
    def waveform(self) -> Float[np.ndarray, " sample"] | None:
        """The only clip."""
        (only,) = self.waveforms
        return only


class Live:
    """Which clips of a batch are still being spoken, by decoder stack: written as the model runs, read by taps.

    A clip that has ended is computed on until the last one ends; what its gates do then means nothing.
    """

    def __init__(self, clips: int) -> None:
        self._clips = clips
        self._rows: dict[str, Bool[np.ndarray, " clip"]] = {}

    def rows(self, component: str) -> Bool[np.ndarray, " clip"]:
        """Of one stack; an array that changes while the model runs."""
        return self._rows.setdefault(component, np.ones(self._clips, dtype=np.bool_))


@dataclass(frozen=True, eq=False)
class SpeechRun:
    """A request on its way through a model: about a batch where the family `speaks_together`, else about one clip.

    Parameters
    ----------
    inputs
        Those that the family made for the request, where the model is.
    live
        To be kept up to date with which clips are still being spoken.
    """

    model: nn.Module
    processor: Processor
    request: SpeechRequest
    inputs: Inputs
    live: Live

    @property
    def manner(self) -> Manner:
        return self.request.manner


@dataclass(frozen=True, eq=False)
class Spoken:
    """What a model said: its words, where it writes any, and the sound at ``sampling_rate``.

    Both are empty when it said nothing.

    Parameters
    ----------
    codes
        The codes of speech; None where the model keeps them to itself.
    words
        How many tokens of text it wrote, without the one that ends them; None where it does not tell.
    ended
        Whether words and speech came to an end by themselves, before they were cut off.
    failure
        Why there is no sound though there should be; None when nothing went wrong.
    """

    text: str
    waveform: Float[np.ndarray, " sample"]
    sampling_rate: int
    codes: Int[np.ndarray, " code"] | None = None
    words: int | None = None
    ended: bool = True
    failure: str | None = None

    __repr__ = brief

    @property
    def silent(self) -> bool:
        """Whether nothing was said, and nothing went wrong with it."""
        return not (self.text or len(self.waveform) or self.failure)

    @classmethod
    def of(
        cls, text: str, sound: Float[Tensor, "*one sample"] | None, sampling_rate: int, **more: Any
    ) -> "Spoken":
        """From the sound of one clip as a model makes it; None stands for none."""
        samples = np.zeros(0, np.float32) if sound is None else sound.detach().flatten().float().cpu().numpy()
        return cls(text, samples, sampling_rate, **more)
