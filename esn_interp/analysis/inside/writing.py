"""What a neuron writes: the words that its column of the down projection raises and lowers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.result import Result
from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.readout import written_by


@dataclass(frozen=True, eq=False)
class Writes(Result):
    """How far a neuron moves the logit of words, through the final norm and the head, if nothing came between.

    Logits are those of one unit of what down reads (gate times up) in a stream whose root mean square is 1; they are
    told relative to the mean over the vocabulary. A negative product of gate and up turns all signs around.
    ``typical`` is the standard deviation over the vocabulary.
    """

    kind: ClassVar[str] = "writes"
    drawn_by: ClassVar[str] = "writes_figure.draw"

    model: str
    layer: int
    neuron: int
    raised: tuple[str, ...]
    raised_by: Float64[np.ndarray, " raised"]
    lowered: tuple[str, ...]
    lowered_by: Float64[np.ndarray, " lowered"]
    labels: tuple[str, ...]
    label_by: Float64[np.ndarray, " label"]
    typical: float

    def to_frame(self) -> pd.DataFrame:
        """One row per word: which it is, whether it is raised, lowered or a label, and by how much."""
        parts = (("raised", self.raised, self.raised_by), ("lowered", self.lowered, self.lowered_by),
                 ("label", self.labels, self.label_by))  # fmt: skip
        frames = [pd.DataFrame({"kind": kind, "word": words, "logit": values}) for kind, words, values in parts]
        return pd.concat(frames, ignore_index=True)

    def summary(self) -> str:
        """The result in one sentence."""
        up = ", ".join(f"“{word.strip()}”" for word in self.raised[:5])
        down = ", ".join(f"“{word.strip()}”" for word in self.lowered[:5])
        return f"Neuron {self.neuron} of layer {self.layer} raises {up} and lowers {down}."


def writes(lm: AudioLM, layer: int, neuron: int, labels: Sequence[str] = (), *, top: int = 12) -> Writes:
    """The words that a neuron raises and lowers most, and what it does to some labels.

    Raises
    ------
    ModelError
        When there is no such neuron, or what it writes can't be read off the weights.
    """
    gates = lm.stacks[lm.component].gates
    if not (0 <= layer < len(gates) and 0 <= neuron < gates[layer].width):
        raise ModelError(f"{lm.name} has no neuron {neuron} at layer {layer}")
    readout = lm.readout
    state = written_by(gates[layer])[neuron] * readout.gain()
    logits = readout.straight(state).astype(np.float64)
    logits -= logits.mean()
    order = np.argsort(-logits, kind="stable")
    up, down = order[:top], order[::-1][:top]
    ids = readout.tokens(labels) if labels else []
    return Writes(
        model=lm.name,
        layer=layer,
        neuron=neuron,
        raised=tuple(readout.words(up)),
        raised_by=logits[up],
        lowered=tuple(readout.words(down)),
        lowered_by=logits[down],
        labels=tuple(labels),
        label_by=logits[ids],
        typical=float(logits.std()),
    )
