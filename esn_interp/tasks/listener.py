"""What a task asks of a model: to hear a batch once and answer about it under any number of edits, or to speak."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.families.spoken import Spoken
from esn_interp.neurons.origin import GatedModel


@runtime_checkable
class Listener(GatedModel, Protocol):
    """The part of `AudioLM` that tasks and analyses use; anything that has it can be studied."""

    def encode(self, waveforms: Sequence[np.ndarray], prompt: str | Sequence[str]) -> Any:
        """Hear the clips once, with one prompt or one each; opaque but for ``scopes`` (clip by token; -1: padding)."""
        ...

    def scores(
        self, encoded: Any, labels: Sequence[str], *, edits: Sequence[Edit] = ()
    ) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels, normalised over them."""
        ...

    def generate(
        self,
        waveforms: Sequence[np.ndarray],
        prompt: str | Sequence[str],
        *,
        edits: Sequence[Edit] = (),
        max_new_tokens: int = 32,
    ) -> list[str]:
        """Greedy free-text answers, one per clip."""
        ...


@runtime_checkable
class SweepingLM(Protocol):
    """A listener that answers under many conditions at once."""

    def sweep(self, encoded: Any, labels: Sequence[str], conditions: Sequence[Sequence[Edit]]) -> Any:
        """Label scores of every condition, ``log_probs``, and how each was carried out, ``plans``."""
        ...


@runtime_checkable
class SpeakingLM(GatedModel, Protocol):
    """The part of `AudioLM` that conversions use; anything that has it can convert speech."""

    @property
    def standing(self) -> tuple[Edit, ...]:
        """Edits that act on every run at this moment."""
        ...

    def inaudible(self, layers: Sequence[int]) -> str | None:
        """Why edits of these layers may change no speech."""
        ...

    def speak_all(
        self,
        waveforms: Sequence[np.ndarray],
        prompt: str,
        *,
        seeds: Sequence[int],
        manner: Manner | None = None,
        system: str | None = None,
        edits: Sequence[Edit] = (),
        tap_for: Any = None,
    ) -> list[Spoken]:
        """What it says about each clip, each as if it were alone."""
        ...


def scores_under(
    lm: Listener, encoded: Any, labels: Sequence[str], conditions: Sequence[Sequence[Edit]]
) -> tuple[list[Float[np.ndarray, "clip label"]], list[str]]:
    """Label scores under each condition, together where the model can do that, and how each was carried out."""
    if isinstance(lm, SweepingLM):
        swept = lm.sweep(encoded, labels, conditions)
        return list(swept.log_probs), list(swept.plans)
    scores: list[np.ndarray] = []
    plans: list[str] = []
    for edits in conditions:
        scores.append(lm.scores(encoded, labels, edits=list(edits)))
        plans.append(str(getattr(getattr(lm, "carried", None), "plan", "")))  # where the model tells
    return scores, plans


def longest_clip(lm: object) -> float | None:
    """Seconds of the longest clip that a model hears; None where it hears any, or does not say."""
    return getattr(getattr(lm, "family", None), "max_seconds", None)
