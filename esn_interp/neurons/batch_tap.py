"""The tap of statistics: every layer's gates are reduced as the model runs, where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int, Int32, Int64, Num
from torch import Tensor

from esn_interp.errors import StatisticsError
from esn_interp.neurons.layout import ROUTED, SCOPES, TOKEN_SUMS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.reduction import KINDS, LayerSums, reduce_gates, reduce_routed
from esn_interp.neurons.segments import Segments


@dataclass(frozen=True, eq=False)
class Reductions:
    """One batch, reduced over tokens: per clip, scope and gate (flat index), on the host.

    ``sums`` are float32, or float64 where gates are. ``routed`` counts the tokens that reached each gate's expert, in
    models with mixtures.
    """

    firings: Int32[np.ndarray, "clip scope gate"]
    sums: Float[np.ndarray, "kind clip scope gate"]
    tokens: Int64[np.ndarray, "clip scope"]
    routed: Int32[np.ndarray, "clip scope gate"] | None = None

    @classmethod
    def of(
        cls, layers: Sequence[LayerSums], tokens: Int64[np.ndarray, "clip scope"], *, mixture: bool
    ) -> "Reductions":
        """The layers of a batch side by side; waits for their device."""
        shape = layers[0].firings.shape
        everywhere = torch.from_numpy(tokens[..., None].astype(np.int32))
        reached = [
            everywhere.expand(*shape[:2], layer.firings.shape[2])
            if layer.routed is None
            else layer.routed.cpu()
            for layer in (layers if mixture else [])
        ]
        return cls(
            firings=torch.cat([layer.firings.cpu() for layer in layers], dim=-1).numpy(),
            sums=torch.cat([layer.sums.cpu() for layer in layers], dim=-1).numpy(),
            tokens=tokens,
            routed=torch.cat(reached, dim=-1).numpy() if reached else None,
        )

    def named(self) -> dict[str, Num[np.ndarray, "clip scope gate"]]:
        """The sums by name."""
        values: dict[str, np.ndarray] = dict(zip(TOKEN_SUMS, (self.firings, *self.sums), strict=True))
        return values if self.routed is None else values | {ROUTED: self.routed}


class BatchTap:
    """Reads the gates of one batch as the model runs; call `Accumulator.fold` with it afterwards.

    Whether a clip counts as kept is known only after the run that gives its gates, so its sums wait for it, 16 bytes a
    clip, scope and gate, on the device of the gates.

    Parameters
    ----------
    scopes
        For every token of the left-padded prompts where it stands: an index of
        `~esn_interp.neurons.layout.SCOPES`, or -1 for padding.
    """

    def __init__(self, origin: Origin, scopes: Int[np.ndarray, "clip token"]) -> None:
        self.site = origin.site
        self._mixtures = origin.mixtures
        self._shape = scopes.shape
        self._segments = Segments(scopes, scopes=len(SCOPES))
        self._layers: list[LayerSums | None] = [None] * len(origin.widths)

    def __call__(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None = None,
    ) -> None:
        """Reduce one layer. Steps after the prompt's are generated tokens, which are not collected here.

        In a mixture of experts a gate is there only at the tokens that were routed to its expert.
        """
        if step > 0:
            return
        if gate.shape[:2] != self._shape:
            raise StatisticsError(
                f"layer {layer} gave gates for {list(gate.shape[:2])} clips and tokens, the prompts are"
                f" {list(self._shape)}"
            )
        if experts is None:
            self._layers[layer] = reduce_gates(gate, self._segments)
        else:
            self._layers[layer] = reduce_routed(gate, experts, self._segments, count=self._mixtures[layer])

    @property
    def tokens(self) -> Int64[np.ndarray, "clip scope"]:
        """Tokens of every clip and scope."""
        return self._segments.tokens

    @property
    def complete(self) -> bool:
        """Whether every layer was read."""
        return all(layer is not None for layer in self._layers)

    @property
    def layers(self) -> list[LayerSums]:
        """What every layer was reduced to.

        Raises
        ------
        StatisticsError
            When some layer was not read.
        """
        if not self.complete:
            raise StatisticsError("the run gave no gates for some layers, so there is nothing to add up")
        return [layer for layer in self._layers if layer is not None]

    @cached_property
    def held(self) -> Reductions:
        """The same on the host, all layers side by side; waits for the device, so for those who keep single clips."""
        return Reductions.of(self.layers, self.tokens, mixture=bool(self._mixtures))

    def release(self) -> None:
        """Let go of what was reduced, once it has been added."""
        self._layers = [None] * len(self._layers)


assert TOKEN_SUMS[1:] == KINDS, "the sums of a file are those that a layer is reduced to"
