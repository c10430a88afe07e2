"""What a readout can't promise of a decoder, it refuses to say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError
from esn_interp.models.families import FAMILIES
from esn_interp.models.readout import Readout, joined_by, written_by
from esn_interp.models.stacks import Gate

STATE = np.arange(1.0, 9.0, dtype=np.float32)


class Letters(PreTrainedTokenizerBase):
    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) - ord("a") for letter in text]}

    def decode(self, tokens: list[int]) -> str:
        return chr(tokens[0] + ord("a"))


def readout(**changes: Any) -> Readout:
    torch.manual_seed(0)
    norm = nn.RMSNorm(8, eps=0.0)
    nn.init.uniform_(norm.weight, 0.5, 1.5)
    return replace(Readout(norm, nn.Linear(8, 26), lambda logits: 2 * logits, Letters()), **changes)


def test_the_parts_of_a_readout_add_up_to_its_logits():
    one = readout()
    tokens = one.tokens(["happy", "sad", "angry"])
    assert one.words(tokens) == ["h", "s", "a"]
    rows, bias = one.rows(tokens), one.head_bias(tokens)
    parts = one.finishing_scale() * (rows @ (one.factor(STATE) * STATE) + bias)
    np.testing.assert_allclose(parts, one.logits(STATE)[tokens].numpy(), rtol=1e-5)
    assert readout(head=nn.Linear(8, 26, bias=False)).head_bias(tokens).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "ask", "told"),
    [
        ({}, lambda one: one.tokens(["sad", "surprised"]), "begin with the same token: sad, surprised; name others"),
        ({"norm": nn.LayerNorm(8)}, Readout.gain, "the final norm, LayerNorm, does more than scale"),
        ({"finish": lambda x: 30 * torch.tanh(x / 30)}, Readout.finishing_scale, "bends its logits behind the head"),
        ({"head": nn.Linear(8, 26, device="meta")}, lambda one: one.rows([1]), "quantised or offloaded"),
    ],
)
def test_what_can_not_be_said_of_a_readout_is_refused(changes: dict[str, Any], ask: Any, told: str):
    with pytest.raises(ModelError, match=told):
        ask(readout(**changes))


def test_a_decoder_without_a_final_norm_is_refused():
    with pytest.raises(ModelError, match="Linear: no final norm found, among norm, "):
        Readout.of(FAMILIES[0], nn.Identity(), nn.Linear(2, 2), Letters())


def layer(join: nn.Module) -> Gate:
    attention = nn.Module()
    attention.o_proj = join
    whole = nn.Module()
    whole.self_attn = attention
    return Gate(nn.SiLU(), whole, "layers.3.mlp.act_fn", 4, "", reader=nn.Linear(4, 8))


def test_what_a_layer_writes_is_read_off_its_weights():
    gate = layer(nn.Linear(6, 8))
    np.testing.assert_array_equal(written_by(gate), gate.reader.weight.detach().numpy().T)
    np.testing.assert_array_equal(joined_by(gate), gate.layer.self_attn.o_proj.weight.detach().numpy())


def test_weights_that_can_not_be_looked_at_are_refused():
    with pytest.raises(ModelError, match=r"layers\.3\.mlp\.act_fn: what a neuron of an expert writes"):
        written_by(replace(layer(nn.Linear(6, 8)), experts=2))
    with pytest.raises(ModelError, match="can't be read off the weights: what reads the gates"):
        written_by(replace(layer(nn.Linear(6, 8)), reader=None))
    for join in (nn.Identity(), nn.Linear(6, 8, device="meta"), nn.Conv1d(6, 8, 1)):
        with pytest.raises(ModelError, match="the weights that join the heads can't be looked at"):
            joined_by(layer(join))
