"""What a judge is: anything that listens to waveforms and says how they sound.

Judges take waveforms as arrays at any rate, mono, in floats. Each clip is heard alone, so that no clip's verdict
depends on its neighbours. All raise :class:`~esn_interp.errors.AudioError` for a waveform that is empty or not
finite; silence is heard like anything else.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@runtime_checkable
class EmotionJudge(Protocol):
    """Hears which emotion a voice carries."""

    @property
    def name(self) -> str:
        """What it was asked for by; kept with every verdict."""
        ...

    @property
    def emotions(self) -> tuple[str, ...]:
        """What it can hear, in the spelling of :mod:`esn_interp.speech.labels`."""
        ...

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        """Probability of each of ``emotions`` in each clip; every row sums to one."""
        ...


@runtime_checkable
class TranscriptJudge(Protocol):
    """Hears which words are said."""

    @property
    def name(self) -> str:
        """What it was asked for by."""
        ...

    def transcribe(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int) -> list[str]:
        """The words of each clip, as `normalise` writes them; the empty string where none is heard."""
        ...

    def normalise(self, text: str) -> str:
        """A text in the judge's own spelling, so that a reference differs from what is heard in words alone."""
        ...


@runtime_checkable
class SpeakerJudge(Protocol):
    """Hears whether two clips are spoken by one voice."""

    @property
    def name(self) -> str:
        """What it was asked for by."""
        ...

    def similarity(
        self,
        first: Float[np.ndarray, " _sample"],
        first_rate: int,
        second: Float[np.ndarray, " _other_sample"],
        second_rate: int,
    ) -> float:
        """Cosine of the two voices' embeddings, -1 to 1: higher is more alike."""
        ...


@runtime_checkable
class NaturalnessJudge(Protocol):
    """Says how natural speech sounds, as a listener would rate it."""

    @property
    def name(self) -> str:
        """What it was asked for by."""
        ...

    def scores(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, " clip"]:
        """Predicted mean opinion score of each clip, 1 (bad) to 5 (excellent)."""
        ...
