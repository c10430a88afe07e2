"""The gates of one clip, named and shaped, to look at."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float, Int

from esn_interp.models.edits import SCOPE_CODES
from esn_interp.speech.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class GateActivations:
    """Every gate at every prompt token of one clip; ``acts[3]`` is layer 3, ``[token, neuron]``.

    ``tokens`` are the tokens as text and ``scopes`` their scope codes (0 audio, 1 text, 2 last); ``seconds`` says where
    in the recording each token begins (NaN for text). ``waveform`` is what was heard, at 16 kHz.
    """

    layers: tuple[Float[np.ndarray, "token _neuron"], ...]
    tokens: tuple[str, ...]
    scopes: Int[np.ndarray, " token"]
    seconds: Float[np.ndarray, " token"]
    waveform: Float[np.ndarray, " sample"]
    transcript: str = ""

    def __getitem__(self, layer: int) -> Float[np.ndarray, "token neuron"]:
        return self.layers[layer]

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        widths = sorted({layer.shape[1] for layer in self.layers})
        neurons = " or ".join(map(str, widths))
        return f"GateActivations({len(self.layers)} layers, {len(self.tokens)} tokens, {neurons} neurons a layer)"

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return len(self.waveform) / SAMPLE_RATE

    def plot(self, neurons: Any = None, *, sound: str = "waveform", **look: Any) -> "go.Figure":
        """Gates over the time of the recording, above its outline or its spectrogram.

        Parameters
        ----------
        neurons
            Pairs of layer and neuron, or a neuron set, whose strongest are drawn; by default those that vary most.
        sound
            What is drawn of the recording: its ``waveform``, as an outline, or its ``spectrogram``.
        look
            Size and look of the figure, as of any result: see `esn_interp.drawing.look.looking`.

        Raises
        ------
        ModelError
            When there is no such neuron, or ``sound`` is neither.
        """
        from esn_interp.drawing.look import looking
        from esn_interp.models.gate_figure import draw

        return looking(draw(self, neurons, sound=sound), **look)

    def where(self, scope: str) -> Bool[np.ndarray, " token"]:
        """Which tokens belong to a scope: ``audio``, ``text`` or ``last``."""
        return self.scopes == SCOPE_CODES[scope]

    def firing_rate(self, scope: str = "audio") -> tuple[Float[np.ndarray, " _neuron"], ...]:
        """Share of the scope's tokens at which each neuron fires (gate above 0), per layer."""
        return tuple((layer[self.where(scope)] > 0).mean(0) for layer in self.layers)
