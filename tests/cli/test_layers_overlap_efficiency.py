"""`esn layers`, `esn overlap` and `esn efficiency`: what they write, and what they refuse in one line."""

from pathlib import Path

import pytest
from command_line import esn
from made_up_gates import heard_clips, statistics_of

from esn_interp.analysis.efficiency.result import Efficiency
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.neurons.selectors import select


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Statistics and sets of two corpora."""
    path = tmp_path_factory.mktemp("sets")
    clips = [clip for clip in heard_clips(90, widths=(30, 20)) if clip.kept]
    for at, name in enumerate(("studio", "phone")):
        stats = statistics_of(clips[at::2], per_clip=True, widths=(30, 20), corpus=name, fingerprint=f"f{at}")
        stats.save(path / f"{name}.stats.safetensors")
        select(stats, "mad", count=6).save(path / f"{name}.safetensors")
    select(stats, "cas", count=6).save(path / "phone-cas.safetensors")
    return path


def test_layers(folder: Path, tmp_path: Path):
    out = tmp_path / "layers.json"
    words = ("layers", folder / "studio.safetensors", "--permutations", "99", "--out", out)
    answer = esn(*words, "--stats", folder / "studio.stats.safetensors", "--resamples", "3", "--json")
    assert answer.code == 0, answer.err
    saved = LayerProfile.load(out)
    assert saved.resamples == 3
    assert answer.content["summary"] == saved.summary()
    assert answer.content["result"]["kind"] == "layer_profile"
    assert {path.name for path in tmp_path.iterdir()} == {
        "layers.json",
        "layers.html",
        "layers.clusters.html",
    }
    both = esn("layers", folder / "studio.safetensors", folder / "phone-cas.safetensors", "--out", out)
    assert both.code == 0, both.err
    assert set(LayerProfile.load(out).sets) == {"studio", "phone-cas"}


def test_overlap(folder: Path, tmp_path: Path):
    out = tmp_path / "overlap.json"
    sets = (folder / "studio.safetensors", folder / "phone.safetensors")
    plain = esn("overlap", *sets, "--out", out)
    assert plain.code == 0, plain.err
    assert plain.out.splitlines()[0] == Overlap.load(out).summary()
    stats = [
        word for name in ("studio", "phone") for word in ("--stats", folder / f"{name}.stats.safetensors")
    ]
    answer = esn("overlap", *sets, *stats, "--tops", "0.1,0.2", "--resamples", "2", "--out", out, "--json")
    assert answer.code == 0, answer.err
    saved = Overlap.load(out)
    assert (saved.names, saved.resamples, len(saved.curve)) == (("studio", "phone"), 2, 2)
    assert (tmp_path / "overlap.sparsity.html").exists()
    three = esn("overlap", *sets, folder / "phone-cas.safetensors", "--out", out)
    assert three.code == 0, three.err
    assert (tmp_path / "overlap.pair-studio-phone-cas.html").exists()


def test_efficiency(folder: Path, tmp_path: Path):
    out = tmp_path / "efficiency.json"
    words = ("efficiency", folder / "studio.stats.safetensors", "--count", "6", "--out", out)
    answer = esn(*words, "--sizes", "2,4", "--resamples", "2", "--seed", "3", "--json")
    assert answer.code == 0, answer.err
    saved = Efficiency.load(out)
    assert (saved.sizes.tolist(), saved.resamples, saved.seed) == ([2, 4], 2, 3)
    assert answer.content["summary"] == saved.summary()


def test_refusals_are_one_line(folder: Path, tmp_path: Path):
    out, one = ("--out", tmp_path / "r.json"), folder / "studio.safetensors"
    stats = folder / "studio.stats.safetensors"
    for words, part in (
        (("layers", tmp_path / "no.safetensors", *out), "there is no such file"),
        (("layers", stats, *out), "kind 'statistics', expected 'neurons'"),
        (("overlap", one, *out), "two neuron sets or more, got 1"),
        (
            ("overlap", one, folder / "phone.safetensors", "--stats", stats, *out),
            "2 sets need as many statistics",
        ),
        (("overlap", one, folder / "phone.safetensors", "--tops", "0.1", *out), "give the statistics"),
        (("efficiency", stats, "--count", "6", "--sizes", "2.5", *out), "whole numbers of clips"),
        (("efficiency", stats, "--count", "6", "--model", "toy-omni", *out), "belong together"),
        (("efficiency", stats, *out), "give one of top"),
    ):
        assert part in esn(*words).refusal
    assert not list(tmp_path.iterdir())
