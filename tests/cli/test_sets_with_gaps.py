"""Emotions without a neuron are told of wherever the set goes; and sums of single clips that lie beside."""

import re

import numpy as np
from command_line import esn

from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from tests.cli import test_refusals as refusals
from tests.cli.test_refusals import World, ablate, collect

world = refusals.world


def test_an_emotion_without_neurons_is_told_of_when_it_is_selected_and_when_it_is_used(world: World, tmp_path):
    found = GateStatistics.load(world.statistics)
    first = select(found, "mad", count=1, filter="none")
    best = {emotion: float(first[emotion].score.max()) for emotion in first.emotions}
    low, *_, high = sorted(best.values())
    empty = [emotion for emotion in found.emotions if best[emotion] < np.nextafter(low, high)]
    out, least = tmp_path / "esns.safetensors", str(float(np.nextafter(np.float32(low), np.float32(high))))
    words = ("--selector", "mad", "--threshold", least, "--filter", "none", "--out", out)
    done = esn("select", world.statistics, *words)
    assert done.code == 0, done.err
    assert f"mad selects no neuron for {', '.join(empty)}; nothing will be edited there" in done.err
    row = re.search(rf"<tr[^>]*><t[dh][^>]*>{empty[0]}</t[dh]>(.*?)</tr>", NeuronSet.load(out)._repr_html_())
    assert row is not None
    assert re.findall(r">([^<>]+)<", row[1]) == ["0", "–", "–", "–"]
    silenced = esn(*ablate(world, neurons=out)[:-1], tmp_path / "result.json", "--draws", "0")
    assert silenced.code == 0, silenced.err
    assert f"no neuron goes with {', '.join(empty)}, so nothing is edited for it" in silenced.err


def test_sums_of_single_clips_may_lie_beside_the_statistics(world: World, tmp_path):
    out = tmp_path / "stats.safetensors"
    done = esn(*collect(world, world.clips, out), "--clips-beside", "--quiet")
    assert done.code == 0, done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stats.clips.safetensors", "stats.safetensors"]
    single = GateStatistics.load(out).per_clip
    assert single is not None
    assert single.side is not None
    assert len(single) == sum(GateStatistics.load(out).seen.values())
