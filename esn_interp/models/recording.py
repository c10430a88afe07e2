"""What gates did in one run, recorded to be written into another: the material of a patch."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from einops import einsum, reduce
from jaxtyping import Bool, Float, Float32, Int, Int64
from torch import Tensor

from esn_interp.drawing.brief import brief
from esn_interp.errors import EditError
from esn_interp.models.edits import SCOPE_CODES, SCOPES

PROMPT_SCOPES = tuple(scope for scope in SCOPES if scope != "generated")
"""The token scopes that exist before anything is generated."""
_CODES = np.array([SCOPE_CODES[scope] for scope in PROMPT_SCOPES])


def tokens_by_scope(scopes: Int[np.ndarray, "clip token"]) -> Int64[np.ndarray, "clip scope"]:
    """How many tokens of each prompt stand in the scopes audio, text and last."""
    return reduce(_where(scopes), "clip token scope -> clip scope", "sum")


def _where(scopes: Int[np.ndarray, "clip token"]) -> Bool[np.ndarray, "clip token scope"]:
    return scopes[..., None] == _CODES


@dataclass(frozen=True, eq=False)
class Recording:
    """Gates of chosen neurons at every token of a batch of prompts, by layer.

    ``scopes`` says where each token stands (-1 is padding, whose gates mean nothing).
    """

    neurons: Mapping[int, Int64[np.ndarray, " _neuron"]]
    gates: Mapping[int, Float32[np.ndarray, "clip token _neuron"]]
    scopes: Int[np.ndarray, "clip token"]

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.scopes)

    @property
    def tokens(self) -> Int64[np.ndarray, "clip scope"]:
        """Tokens of each clip in the scopes audio, text and last."""
        return tokens_by_scope(self.scopes)

    def of(self, neurons: Mapping[int, Int64[np.ndarray, " _neuron"]]) -> "Recording":
        """The same for some of the neurons only.

        Raises
        ------
        EditError
            When some of them were not recorded.
        """
        gates: dict[int, Float32[np.ndarray, "clip token _neuron"]] = {}
        for layer, chosen in neurons.items():
            held = self.neurons.get(layer, np.zeros(0, np.int64))
            if not np.isin(chosen, held).all():
                raise EditError(
                    f"layer {layer}: the recording lacks some of these neurons; record them as well"
                )
            gates[layer] = self.gates[layer][..., np.searchsorted(held, chosen)]
        return Recording(neurons, gates, self.scopes)

    def means(self, layer: int) -> Float[np.ndarray, "clip scope neuron"]:
        """Mean of each neuron of a layer over the tokens of each scope; NaN where there is none."""
        where = _where(self.scopes).astype(np.float64)
        gates = np.where((self.scopes >= 0)[..., None], self.gates[layer], 0.0)
        with np.errstate(invalid="ignore"):
            sums = einsum(where, gates, "clip token scope, clip token neuron -> clip scope neuron")
            return sums / self.tokens[..., None]

    def unequal(
        self, scopes: Int[np.ndarray, "seat place"], rows: Int[np.ndarray, " seat"]
    ) -> Bool[np.ndarray, "seat scope"]:
        """Which scopes of the prompts to be patched are not as long as those of the clips recorded in ``rows``."""
        return tokens_by_scope(scopes) != self.tokens[rows]

    def seated(
        self,
        scopes: Int[np.ndarray, "seat place"],
        rows: Int[np.ndarray, " seat"],
        averaged: Bool[np.ndarray, "seat scope"],
    ) -> "Recording":
        """The gates of the clips in ``rows``, on the tokens of other prompts: what is written there by a patch.

        Scope by scope, token by token where both have equally many; where ``averaged``, every token gets the
        clip's mean over the scope.

        Raises
        ------
        EditError
            When a recorded clip has no token in a scope that the other prompt has.
        """
        gates = {
            layer: np.zeros((*scopes.shape, len(chosen)), dtype=np.float32)
            for layer, chosen in self.neurons.items()
        }
        for seat, row in enumerate(rows.tolist()):
            for at, code in enumerate(_CODES.tolist()):
                to, source = np.flatnonzero(scopes[seat] == code), np.flatnonzero(self.scopes[row] == code)
                if len(to) and not len(source):
                    raise EditError(f"nothing to patch with: the other run has no {PROMPT_SCOPES[at]} token")
                for layer, recorded in self.gates.items():
                    values = recorded[row, source]
                    if averaged[seat, at] and len(to):
                        values = values.mean(axis=0, keepdims=True)
                    gates[layer][seat, to] = values
        return Recording(self.neurons, gates, scopes)


@dataclass(eq=False)
class Recorder:
    """A tap that keeps the gates of the chosen neurons of one run over prompts."""

    neurons: Mapping[int, Int64[np.ndarray, " _neuron"]]
    gates: dict[int, Float32[np.ndarray, "clip token _neuron"]] = field(
        default_factory=dict[int, Float32[np.ndarray, "clip token _neuron"]]
    )

    def __call__(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None = None,
    ) -> None:
        """Keep what was asked for of this layer.

        Raises
        ------
        EditError
            In a mixture of experts, where a token has gates only of the experts that it was routed to.
        """
        if layer in self.neurons and experts is not None:
            raise EditError(
                f"layer {layer} is a mixture of experts: runs route their tokens differently, so its gates can't be"
                " patched from one to another"
            )
        if layer in self.neurons:
            # A copy, since an array may share its memory with the gate, which lives on.
            self.gates[layer] = gate[..., self.neurons[layer]].float().cpu().numpy().copy()

    def recording(self, scopes: Int[np.ndarray, "clip token"]) -> Recording:
        """What was recorded, and where its tokens stand."""
        return Recording(self.neurons, self.gates, scopes)
