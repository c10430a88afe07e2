"""What all looks into one clip say alike: which model, which clip, which question, and where its tokens stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.analysis.result import Result
from esn_interp.drawing.brief import brief
from esn_interp.errors import EsnError
from esn_interp.models.activation_cache import ActivationCache
from esn_interp.tasks.recognition import Recognition


@dataclass(frozen=True)
class Prompt:
    """One clip and its question as a model was given them.

    ``seconds`` says where in the recording each token begins (NaN for text), ``scopes`` where it stands (0 audio, 1
    text, 2 last).
    """

    model: str
    clip: str
    question: str
    tokens: tuple[str, ...]
    scopes: Int64[np.ndarray, " token"]
    seconds: Float64[np.ndarray, " token"]
    duration: float

    __repr__ = brief

    @classmethod
    def of(cls, cache: ActivationCache, audio: Any) -> "Prompt":
        """As a cache has it."""
        return cls(
            model=cache.model,
            clip=name_of(audio),
            question=cache.question,
            tokens=cache.tokens,
            scopes=cache.scopes.astype(np.int64),
            seconds=cache.seconds.astype(np.float64),
            duration=float(cache.duration),
        )

    def told(self) -> list[str]:
        """Each token in words: its text, and its second where it is audio."""
        return [
            f"{second:.2f} s" if np.isfinite(second) else f"“{text}”" + (" (last)" if scope == 2 else "")
            for text, second, scope in zip(self.tokens, self.seconds, self.scopes, strict=True)
        ]


@dataclass(frozen=True, eq=False)
class OfOneClip(Result):
    """A result of looking into one run over one clip."""

    prompt: Prompt


def name_of(audio: Any) -> str:
    """What a clip, a file or a waveform is called."""
    if isinstance(audio, str | Path):
        return Path(audio).name
    return str(getattr(audio, "id", "waveform"))


def asked(lm: Any, labels: Sequence[str] | None, question: str | None) -> tuple[tuple[str, ...], str]:
    """The labels that are scored, and the question: by default the multiple-choice question about them.

    Raises
    ------
    EsnError
        Without labels.
    """
    if not labels:
        raise EsnError("say between which answers: labels=('neutral', 'happy', ...), such as clips.emotions")
    return tuple(labels), question or Recognition(tuple(labels)).prompt
