"""`esn bake`, from a set of neurons to a folder that loads."""

import json

import numpy as np
from command_line import esn

import esn_interp
from esn_interp.models.loading import load
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin


def neurons(lm) -> NeuronSet:
    origin = Origin.of(lm, corpus="noise", corpus_fingerprint="0")
    empty = np.zeros(3, dtype=np.int32)
    return NeuronSet(
        origin,
        ("happy", "angry"),
        emotion=np.array([0, 1, 1], dtype=np.int32),
        layer=np.array([0, 1, 2], dtype=np.int32),
        expert=empty - 1,
        neuron=np.array([4, 2, 5], dtype=np.int32),
        score=np.ones(3, dtype=np.float32),
        selector="mad",
    )


def test_a_folder_is_written_that_loads_as_steered(tiny_folder, tmp_path):
    neurons(load(tiny_folder)).save(tmp_path / "esns.safetensors")
    to = ("--model", tiny_folder, "--neurons", tmp_path / "esns.safetensors", "--alpha", "-1", "--by", "A. Tester")
    done = esn("bake", *to, "--emotion", "angry", "--out", tmp_path / "calm", "--json")
    told = json.loads(done.out)
    assert (told["gates"], told["patch"]) == (2, False)
    steered = esn_interp.load(tmp_path / "calm")
    assert steered.baked is not None
    assert steered.baked.by == "A. Tester"
    assert {layer: (n.tolist(), g.tolist()) for layer, (n, g) in steered.baked.layers.items()} == {
        1: ([2], [0.0]),
        2: ([5], [0.0]),
    }
    again = esn("bake", *to, "--out", tmp_path / "calm", "--json")  # it wrote that folder itself
    assert json.loads(again.out)["gates"] == 3
    (tmp_path / "calm" / "notes.txt").write_text("mine", encoding="utf-8")
    refused = esn("bake", *to, "--out", tmp_path / "calm")
    assert refused.code == 2
    assert "holds other things than a steered model of esn as it was written" in refused.err
    assert (tmp_path / "calm" / "notes.txt").read_text() == "mine"
    assert not list(tmp_path.glob(".*"))
    patch = esn("bake", *to, "--out", tmp_path / "patch", "--patch")
    assert "3 gates in 3 layers of the thinker multiplied by 0, by A. Tester" in patch.out
