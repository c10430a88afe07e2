"""From the stream of hidden states to words: the final norm, the head, and what neurons write through both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from esn_interp.errors import ModelError
from esn_interp.models.columns import NotScalable, columns_of
from esn_interp.models.families.base import Family
from esn_interp.models.labels import label_tokens
from esn_interp.models.stacks import Gate

_NORMS = ("norm", "final_layernorm", "final_norm", "final_layer_norm", "ln_f", "language_norm")
_CLOSE = 1e-3


@dataclass(frozen=True, eq=False)
class Readout:
    """What a model does with the last state of its stream: ``logits = finish(head(norm(h)))``."""

    norm: nn.Module = field(repr=False)
    head: nn.Linear = field(repr=False)
    finish: Callable[[Tensor], Tensor] = field(repr=False)
    tokenizer: Any = field(repr=False)

    @classmethod
    def of(cls, family: Family, model: nn.Module, decoder: nn.Module, tokenizer: Any) -> "Readout":
        """The readout of a decoder.

        Raises
        ------
        ModelError
            When its final norm is not found.
        """
        norm = next((found for name in _NORMS if isinstance(found := getattr(decoder, name, None), nn.Module)), None)
        if norm is None:
            raise ModelError(f"{type(decoder).__name__}: no final norm found, among {', '.join(_NORMS)}")
        return cls(norm, family.head(model), lambda logits: family.finish(model, logits), tokenizer)

    def logits(self, hidden: Float[np.ndarray, "*cell hidden"]) -> Float[Tensor, "*cell word"]:
        """The logits that states of the stream would give, if the model ended there."""
        with torch.no_grad():
            return self.finish(self.head(self.norm(self._here(hidden)))).float()

    def tokens(self, labels: Sequence[str]) -> list[int]:
        """The token with which each label begins.

        Raises
        ------
        ModelError
            When two labels begin alike.
        """
        first = [ids[0] for ids in label_tokens(self.tokenizer, labels)]
        if len(set(first)) < len(first):
            raise ModelError(f"some of these labels begin with the same token: {', '.join(labels)}; name others")
        return first

    def words(self, tokens: Sequence[int] | Int[np.ndarray, " token"]) -> list[str]:
        """Tokens as text."""
        return [str(self.tokenizer.decode([int(token)])) for token in tokens]

    def rows(self, tokens: Sequence[int]) -> Float[np.ndarray, "token hidden"]:
        """What the head multiplies a normed state with, for the logit of each token."""
        return self._weight()[list(tokens)].float().cpu().numpy()

    def straight(self, state: Float[np.ndarray, " hidden"]) -> Float[np.ndarray, " word"]:
        """What the head makes of a state for every word, with no norm before it and nothing after it."""
        with torch.no_grad():
            return (self._weight() @ self._here(state)).float().cpu().numpy()

    def gain(self) -> Float[np.ndarray, " hidden"]:
        """What the final norm multiplies each coordinate with, beside the scale that the state itself gives.

        Raises
        ------
        ModelError
            When it does anything but scale, so that it has no such factors.
        """
        size = self._weight().shape[1]
        drawn = np.random.default_rng(0).normal(size=size).astype(np.float32)
        gain = self._normed(np.ones(size, dtype=np.float32))
        expected = drawn * gain / np.sqrt(np.mean(drawn**2))
        if not np.allclose(self._normed(drawn), expected, rtol=20 * _CLOSE, atol=_CLOSE * np.abs(expected).max()):
            raise ModelError(f"the final norm, {type(self.norm).__name__}, does more than scale what it is given")
        return gain

    def factor(self, state: Float[np.ndarray, " hidden"]) -> Float[np.ndarray, " hidden"]:
        """What the final norm multiplies each coordinate of this state with: its scale is held fixed."""
        normed, plain = self._normed(state), state * self.gain()
        return self.gain() * float(normed @ plain / (plain @ plain))

    def head_bias(self, tokens: Sequence[int]) -> Float[np.ndarray, " token"]:
        """The head's bias for each token; 0 where it has none."""
        bias = cast("Tensor | None", self.head.bias)
        return np.zeros(len(tokens), np.float32) if bias is None else bias[list(tokens)].detach().float().cpu().numpy()

    def finishing_scale(self) -> float:
        """What logits are multiplied with after the head.

        Raises
        ------
        ModelError
            When they are bent, by a soft cap, so that parts do not add up.
        """
        one, ten = (float(self.finish(torch.tensor([value]))) for value in (1.0, 30.0))
        if abs(ten - 30 * one) > _CLOSE * abs(ten):
            raise ModelError("this model bends its logits behind the head (a soft cap), so parts do not add up to them")
        return one

    def _normed(self, state: Float[np.ndarray, " hidden"]) -> Float[np.ndarray, " hidden"]:
        with torch.no_grad():
            return self.norm(self._here(state[None, None]))[0, 0].float().cpu().numpy()

    def _here(self, hidden: np.ndarray) -> Tensor:
        weight = self._weight()
        return torch.from_numpy(np.ascontiguousarray(hidden)).to(weight.device, weight.dtype)

    def _weight(self) -> Tensor:
        weight: Tensor = self.head.weight
        if weight.is_meta or not weight.is_floating_point():
            raise ModelError("the head's weights are quantised or offloaded, so they can't be looked at")
        return weight.detach()


def written_by(gate: Gate) -> Float[np.ndarray, "neuron hidden"]:
    """What each neuron of a layer adds to the stream per unit of its gated value: the columns of the down projection.

    Raises
    ------
    ModelError
        In mixtures of experts, and where the weights can't be looked at.
    """
    if gate.experts:
        raise ModelError(f"{gate.path}: what a neuron of an expert writes depends on the router")
    try:
        columns = columns_of(gate)
    except NotScalable as reason:
        raise ModelError(f"what neurons write can't be read off the weights: {reason}") from reason
    return columns.picked(torch.arange(gate.width, device=columns.weight.device)).float().cpu().numpy()


def joined_by(gate: Gate) -> Float[np.ndarray, "hidden unit"]:
    """The weights that join the heads of a layer's attention into what it adds to the stream.

    Raises
    ------
    ModelError
        When they can't be looked at.
    """
    weight: Any = getattr(gate.part("attention_out"), "weight", None)
    if not isinstance(weight, Tensor) or weight.is_meta or not weight.is_floating_point() or weight.ndim != 2:
        raise ModelError(f"{gate.path}: the weights that join the heads can't be looked at")
    return weight.detach().float().cpu().numpy()
