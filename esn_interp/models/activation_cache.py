"""What one run of one clip held, by name: activations with the tokens and the seconds that they belong to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from esn_interp.drawing.notebook import MOST, sentence, table
from esn_interp.errors import ModelError
from esn_interp.models.edits import SCOPE_CODES

AXES = {
    "pattern": ("head", "token", "token it looks at"),
    "z": ("token", "head", "unit"),
    **dict.fromkeys(("pre", "gate", "gated"), ("token", "neuron")),
}
"""The axes of an activation by the last part of its name; of all others token and coordinate of the stream."""


def token_seconds(scopes: Int[np.ndarray, " token"], duration: float) -> Float[np.ndarray, " token"]:
    """Where in the recording each token begins, in seconds; NaN for tokens that are no audio.

    The clip's audio tokens are spread evenly over its duration.
    """
    seconds = np.full(len(scopes), np.nan)
    audio = np.flatnonzero(scopes == SCOPE_CODES["audio"])
    seconds[audio] = np.arange(len(audio)) * duration / max(len(audio), 1)
    return seconds


@dataclass(frozen=True, eq=False)
class ActivationCache(Mapping[str, np.ndarray]):
    """Activations of one run over one clip, in float32; ``cache["blocks.7.gate"]`` is ``[token, neuron]``.

    Names are those that TransformerLens' users know: ``blocks.7.resid_pre``, ``.attn_out``, ``.z`` (the heads, before
    they are joined), ``.pattern``, ``.pre``, ``.gate``, ``.gated``, ``.mlp_out``, ``.resid_post``; ``resid_final``, the
    stream behind the last layer; ``final_norm``, what the head reads; ``encoder.1.resid_post``, a layer of the audio
    encoder, whose frames begin at ``frames`` seconds.

    ``seconds`` says where in the recording each token begins (NaN for text), ``scopes`` where it stands (0 audio, 1
    text, 2 last). ``eager_difference`` is how far eager attention, without which no pattern can be seen, moved what
    the head reads, relative to its largest value; NaN where the model's own attention ran.
    """

    model: str
    question: str
    activations: Mapping[str, Float[np.ndarray, "..."]] = field(repr=False)
    tokens: tuple[str, ...] = field(repr=False)
    scopes: Int[np.ndarray, " token"] = field(repr=False)
    seconds: Float[np.ndarray, " token"] = field(repr=False)
    duration: float = 0.0
    eager_difference: float = float("nan")

    def __getitem__(self, name: str) -> Float[np.ndarray, "..."]:
        if name not in self.activations:
            raise ModelError(f"the cache holds no {name!r}; it has {', '.join(_ends(self.activations))}")
        return self.activations[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.activations)

    def __len__(self) -> int:
        return len(self.activations)

    def __repr__(self) -> str:
        return (
            f"ActivationCache({self.model}, {len(self)} activations of {len(self.tokens)} tokens,"
            f" {self.nbytes / 1e6:.1f} MB)"
        )

    def _repr_html_(self) -> str:
        some = list(self.activations.items())[:MOST]
        rows = [(name, ", ".join(self.axes(name)), " × ".join(map(str, value.shape))) for name, value in some]
        asked = f"One run of {self.model} over {self.duration:.1f} s of sound, asked “{self.question}”."
        return sentence(asked) + table(("name", "axes", "shape"), rows, of=len(self))

    @property
    def nbytes(self) -> int:
        """Bytes of all activations together."""
        return sum(value.nbytes for value in self.activations.values())

    def axes(self, name: str) -> tuple[str, ...]:
        """What each axis of an activation is."""
        if name.startswith("encoder."):
            return ("frame", "unit")
        return AXES.get(name.rpartition(".")[2], ("token", "coordinate"))

    def frames(self, name: str) -> Float[np.ndarray, " frame"]:
        """Where in the recording each frame of an encoder layer begins, in seconds; spread evenly over it."""
        return np.arange(len(self[name])) * self.duration / len(self[name])

    def stack(self, kind: str) -> Float[np.ndarray, "layer token *rest"]:
        """An activation of all layers, such as ``resid_post``, where all layers hold it in one shape."""
        names = [name for name in self.activations if name.startswith("blocks.") and name.rpartition(".")[2] == kind]
        if not names:
            raise ModelError(f"the cache holds no layer's {kind!r}; it has {', '.join(_ends(self.activations))}")
        return np.stack([self.activations[name] for name in names])

    def where(self, scope: str) -> Bool[np.ndarray, " token"]:
        """Which tokens belong to a scope: ``audio``, ``text`` or ``last``."""
        return self.scopes == SCOPE_CODES[scope]

    def to_frame(self) -> pd.DataFrame:
        """One row per activation: its name, shape, axes, mean and largest magnitude."""
        return pd.DataFrame(
            {
                "name": list(self.activations),
                "shape": ["x".join(map(str, value.shape)) for value in self.activations.values()],
                "axes": [" x ".join(self.axes(name)) for name in self.activations],
                "mean": [float(value.mean()) for value in self.activations.values()],
                "largest": [float(np.abs(value).max(initial=0)) for value in self.activations.values()],
            }
        )


def _ends(names: Mapping[str, object]) -> list[str]:
    """What there is, layer by layer alike: ``blocks.*.gate``."""
    parts = (name.split(".") for name in names)
    return list(dict.fromkeys(".".join("*" if part.isdigit() else part for part in one) for one in parts))
