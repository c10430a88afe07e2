"""Direct attribution: which layers, heads and neurons write the log-odds of a label into the stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inside.seen import OfOneClip, Prompt, asked
from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.caching import RESID_FINAL
from esn_interp.models.readout import joined_by, written_by

_ADDS_UP = 1e-3
SITES = ("blocks.0.resid_pre", "blocks.*.attn_out", "blocks.*.mlp_out", "blocks.*.z", "blocks.*.gated", RESID_FINAL)


@dataclass(frozen=True, eq=False)
class DirectAttribution(OfOneClip):
    """The log-odds of a label at the last token, taken apart into what each part of the model wrote there.

    ``embedding + sum(attention) + sum(mlp) + bias - entropy = log_odds``, in nats. The final norm's scale is held as it
    was. ``entropy`` is that of the other labels, which no part writes. ``heads`` add up to ``attention`` (but for a
    bias of the projection), neurons to ``mlp``; of neurons the ``top`` by magnitude are kept. These are direct effects:
    what a part does by way of later parts is not among them.
    """

    kind: ClassVar[str] = "direct_attribution"
    drawn_by: ClassVar[str] = "direct_figure.draw"

    labels: tuple[str, ...]
    target: str
    log_odds: float
    embedding: float
    attention: Float64[np.ndarray, " layer"]
    mlp: Float64[np.ndarray, " layer"]
    bias: float
    entropy: float
    heads: Float64[np.ndarray, "layer head"]
    top_layer: Int64[np.ndarray, " top"]
    top_neuron: Int64[np.ndarray, " top"]
    top_value: Float64[np.ndarray, " top"]

    @property
    def total(self) -> float:
        """What all parts add up to; the log-odds but for rounding."""
        return self.embedding + float(self.attention.sum() + self.mlp.sum()) + self.bias - self.entropy

    def to_frame(self) -> pd.DataFrame:
        """One row per part: what it is, its layer (-1: before the first), its number there, and what it writes."""
        rows: list[tuple[str, int, int, float]] = [("embedding", -1, -1, self.embedding), ("bias", -1, -1, self.bias)]
        rows += [("attention", layer, -1, float(value)) for layer, value in enumerate(self.attention)]
        rows += [("mlp", layer, -1, float(value)) for layer, value in enumerate(self.mlp)]
        rows += [("head", layer, head, float(value)) for (layer, head), value in np.ndenumerate(self.heads)]
        top = zip(self.top_layer.tolist(), self.top_neuron.tolist(), self.top_value.tolist(), strict=True)
        rows += [("neuron", layer, neuron, value) for layer, neuron, value in top]
        return pd.DataFrame(rows, columns=["part", "layer", "number", "log_odds"])

    def summary(self) -> str:
        """The result in one sentence."""
        mlps, heads = float(self.mlp.sum()), float(self.attention.sum())
        strongest = ""
        if len(self.top_value):
            strongest = (
                f"; the neuron that writes most is {self.top_neuron[0]} of layer {self.top_layer[0]}"
                f" ({self.top_value[0]:+.2f})"
            )
        return (
            f"Of the log-odds {self.log_odds:+.2f} of “{self.target}” on {self.prompt.clip}, MLPs write {mlps:+.2f} and"
            f" attention {heads:+.2f}{strongest}."
        )


def direct_attribution(
    lm: AudioLM,
    audio: Any,
    labels: Sequence[str],
    *,
    target: str | None = None,
    question: str | None = None,
    top: int = 50,
) -> DirectAttribution:
    """What embedding, attention, heads, MLPs and neurons write towards a label, at the last token.

    With ``w`` the head's row of the target less the mean row of the other labels, weighted by their probabilities among
    themselves, a part ``h`` of the final state writes ``w * h`` times the final norm's factors: the gradient of the
    log-odds times the part, exact since the log-odds are linear in the logits but for the others' entropy.

    Parameters
    ----------
    labels
        The answers, each by its first token.
    target
        Whose log-odds; by default the label that the model answers.

    Raises
    ------
    ModelError
        When the parts do not add up: the model scales or norms what it adds, bends its logits, or mixes experts.
    """
    labels, question = asked(lm, labels, question)
    readout = lm.readout
    ids = readout.tokens(labels)
    cache = lm.cache(audio, question, names=list(SITES), progress=False)
    final, start = cache[RESID_FINAL][-1], cache["blocks.0.resid_pre"][-1]
    attention, mlp = cache.stack("attn_out")[:, -1], cache.stack("mlp_out")[:, -1]
    if not np.allclose(start + attention.sum(0) + mlp.sum(0), final, atol=_ADDS_UP * np.abs(final).max()):
        raise ModelError(f"{lm.name} changes what attention and MLPs give before it adds it, so it can't be attributed")
    logits = readout.logits(final[None])[0, ids].cpu().double().numpy()
    at = int(logits.argmax()) if target is None else _position(labels, target)
    others = np.delete(np.arange(len(labels)), at)
    weights = np.exp(logits[others] - logits[others].max())
    weights /= weights.sum()
    entropy = -float(np.sum(weights * np.log(np.maximum(weights, 1e-300))))
    scale, rows, bias = readout.finishing_scale(), readout.rows(ids), readout.head_bias(ids)
    direction = scale * (rows[at] - weights @ rows[others]) * readout.factor(final)
    neurons, heads = list[np.ndarray](), list[np.ndarray]()
    for layer, gate in enumerate(lm.stacks[lm.component].gates):
        neurons.append(cache[f"blocks.{layer}.gated"][-1] * (written_by(gate) @ direction))
        z = cache[f"blocks.{layer}.z"][-1]
        heads.append((z.reshape(-1) * (direction @ joined_by(gate))).reshape(z.shape).sum(axis=1))
    flat = np.concatenate(neurons).astype(np.float64)
    layer_of = np.repeat(np.arange(len(neurons)), [len(one) for one in neurons])
    number = np.concatenate([np.arange(len(one)) for one in neurons])
    order = np.argsort(-np.abs(flat), kind="stable")[:top]
    return DirectAttribution(
        prompt=Prompt.of(cache, audio),
        labels=tuple(labels),
        target=labels[at],
        log_odds=float(logits[at] - np.logaddexp.reduce(logits[others])),
        embedding=float(start @ direction),
        attention=(attention @ direction).astype(np.float64),
        mlp=(mlp @ direction).astype(np.float64),
        bias=float(scale * (bias[at] - weights @ bias[others])),
        entropy=entropy,
        heads=np.array(heads, dtype=np.float64),
        top_layer=layer_of[order].astype(np.int64),
        top_neuron=number[order].astype(np.int64),
        top_value=flat[order],
    )


def _position(labels: Sequence[str], target: str) -> int:
    if target not in labels:
        raise ModelError(f"target {target!r} is not among the labels {', '.join(labels)}")
    return list(labels).index(target)
