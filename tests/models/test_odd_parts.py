"""Modules that are called in ways of their own, experts, and damaged small files: named, or handled as promised."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from esn_interp.errors import EditError, EsnError, ModelError
from esn_interp.models import looking
from esn_interp.models.assembly.ctranslate2 import read_weights
from esn_interp.models.baked import FILE, Baked
from esn_interp.models.bare import _product, _weights
from esn_interp.models.caching import Keeper
from esn_interp.models.edits import Edit
from esn_interp.models.gradients import _copied
from esn_interp.models.loading import _one_device
from esn_interp.models.plans import all_finite
from esn_interp.models.recording import Recorder
from esn_interp.models.routing import RoutedEdit
from esn_interp.models.sites import Site
from esn_interp.models.stacks import Gate
from esn_interp.packing import _packed, _unpacked

HIDDEN = torch.ones(1, 2, 3)
OUTPUT = Site("out", "", "", "mlp", "output")
SECOND = Site("second", "", "", "mlp", "output", item=1)
INPUT = Site("in", "", "", "mlp", "input")


def block(*, output: Any = None, inputs: Any = ((), {})) -> Any:
    return SimpleNamespace(mlp=SimpleNamespace(output=output, inputs=inputs))


@pytest.mark.parametrize(
    ("site", "given"),
    [
        (OUTPUT, {"output": HIDDEN}),
        (OUTPUT, {"output": (HIDDEN, None)}),
        (SECOND, {"output": (None, HIDDEN)}),
        (INPUT, {"inputs": ((HIDDEN, 3), {})}),
        (INPUT, {"inputs": ((), {"hidden_states": HIDDEN, "mask": None})}),
    ],
)
def test_a_value_is_found_and_put_back_however_a_module_is_called(site: Site, given: dict[str, Any]):
    one = block(**given)
    assert site.read(one) is HIDDEN
    if site.item == 0:
        site.write(one, 2 * HIDDEN)
        assert torch.equal(site.read(one), 2 * HIDDEN)
        others = [value for value in (one.mlp.inputs[0][1:] or (one.mlp.inputs[1].get("mask"),)) if value is not None]
        assert others in ([], [3])


@pytest.mark.parametrize(
    ("site", "given", "told"),
    [
        (SECOND, {"output": HIDDEN}, "site second: the mlp of this model does not give it"),
        (SECOND, {"output": (HIDDEN, None)}, "site second: the mlp of this model does not give it"),
        (INPUT, {"inputs": ((), {"x": HIDDEN})}, "site in: this model calls its mlp in a way of its own"),
    ],
)
def test_a_value_that_a_module_does_not_give_is_named(site: Site, given: dict[str, Any], told: str):
    with pytest.raises(EditError, match=told):
        site.read(block(**given))


@dataclass
class Held:
    states: Any
    name: str


def test_what_was_made_in_inference_mode_is_copied_at_any_depth():
    with torch.inference_mode():
        made = torch.ones(2)
    plain = torch.ones(2)
    found = _copied({"a": [made, plain], "b": (made, 3), "c": Held(made, "x")})
    assert found["a"][1] is plain
    copies = [found["a"][0], found["b"][0], found["c"].states]
    assert not any(one.is_inference() for one in copies)
    assert all(torch.equal(one, plain) for one in copies)
    assert (found["b"][1], found["c"].name) == (3, "x")


def test_gates_of_experts_can_not_be_carried_from_run_to_run():
    recorder = Recorder({1: np.array([0])})
    recorder(0, 0, torch.ones(1, 2, 2, 3), torch.zeros(1, 2, 2, dtype=torch.long))  # another layer
    with pytest.raises(EditError, match="layer 1 is a mixture of experts"):
        recorder(0, 1, torch.ones(1, 2, 2, 3), torch.zeros(1, 2, 2, dtype=torch.long))


def test_experts_have_no_direction_in_common():
    edit = Edit(0, np.array([0, 1]), gain=0.0, along=np.array([1.0, 0.0]))
    with pytest.raises(EditError, match="edit at layer 0: experts have no direction in common"):
        RoutedEdit(edit, 3, torch.device("cpu"), torch.float32)


@pytest.mark.usefixtures("unchecked")
def test_layers_whose_projections_are_not_plain_are_left_out():
    gate = Gate(nn.SiLU(), nn.Identity(), "layers.0.mlp.act_fn", 4, "", mlp=nn.Identity(), reader=nn.Linear(4, 3))
    assert [name for name, _ in _weights(gate)] == ["read"]
    stack: Any = SimpleNamespace(gates=(gate,))
    before, other, read = (torch.full((1, 4), value) for value in (1.0, 2.0, 3.0))
    assert _product(stack, 0, {"gate": before, "read": read}) is None
    assert _product(stack, 0, {"both": torch.cat([before, other], -1)}) is None
    made = _product(stack, 0, {"both": torch.cat([before, other], -1), "read": read})
    assert made is not None
    assert torch.equal(made.other, other)


def test_a_decoder_whose_states_are_not_by_clip_and_token_is_not_taken_for_finite():
    lost, scopes = torch.tensor([[1.0, float("nan")]]), torch.tensor([[-1, 0]])
    assert all_finite("no tensor", scopes)
    assert all_finite(torch.tensor([1]), scopes)
    assert not all_finite(lost, scopes)  # of another shape than the tokens: where the number is can't be told
    padded = torch.tensor([[[float("nan")], [1.0]]])
    assert all_finite(padded, scopes)
    assert not all_finite(padded.flip(1), scopes)


def test_a_small_model_goes_to_one_device():
    assert _one_device(None, "toy") == torch.device("cpu")
    assert _one_device("auto", "toy").type in ("cpu", "cuda")
    with pytest.raises(ModelError, match="toy is small and goes to one device as a whole: device_map='cuda'"):
        _one_device({"": "cpu"}, "toy")


def test_a_recipe_with_too_few_gains_is_damaged(tmp_path: Path):
    baked = Baked("m", "f", "thinker", {0: (np.array([1, 2]), np.array([0.0, 2.0], np.float32))})
    baked.save(tmp_path)
    told = json.loads((tmp_path / FILE).read_text(encoding="utf-8"))
    told["layers"][0]["gains"] = [0.0]
    (tmp_path / FILE).write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(EsnError, match="layers 0: entry 'gains' has 1 values for 2 neurons"):
        Baked.beside(tmp_path)


def test_a_weight_of_an_unknown_type_is_named(tmp_path: Path):
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 1) + text("a")
    (tmp_path / "model.bin").write_bytes(content + struct.pack("<BIBI", 1, 1, 99, 4) + bytes(4))
    with pytest.raises(ModelError, match=r"model\.bin: a is of type 99, which is not known here"):
        read_weights(tmp_path / "model.bin")


def test_packed_numbers_come_back_to_the_bit_or_not_at_all():
    numbers = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    content = np.frombuffer(_packed(numbers), np.uint8)
    np.testing.assert_array_equal(_unpacked(content, "float32", [7, 5]), numbers)
    with pytest.raises(ValueError, match=r"Corrupt|bytes for"):
        _unpacked(content, "float32", [7, 6])


def test_only_what_was_asked_for_of_a_prompt_is_kept():
    keeper = Keeper(["blocks.0.resid_post", "encoder.1.resid_post"], [2, 2])
    (tap,) = keeper.taps.values()
    tap(0, 0, torch.ones(1, 3, 4))
    tap(1, 0, torch.zeros(1, 1, 4))  # what is generated is no part of the prompt
    tap(0, 1, torch.zeros(1, 3, 4))
    assert keeper.encoder is not None
    for layer in (0, 1):
        keeper.encoder(layer, torch.full((1, 5, 4), float(layer)))
    assert set(keeper.values) == {"blocks.0.resid_post", "encoder.1.resid_post"}
    assert keeper.values["blocks.0.resid_post"].tolist() == [[1.0] * 4] * 3
    assert keeper.values["encoder.1.resid_post"].shape == (5, 4)


def test_a_model_without_an_encoder_of_its_own_has_no_encoder_layers(tiny_lm: Any, monkeypatch: pytest.MonkeyPatch):
    def none(model: nn.Module) -> tuple[nn.Module, ...]:
        raise ModelError("no audio encoder")

    monkeypatch.setattr(looking, "encoder_layers", none)
    assert tiny_lm._encoder_layers == ()
    names = list(tiny_lm.cache(np.ones(8000, np.float32) / 9, names="blocks.0.gate", progress=False))
    assert names == ["blocks.0.gate"]
