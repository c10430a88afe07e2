"""Weights that read gates are touched only where they are plain, whole and nobody else's business."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from esn_interp.models.columns import Columns, NotScalable, Scaling, columns_of, put_back, shared
from esn_interp.models.stacks import Gate


def gate(**changes: Any) -> Gate:
    return replace(Gate(nn.SiLU(), nn.Identity(), "layers.0.mlp.act_fn", 4, "", reader=nn.Linear(4, 6)), **changes)


class Experts(nn.Module):
    """Three experts of four gates each; ``shape`` is that of what their down projections are held in."""

    def __init__(self, *shape: int, transposed: bool = False) -> None:
        super().__init__()
        self.down_proj = nn.Parameter(torch.arange(float(np.prod(shape))).reshape(shape))
        self.is_transposed = transposed


def watched() -> nn.Linear:
    found = nn.Linear(4, 6)
    found.register_forward_hook(lambda module, inputs, output: None)
    return found


def changed(name: str, value: Any) -> nn.Linear:
    found = nn.Linear(4, 6)
    setattr(found, name, value)
    return found


def parametrized() -> nn.Linear:
    found = nn.Linear(4, 6)
    nn.utils.parametrize.register_parametrization(found, "weight", nn.Identity())
    return found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reader": None}, "what reads the gates at layers.0.mlp.act_fn is not known"),
        ({"reader": watched()}, "a hook watches"),
        ({"reader": changed("_hf_hook", object())}, "moved about by accelerate"),
        ({"reader": changed("forward", lambda x: x)}, "was replaced in this model"),
        ({"reader": parametrized()}, "was replaced in this model"),
        ({"reader": nn.Bilinear(4, 4, 6)}, "read by a Bilinear, not a plain linear layer"),
        ({"reader": nn.Linear(5, 6)}, "have another width than its gates"),
        ({"reader": nn.Linear(4, 6, device="meta")}, "quantised, sharded or not in memory"),
        ({"reader": nn.Linear(4, 6).to(torch.float8_e5m2)}, "quantised, sharded or not in memory"),
        ({"experts": 3, "reader": nn.Identity()}, "experts at layers.0.mlp.act_fn hold their weights in a way"),
        ({"experts": 3, "reader": Experts(12, 6)}, "experts at layers.0.mlp.act_fn hold their weights in a way"),
        ({"experts": 3, "reader": Experts(2, 6, 4)}, "have another width than its gates"),
    ],
)
def test_weights_that_are_not_plain_and_whole_are_left_alone(changes: dict[str, Any], told: str):
    with pytest.raises(NotScalable, match=told):
        columns_of(gate(**changes))


@pytest.mark.parametrize("transposed", [False, True])
def test_the_columns_of_experts_are_those_of_the_expert_and_the_neuron(transposed: bool):
    experts = Experts(3, 4, 6, transposed=True) if transposed else Experts(3, 6, 4)
    columns = columns_of(gate(experts=3, reader=experts))
    picked = columns.picked(torch.tensor([0, 9]))  # neuron 0 of expert 0, neuron 1 of expert 2
    held = experts.down_proj.detach()
    assert columns.hidden == 6
    assert torch.equal(picked, torch.stack([held[0, 0], held[2, 1]] if transposed else [held[0, :, 0], held[2, :, 1]]))
    columns.write(torch.tensor([9]), torch.full((1, 6), -1.0))
    assert int((held == -1).sum()) == 6


def test_what_a_half_precision_can_not_hold_is_refused_and_put_back():
    weight = torch.tensor([[60_000.0, 1.0]], dtype=torch.float16)
    columns, kept = Columns(weight, axis=1, width=2, experts=0), list[tuple[Columns, torch.Tensor, torch.Tensor]]()
    with pytest.raises(NotScalable, match="too large for float16"):
        Scaling({0: columns}, {0: (np.array([0]), np.array([2.0], np.float32))}).apply(kept)
    put_back(kept)
    assert weight.tolist() == [[60_000.0, 1.0]]
    Scaling({0: columns}, {0: (np.array([0]), np.array([0.5], np.float32))}).apply(kept)
    assert weight.tolist() == [[30_000.0, 1.0]]


def test_memory_that_two_tensors_see_is_shared_and_weights_without_memory_are_not_counted():
    model = nn.ModuleDict({"one": nn.Linear(3, 3), "two": nn.Linear(3, 3), "gone": nn.Linear(3, 3, device="meta")})
    model["two"].register_buffer("view", model["two"].weight.data[:1])
    found = shared(model)
    one, two = (model[name].weight.data_ptr() for name in ("one", "two"))
    assert (found[one], found[two]) == (False, True)
    assert len(found) == 4


def test_an_inference_tensor_is_not_written_to():
    with torch.inference_mode():
        made = SimpleNamespace(linear=nn.Linear(4, 6))
    with pytest.raises(NotScalable, match="loaded in inference mode"):
        columns_of(gate(reader=made.linear))
