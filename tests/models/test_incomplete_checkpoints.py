"""A checkpoint that lacks a weight is refused: nobody measures a model whose weights were drawn at random."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from esn_interp.errors import EsnWarning, ModelError
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


def test_a_weight_of_another_shape_is_named_in_a_line_and_may_be_allowed(tiny_folder, tmp_path, capfd):
    def narrow(tensors):
        (name,) = (name for name in tensors if name.endswith("layers.0.mlp.gate_proj.weight") and "audio" not in name)
        return tensors | {name: torch.zeros(3, tensors[name].shape[1])}

    folder = changed(tiny_folder, tmp_path / "m", narrow)
    capfd.readouterr()
    with pytest.raises(ModelError, match=r"lacks 1 of the model's weights, .*another shape.*layers\.0\.mlp\.gate_proj"):
        load(folder)
    assert "LOAD REPORT" not in capfd.readouterr().err, "the error says all there is to say"
    with pytest.warns(EsnWarning, match="drawn at random, as allowed"):
        load(folder, allow_missing=["*.layers.0.mlp.gate_proj.weight"])


def test_of_a_whole_checkpoint_nothing_is_said(tiny_folder, tmp_path):
    """In a process of its own, as a user sees it: transformers' handlers hold the stream that they began with."""
    lines = f"import esn_interp\nesn_interp.load({str(tiny_folder)!r})\nesn_interp.load('toy-omni')"
    ran = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "[transformers]" not in ran.stderr
    assert ran.stdout == ""


@pytest.mark.parametrize("left", [0, 4, 60, 0.5, 0.99])
def test_weights_that_were_cut_off_are_the_fault_of_the_file(tiny_folder, tmp_path, left):
    folder = changed(tiny_folder, tmp_path / "m", dict)
    (weights,) = folder.glob("*.safetensors")
    content = weights.read_bytes()
    weights.write_bytes(content[: int(left * len(content)) if isinstance(left, float) else left])
    with pytest.raises(ModelError, match=r"m' can't be loaded: .*(header|file)"):
        load(folder)


@pytest.mark.parametrize("left", [0, 100, 0.5])
def test_so_are_weights_in_the_older_format(tiny_folder, tmp_path, left):
    folder = changed(tiny_folder, tmp_path / "m", dict)
    (weights,) = folder.glob("*.safetensors")
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()
    content = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(content[: int(left * len(content)) if isinstance(left, float) else left])
    with pytest.raises(ModelError, match="m' can't be loaded: "):
        load(folder)


def test_weights_that_the_model_has_no_place_for_are_told(tiny_folder, tmp_path, capfd):
    folder = changed(tiny_folder, tmp_path / "m", lambda tensors: tensors | {"more.weight": torch.zeros(2)})
    capfd.readouterr()
    load(folder)
    assert f"{folder}: 1 weights of the checkpoint are not the model's, such as more.weight\n" in capfd.readouterr().err


def test_a_whole_one_is_loaded(tiny_folder, tmp_path):
    assert load(changed(tiny_folder, tmp_path / "m", dict)).n_layers == 3
