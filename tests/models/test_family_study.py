"""A whole study from the command line on tiny models of the families: collect, select, ablate, dose."""

from pathlib import Path

import pytest
from command_line import Outcome, esn, write_clips
from tiny_models import BUILDERS

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.neurons.statistics import GateStatistics


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("clips") / "corpus", speakers=("ann", "bob", "cid"))


def ran(*words: str | Path) -> Outcome:
    outcome = esn(*words, "--quiet")
    assert outcome.code == 0, outcome.err
    return outcome


@pytest.mark.parametrize("family", ["audio-flamingo-3", "qwen2-audio", "voxtral", "kimi-audio", "minicpm-o"])
def test_a_study_from_the_command_line(tmp_path, clips, family):
    model = BUILDERS[family](tmp_path / "model")
    stats, neurons = tmp_path / "stats.safetensors", tmp_path / "neurons.safetensors"
    heard = ("--model", model, "--trust-remote-code", "--corpus", clips, "--split", "all")
    ran("collect", *heard, "--out", stats)
    ran("select", stats, "--selector", "mad", "--top", "0.1", "--filter", "none", "--out", neurons)
    tried = (*heard, "--neurons", neurons, "--draws", "1", "--allow-identification-clips")
    ran("ablate", *tried, "--out", tmp_path / "ablation.json")
    ran("dose", *tried, "--alphas", "4", "--out", tmp_path / "dose.json")
    collected = GateStatistics.load(stats)
    assert sum(collected.seen.values()) == 15
    assert collected.origin.widths == (24, 24, 24)
    ablation, dose = Ablation.load(tmp_path / "ablation.json"), DoseResponse.load(tmp_path / "dose.json")
    assert ablation.origins.model == dose.origins.model == str(model)
