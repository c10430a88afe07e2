"""What would change nothing, or could not be done, is refused before anything is loaded or written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import esn

from esn_interp.neurons.neuron_set import NeuronSet
from tests.cli import test_refusals as refusals
from tests.cli.test_refusals import Words, World, ablate, collect, never, select, text_file

world = refusals.world


def folder(world: World, name: str) -> Path:
    (world.folder / name).mkdir(exist_ok=True)
    return world.folder / name


def convert(world: World) -> Words:
    clip = next(world.clips.rglob("*.wav"))
    return ["convert", "--model", "toy-omni", "--in", clip, "--to", "happy", "--out", never(world, ".wav")]


def nobody(world: World) -> Path:
    """A set in which no emotion has a neuron."""
    found = NeuronSet.load(world.neurons)
    empty = {emotion: np.zeros(0, dtype=np.int64) for emotion in found.emotions}
    NeuronSet.from_indices(found.origin, empty).save(world.folder / "nobody.safetensors")
    return world.folder / "nobody.safetensors"


REFUSED: dict[str, tuple[Callable[[World], Words], tuple[str, ...]]] = {
    "an alpha given twice": (lambda w: ["dose", *ablate(w)[1:], "--alphas", "1,0.5,1"], ("--alphas", "given twice")),
    "an alpha that changes nothing": (
        lambda w: ["dose", *ablate(w)[1:], "--alphas", "0"],
        ("--alphas 0", "0 changes nothing"),
    ),
    "an edit that changes nothing": (
        lambda w: ["side-effects", *ablate(w)[1:], "--alpha", "0"],
        ("--alpha 0", "changes nothing"),
    ),
    "speech that is steered by nothing": (
        lambda w: [*convert(w), "--neurons", w.neurons, "--alpha", "0"],
        ("--alpha 0", "leave out --neurons"),
    ),
    "more of no neurons": (lambda w: [*convert(w), "--alpha", "2"], ("--alpha 2", "with --neurons")),
    "a precision that nobody has": (
        lambda w: [*collect(w, w.clips, never(w, ".safetensors")), "--dtype", "int3"],
        ("int3", "float32"),
    ),
    "a root of no corpus": (
        lambda w: ["study", text_file(w, "study.yaml"), "--root", "emodb", "--out", w.folder / "never"],
        ("--root emodb", "CORPUS=PATH"),
    ),
    "nothing to fetch": (lambda w: ["fetch", "toy-omni"], ("'toy-omni'", "only smol-audio")),
    "a threshold that no neuron reaches": (
        lambda w: select(w, w.statistics, "--selector", "mad", "--threshold", "1e9", "--filter", "none"),
        ("mad selects no neuron",),
    ),
    "a set without a neuron": (lambda w: ablate(w, neurons=nobody(w)), ("nobody.safetensors", "holds no neuron")),
    "out is a folder": (
        lambda w: [*ablate(w)[:-1], folder(w, "taken.json")],
        ("taken.json", "this is a folder"),
    ),
    "replicas and sums beside": (
        lambda w: [*collect(w, w.clips, never(w, ".safetensors")), "--clips-beside", "--engine", "ray"],
        ("--clips-beside", "--per-clip"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_one_line(case: str, world: World):
    words, told = REFUSED[case]
    line = esn(*words(world)).refusal
    for part in told:
        assert part in line, line
    assert not refusals.results(world)
