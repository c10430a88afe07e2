"""The bare model is the one that transformers made, and its MLPs are seen as plain hooks see them."""

from contextlib import suppress

import numpy as np
import pytest
import torch
from nnsight.intervention.source import Controller
from plain_hooks import reading
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.models.bare import bare, bare_hidden, exchanged, products
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load


def controlled(lm):
    return [module for module in lm.model.modules() if isinstance(module.__dict__.get("forward"), Controller)]


@pytest.fixture
def inputs(tiny_lm):
    return tiny_lm.encode(noise(0.6), CHOICE).inputs.tensors


def test_within_the_block_nothing_of_a_trace_is_left_and_after_it_all_is_back(tiny_lm, inputs):
    before = controlled(tiny_lm)
    assert len(before) >= tiny_lm.n_layers
    with suppress(ZeroDivisionError), bare(tiny_lm):
        assert controlled(tiny_lm) == []
        raise ZeroDivisionError
    assert controlled(tiny_lm) == before
    encoded = tiny_lm.encode(noise(0.6), CHOICE)
    silenced = tiny_lm.scores(encoded, EMOTIONS, edits=[Edit(1, np.arange(24), gain=0.0)], plan="traced")
    assert np.abs(silenced - tiny_lm.scores(encoded, EMOTIONS)).max() > 0


def test_it_is_the_model_as_transformers_loads_it(tiny_lm, tiny_folder, inputs):
    plain, _ = tiny_lm.family.load(tiny_folder)
    with torch.no_grad():
        expected = tiny_lm.family.backbone(plain)(**inputs, use_cache=False).last_hidden_state
    assert torch.equal(bare_hidden(tiny_lm, inputs), expected)


@pytest.mark.parametrize("family", ["qwen2.5-omni", "phi-4-multimodal", "gemma-3n"])
def test_products_are_what_plain_hooks_see(family, family_folder):
    lm = load(family_folder(family))
    inputs = lm.encode(noise(0.6), CHOICE).inputs.tensors
    read: dict[int, torch.Tensor] = {}
    hooks = [
        gate.reader.register_forward_pre_hook(lambda module, args, at=at: read.update({at: args[0].clone()}))
        for at, gate in enumerate(lm.stacks[lm.component].gates)
    ]
    with reading(lm) as seen:
        bare_hidden(lm, inputs)
    for hook in hooks:
        hook.remove()
    found = products(lm, inputs)
    assert list(found) == list(range(lm.n_layers))
    for layer, product in found.items():
        (gate,) = seen[layer]
        assert torch.equal(product.read, read[layer])
        assert torch.equal(gate * product.other, product.read)
        # Gemma 3n makes gates sparse before its activation, in its first layers.
        assert torch.equal(product.gate, gate) or (family == "gemma-3n" and layer < 2)


def test_exchanged_weights_are_put_back_to_the_bit(tiny_lm, inputs):
    weight = tiny_lm.stacks["thinker"].gates[1].reader.weight
    (name,) = (name for name, one in tiny_lm.model.named_parameters() if one is weight)
    before, hidden = weight.clone(), bare_hidden(tiny_lm, inputs)
    with suppress(ZeroDivisionError), exchanged(tiny_lm, {name: torch.zeros_like(weight)}):
        assert not torch.equal(bare_hidden(tiny_lm, inputs), hidden)
        raise ZeroDivisionError
    assert torch.equal(weight, before)
