"""Gates of a mixture of experts: a neuron is (expert, unit), and exists only at the tokens routed to its expert.

Within a layer the neurons of all experts are numbered expert by expert: ``expert * width + unit``.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esn_interp.errors import EditError
from esn_interp.models.edits import Edit, OnDevice


def routed(
    gate: Float[Tensor, "row neuron"], experts: Int[Tensor, "position choice"], *, clips: int
) -> tuple[Float[Tensor, "clip token choice neuron"], Int[Tensor, "clip token choice"]]:
    """The gates that the experts of a layer computed, by clip and token; views, so that edits act on the model.

    The batched implementation of transformers gives one row per token and chosen expert, in that order.
    """
    choices = experts.shape[-1]
    return gate.view(clips, -1, choices, gate.shape[-1]), experts.view(clips, -1, choices)


class RoutedEdit:
    """An edit of experts' neurons, taken apart by expert, with its numbers on one device."""

    def __init__(self, edit: Edit, width: int, device: torch.device, dtype: torch.dtype) -> None:
        if edit.along is not None:
            raise EditError(f"edit at layer {edit.layer}: experts have no direction in common")
        owner = edit.neurons // width

        def of(value: Any, mine: Bool[np.ndarray, " neuron"]) -> Any:
            return value[..., mine] if isinstance(value, np.ndarray) and value.ndim else value

        self._parts: dict[int, OnDevice] = {}
        for expert in np.unique(owner).tolist():
            mine = owner == expert
            part = replace(
                edit,
                neurons=edit.neurons[mine] % width,
                gain=of(edit.gain, mine),
                shift=of(edit.shift, mine),
                floor=of(edit.floor, mine),
            )
            self._parts[expert] = OnDevice(part, device, dtype)

    def apply(
        self,
        gate: Float[Tensor, "clip token choice neuron"],
        experts: Int[Tensor, "clip token choice"],
        where: Bool[Tensor, "clip token"] | None,
    ) -> tuple[Float[Tensor, "clip token choice neuron"], Int[Tensor, ""]]:
        """Apply the edit where tokens were routed to its experts.

        Returns
        -------
        The gates, and on how many tokens the edit acted (on the device, so that nobody waits for it).
        """
        touched = torch.zeros((), dtype=torch.long, device=experts.device)
        for expert, part in self._parts.items():
            here = experts == expert
            if where is not None:
                here = here & where[..., None].to(here.device)
            touched = touched + here.sum()
            gate = part.apply(gate, here)
        return gate, touched


def by_expert(
    values: Float[Tensor, "token choice neuron"], experts: Int[Tensor, "token choice"], *, count: int
) -> Float[Tensor, " gate"]:
    """Sums over tokens of what belongs to each neuron of each expert, numbered expert by expert."""
    sums = values.new_zeros(count, values.shape[-1])
    rows = rearrange(values, "token choice neuron -> (token choice) neuron")
    sums.index_add_(0, rearrange(experts, "token choice -> (token choice)"), rows)
    return rearrange(sums, "expert neuron -> (expert neuron)")
