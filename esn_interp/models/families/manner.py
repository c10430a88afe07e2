"""How something is said."""

import math
from dataclasses import dataclass

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
