"""A checkpoint that lacks a weight is refused: nobody measures a model whose weights were drawn at random."""

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from esn_interp.errors import ModelError
from esn_interp.models.loading import load


def changed(folder: Path, to: Path, change) -> Path:
    shutil.copytree(folder, to)
    (weights,) = to.glob("*.safetensors")
    tensors = load_file(weights)
    save_file(change(tensors), weights, metadata={"format": "pt"})
    return to


@pytest.mark.parametrize("part", ["layers.1.mlp.gate_proj.weight", "layers.2.self_attn.q_proj.bias", "norm.weight"])
def test_a_missing_weight_is_named(tiny_folder, tmp_path, part):
    def without(tensors):
        lost = [name for name in tensors if name.endswith(part)]
        assert lost
        return {name: tensor for name, tensor in tensors.items() if name not in lost}

    with pytest.raises(ModelError, match=rf"lacks \d+ of the model's weights, .*{part.split('.')[-2]}.* get the whole"):
        load(changed(tiny_folder, tmp_path / "m", without))


def test_a_weight_of_another_shape_is_refused(tiny_folder, tmp_path):
    def narrow(tensors):
        (name,) = (name for name in tensors if name.endswith("layers.0.mlp.gate_proj.weight") and "audio" not in name)
        return tensors | {name: torch.zeros(3, tensors[name].shape[1])}

    with pytest.raises((ModelError, RuntimeError), match=r"gate_proj|mismatch|shape"):
        load(changed(tiny_folder, tmp_path / "m", narrow))


def test_a_whole_one_is_loaded(tiny_folder, tmp_path):
    assert load(changed(tiny_folder, tmp_path / "m", dict)).n_layers == 3
