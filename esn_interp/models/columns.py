"""Scaling gates in the weights that read them: a column of ``down`` for every neuron of ``down(g * u)``.

Multiplying gate ``n`` at every position by ``a`` is multiplying column ``n`` of the down projection by ``a``: exact in
real arithmetic, whatever biases there are and however gate and up projections are stored, and exact to the bit where
``a`` is 0 or a power of two. So such an edit needs no trace and costs nothing while the model runs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from nnsight.intervention.source import Controller
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from esn_interp.models.stacks import Gate

_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)


class NotScalable(Exception):
    """Why the weights that read a gate must not be touched, in half a sentence."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The weight that reads a layer's gates; ``axis`` is that of its neurons; axis 0 is that of experts, if any."""

    weight: Tensor
    axis: int
    width: int
    experts: int

    def picked(self, neurons: Int[Tensor, " neuron"]) -> Float[Tensor, "neuron out"]:
        """A copy of what these neurons are multiplied by."""
        if not self.experts:
            return self.weight.data.index_select(self.axis, neurons).movedim(self.axis, 0)
        return self._by_expert[neurons // self.width, neurons % self.width]

    def write(self, neurons: Int[Tensor, " neuron"], values: Float[Tensor, "neuron out"]) -> None:
        """Put other values there; autograd is not told, since they are to be put back."""
        if not self.experts:
            self.weight.data.index_copy_(self.axis, neurons, values.movedim(0, self.axis))
        else:
            self._by_expert[neurons // self.width, neurons % self.width] = values

    @property
    def hidden(self) -> int:
        """Width of what the weight gives."""
        return self.weight.shape[2 * self.weight.ndim - 3 - self.axis]

    @property
    def _by_expert(self) -> Float[Tensor, "expert neuron out"]:
        return self.weight.data.movedim(self.axis, 1)


def columns_of(gate: Gate) -> Columns:
    """Where the gates of a layer are read.

    Raises
    ------
    NotScalable
        When the weights are not plain ones that are at hand, or somebody looks at the gates as they pass.
    """
    if gate.reader is None:
        raise NotScalable(f"what reads the gates at {gate.path} is not known")
    for module in (gate.module, gate.reader):
        if _watched(module):
            raise NotScalable(f"a hook watches {gate.path}")
        if getattr(module, "_hf_hook", None) is not None:
            raise NotScalable(f"weights at {gate.path} are moved about by accelerate")
        if getattr(module, "parametrizations", None) or _replaced(module):
            raise NotScalable(f"what computes {gate.path} was replaced in this model")
    if gate.experts:
        weight: Any = getattr(gate.reader, "down_proj", None)
        if not isinstance(weight, Tensor) or weight.ndim != 3:
            raise NotScalable(f"experts at {gate.path} hold their weights in a way of their own")
        axis = 1 if getattr(gate.reader, "is_transposed", False) else 2
        sizes, shape = (gate.experts, gate.width), (weight.shape[0], weight.shape[axis])
    else:
        if type(gate.reader) not in (nn.Linear, Conv1D):  # no subclass: quantised and adapted layers are such
            raise NotScalable(f"{gate.path} is read by a {type(gate.reader).__name__}, not a plain linear layer")
        weight = gate.reader.weight
        axis = 0 if isinstance(gate.reader, Conv1D) else 1
        sizes, shape = (gate.width,), (weight.shape[axis],)
    if weight.is_inference() and not torch.is_inference_mode_enabled():
        raise NotScalable("the model was loaded in inference mode, which forbids writing to its weights outside")
    if tuple(shape) != sizes:
        raise NotScalable(f"the weights that read {gate.path} have another width than its gates")
    if type(weight) not in (nn.Parameter, Tensor) or weight.is_meta or weight.dtype not in _DTYPES:
        raise NotScalable(f"the weights that read {gate.path} are quantised, sharded or not in memory")
    return Columns(weight, axis, gate.width, gate.experts)


def shared(model: nn.Module) -> dict[int, bool]:
    """For the place in memory of every weight, whether it is used, or seen through another tensor, more than once."""
    storages: dict[int, int] = {}
    weights: list[Tensor] = []
    for tensors in (model.named_parameters(remove_duplicate=False), model.named_buffers(remove_duplicate=False)):
        for _, tensor in tensors:
            if type(tensor) in (nn.Parameter, Tensor) and not tensor.is_meta:
                weights.append(tensor)
                storage = tensor.untyped_storage().data_ptr()
                storages[storage] = storages.get(storage, 0) + 1
    return {one.data_ptr(): storages[one.untyped_storage().data_ptr()] > 1 for one in weights}


class Scaling:
    """Gains of chosen neurons by layer, put on the devices of the weights once; to be used any number of times."""

    def __init__(
        self,
        columns: Mapping[int, Columns],
        gains: Mapping[int, tuple[Int[np.ndarray, " _neuron"], Float[np.ndarray, " _neuron"]]],
    ) -> None:
        self._layers: list[tuple[Columns, Tensor, Tensor]] = []
        devices = {columns[layer].weight.device for layer in gains}
        for device in devices:  # one transfer for all layers of a device
            here = [layer for layer in gains if columns[layer].weight.device == device]
            sizes = [len(gains[layer][0]) for layer in here]
            neurons = torch.from_numpy(np.concatenate([gains[layer][0] for layer in here])).to(device)
            factors = torch.from_numpy(np.concatenate([gains[layer][1] for layer in here])).to(device)
            for layer, index, factor in zip(here, neurons.split(sizes), factors.split(sizes), strict=True):
                self._layers.append((columns[layer], index, factor[:, None]))

    def apply(self, kept: list[tuple[Columns, Tensor, Tensor]]) -> None:
        """Scale the columns; what they held goes to ``kept`` before it is written over.

        Raises
        ------
        NotScalable
            When a scaled weight can't be held in the precision of the weights.
        """
        largest: list[Tensor] = []
        for columns, index, gain in self._layers:
            old = columns.picked(index)
            new = old * gain.to(old.dtype)  # the gain as a trace would round it
            kept.append((columns, index, old))
            columns.write(index, new)
            if columns.weight.dtype == torch.float16:
                largest.append(new.abs().max())
        if largest and not bool(torch.stack([one.cpu() for one in largest]).isfinite().all()):
            raise NotScalable("a scaled weight is too large for float16")


def put_back(kept: list[tuple[Columns, Tensor, Tensor]]) -> None:
    """Write back what columns held, bit for bit, the last first; the list shrinks as it is done.

    Another Ctrl-C waits until the weights are whole.
    """
    interrupt: KeyboardInterrupt | None = None
    while kept:
        try:
            columns, index, old = kept[-1]
            columns.write(index, old)
            kept.pop()
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _replaced(module: nn.Module) -> bool:
    """Whether a module runs something else than its class says; nnsight's controllers run just that."""
    forward = module.__dict__.get("forward")
    if isinstance(forward, Controller):
        forward = forward.state.original
        return forward is not type(module).forward
    return forward is not None


def _watched(module: nn.Module) -> bool:
    """Whether somebody who hooked onto a module would see other gates than a trace would show."""
    held, every = module.__dict__, vars(nn.modules.module)
    return any((
        held["_forward_hooks"],
        held["_forward_pre_hooks"],
        every["_global_forward_hooks"],
        every["_global_forward_pre_hooks"],
    ))
