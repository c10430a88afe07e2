"""What is found in a model by its structure alone, and what is said where the structure does not tell."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from esn_interp.errors import EditError, ModelError
from esn_interp.models.caching import heads_of
from esn_interp.models.stacks import Gate, encoder_layers, find_stacks


def mlp(activation: nn.Module | None) -> nn.Module:
    found = nn.ModuleDict({name: nn.Linear(4, 4) for name in ("gate_proj", "up_proj", "down_proj")})
    if activation is not None:
        found["act_fn"] = activation
    return found_as_module(found)


def found_as_module(parts: nn.ModuleDict) -> nn.Module:
    module = nn.Module()
    for name, part in parts.items():
        setattr(module, name, part)
    return module


def layers(*activations: nn.Module | None) -> nn.Module:
    decoder = nn.Module()
    decoder.layers = nn.ModuleList(
        found_as_module(nn.ModuleDict({"self_attn": nn.Identity(), "mlp": mlp(one)})) for one in activations
    )
    return decoder


def model(**decoders: nn.Module) -> nn.Module:
    whole = nn.Module()
    for name, decoder in decoders.items():
        setattr(whole, name, decoder)
    return whole


def test_decoders_are_named_by_their_paths_and_never_alike():
    inner = model(layers=layers(nn.SiLU()).layers)
    twice = model(model=layers(nn.SiLU(), nn.SiLU()), language_model=layers(nn.SiLU()), llm=inner)
    twice.talker = model(model=layers(nn.SiLU()))
    found = find_stacks(twice)
    assert list(found) == ["thinker", "thinker_2", "thinker_3", "talker"]
    assert found["thinker"].widths == (4, 4)
    assert found["talker"].path == "talker.model"


def test_an_mlp_without_an_activation_module_has_no_gates():
    assert find_stacks(model(model=layers(None, nn.SiLU()))) == {}


def test_layers_that_share_an_activation_are_refused():
    one = nn.SiLU()
    with pytest.raises(ModelError, match="model: layers share one activation module"):
        find_stacks(model(model=layers(one, one)))


def test_an_encoder_of_sounds_is_the_longest_that_sees_no_pictures():
    block = found_as_module(nn.ModuleDict({"attention": nn.Identity()}))
    sound, picture = model(layers=nn.ModuleList([block])), model(layers=nn.ModuleList([block] * 3))
    assert len(encoder_layers(model(audio_tower=sound, vision_tower=picture))) == 1
    with pytest.raises(ModelError, match="Module: no audio encoder with layers of its own was found"):
        encoder_layers(model(vision_tower=picture))


GATE = Gate(nn.SiLU(), found_as_module(nn.ModuleDict({"self_attn": nn.Identity()})), "layers.1.mlp", 4, "")


@pytest.mark.parametrize(
    ("gate", "part", "told"),
    [
        (replace(GATE, experts=2), "reader", "in a mixture of experts no module is given the product"),
        (GATE, "reader", "this layer has no reader"),
        (GATE, "mlp", "this layer has no mlp"),
        (GATE, "attention_out", "this layer has no attention_out"),
    ],
)
def test_a_part_that_a_layer_lacks_is_named(gate: Gate, part: str, told: str):
    with pytest.raises(EditError, match=rf"layers\.1\.mlp: {told}"):
        gate.part(part)


@pytest.mark.parametrize(
    ("told", "heads"),
    [({"config": SimpleNamespace(num_attention_heads=6), "num_heads": 2}, 6), ({"num_heads": 2}, 2), ({}, None)],
)
def test_heads_are_counted_as_the_attention_says(told: dict[str, Any], heads: int | None):
    attention = nn.Identity()
    for name, value in told.items():
        setattr(attention, name, value)
    gate = replace(GATE, layer=found_as_module(nn.ModuleDict({"self_attn": attention})))
    if heads is None:
        with pytest.raises(ModelError, match="does not tell how many heads it has"):
            heads_of(gate)
    else:
        assert heads_of(gate) == heads


def test_tensors_are_no_modules():
    whole = found_as_module(nn.ModuleDict({"self_attn": nn.Identity()}))
    whole.self_attn.o_proj = nn.Parameter(torch.zeros(2, 2))
    with pytest.raises(EditError, match="no attention_out"):
        replace(GATE, layer=whole).part("attention_out")
