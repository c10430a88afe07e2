"""How something is said, and who in a batch is still saying it."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from esn_interp.errors import ModelError


@dataclass(frozen=True)
class Manner:
    """In whose voice, for how long at most, and how codes of speech are chosen; None leaves it to the model.

    Parameters
    ----------
    voice
        A voice of the model's own; its first by default.
    greedy
        Whether the likeliest code of speech is taken at every step, instead of one that is drawn. Words are always
        the likeliest.
    temperature, top_k, top_p
        How codes are drawn; not together with ``greedy``.
    repetition_penalty
        By how much codes that were said already are made less likely.
    max_new_tokens, max_seconds
        Where words and speech are cut off.

    Raises
    ------
    ModelError
        When a value is out of range, or says how to draw although nothing is drawn.
    """

    voice: str | None = None
    greedy: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    max_new_tokens: int = 256
    max_seconds: float = 30.0

    def __post_init__(self) -> None:
        drawing = [name for name in ("temperature", "top_k", "top_p") if getattr(self, name) is not None]
        if self.greedy and drawing:
            raise ModelError(f"{drawing[0]} says how codes of speech are drawn; greedy speech draws none")
        bounds = {"temperature": math.inf, "top_k": math.inf, "top_p": 1.0, "repetition_penalty": math.inf}
        for name, highest in (bounds | {"max_new_tokens": math.inf, "max_seconds": math.inf}).items():
            value = getattr(self, name)
            if value is not None and not (0 < value <= highest and math.isfinite(value)):
                most = "" if highest == math.inf else f" and at most {highest:g}"
                raise ModelError(f"{name} {value:g}: it must be above 0{most}")

    @property
    def decoding(self) -> dict[str, float]:
        """What it says of how codes of speech are chosen, by name."""
        names = ("greedy", "temperature", "top_k", "top_p", "repetition_penalty")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, False)}


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
