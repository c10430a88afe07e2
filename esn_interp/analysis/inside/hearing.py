"""Attention over the recording: which moments of a clip the answer's position looks at, layer by layer."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.inside.seen import OfOneClip, Prompt
from esn_interp.drawing.over_time import outline
from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.speech.audio import waveform_of


@dataclass(frozen=True, eq=False)
class AttentionOverRecording(OfOneClip):
    """Attention weights from the last token of the prompt, the one that answers, to every token of the recording.

    What is missing to 1 goes to the text. ``seconds`` says where each audio token begins. Attention ran eagerly to be
    seen, ``eager_difference`` says how far that moved the model's output. Where a model looks is no proof of what it
    uses: patch it to know.
    """

    kind: ClassVar[str] = "attention_over_recording"
    drawn_by: ClassVar[str] = "hearing_figure.draw"

    seconds: Float64[np.ndarray, " audio"]
    weights: Float64[np.ndarray, "layer head audio"]
    envelope: Float64[np.ndarray, " point"]
    eager_difference: float

    @property
    def on_audio(self) -> Float64[np.ndarray, "layer head"]:
        """Share of each head's attention that goes to the recording."""
        return self.weights.sum(axis=2)

    def to_frame(self) -> pd.DataFrame:
        """One row per layer, head and audio token."""
        layer, head, token = (index.ravel() for index in np.indices(self.weights.shape))
        return pd.DataFrame(
            {"layer": layer, "head": head, "second": self.seconds[token], "weight": self.weights.ravel()}
        )

    def summary(self) -> str:
        """The result in one sentence."""
        layer, head = np.unravel_index(int(self.on_audio.argmax()), self.on_audio.shape)
        at = self.seconds[int(self.weights[layer, head].argmax())]
        return (
            f"The answer's position gives {100 * self.on_audio.mean():.0f} % of its attention to the recording, most by"
            f" head {head} of layer {layer} ({100 * self.on_audio[layer, head]:.0f} %, most of it at {at:.2f} s)."
        )


def attention_over_recording(lm: AudioLM, audio: Any, *, question: str | None = None) -> AttentionOverRecording:
    """How much each head of each layer attends, from the last token, to every moment of the recording.

    Raises
    ------
    ModelError
        When the model's attention does not give its weights, or the prompt has no audio token.
    """
    cache = lm.cache(audio, question, names="blocks.*.pattern", progress=False)
    heard = cache.where("audio")
    if not heard.any():
        raise ModelError(f"{lm.name}: the prompt has no audio token to attend to")
    layers = [value[:, -1, heard] for name, value in cache.items() if name.endswith(".pattern")]
    return AttentionOverRecording(
        prompt=Prompt.of(cache, audio),
        seconds=cache.seconds[heard].astype(np.float64),
        weights=np.array(layers, dtype=np.float64),
        envelope=outline(waveform_of(audio)),
        eager_difference=cache.eager_difference,
    )
