"""`esn ground`, `esn attribute` and `esn redundancy`, from files to files."""

import json
from pathlib import Path

import pytest
from command_line import esn, write_clips
from tiny_omni import EMOTIONS, save_tiny

from esn_interp.neurons.neuron_set import NeuronSet


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, a corpus, and what attribution selects on it."""
    folder = tmp_path_factory.mktemp("world")
    save_tiny(folder / "model")
    write_clips(folder / "clips", speakers=["anna", "bernd", "cleo"])
    return folder


@pytest.fixture(scope="module")
def neurons(world: Path) -> Path:
    path = world / "esns.safetensors"
    answer = esn(
        "attribute", *on(world), "--filter", "none", "--top", "0.05", "--neurons", path,
        *("--check", "4", "--check-split", "all", "--positions", "audio,last", "--out", world / "a.json"),
    )  # fmt: skip
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert (result["kind"], result["positions"]) == ("attribution", ["audio", "last"])
    assert "esns.safetensors: the strongest 0.05 of the gates" in answer.err
    return path


def on(world: Path) -> list[str | Path]:
    return ["--model", world / "model", "--corpus", world / "clips", "--split", "all", "--json"]


def drawn(page: Path) -> bool:
    return "Plotly.newPlot" in page.read_text(encoding="utf-8")


def test_attribution_selects_and_is_checked(world: Path, neurons: Path):
    chosen = NeuronSet.load(neurons)
    assert chosen.emotions == EMOTIONS
    assert len(chosen) == 5 * round(0.05 * chosen.n_gates)
    assert chosen.parameters["filter"] == "none"
    check = json.loads((world / "a.check.json").read_text(encoding="utf-8"))
    assert (check["kind"], len(check["neuron"])) == ("attribution_check", 4)
    assert drawn(world / "a.html")
    assert drawn(world / "a.check.html")


def test_grounding_takes_prompts(world: Path, neurons: Path):
    out = world / "g.json"
    words = ["--neurons", neurons, "--draws", "1", "--limit", "10", "--prompt", "Transcribe.", "--out", out]
    answer = esn("ground", *on(world), "--allow-identification-clips", *words)
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert (result["kinds"], result["draws"]) == (["audio", "prompt 1"], 1)
    assert result["prompts"] == {"prompt 1": "Transcribe."}
    assert result["same_words"] == 0  # a corpus by folders knows no sentences
    assert len(result["clips"]) == 10
    assert drawn(world / "g.html")


def test_redundancy_chooses_greedily_on_other_speakers(world: Path, neurons: Path):
    out = world / "r.json"
    words = ["--neurons", neurons, "--draws", "1", "--splits", "1", "--greedy", "1", "--out", out]
    answer = esn("redundancy", *on(world), "--split", "evaluation", "--allow-identification-clips", *words)
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert result["splits"] == 1
    assert [len(order) for order in result["greedy_order"]] == [1] * 5
    assert drawn(world / "r.html")


def test_what_does_not_go_together_is_refused(world: Path, neurons: Path, tmp_path: Path):
    out = tmp_path / "x.json"
    to = [*on(world)[:-1], "--out", out]  # without --json
    allowed = [*to, "--allow-identification-clips"]
    assert (
        "--greedy chooses on the validation split"
        in esn("redundancy", *to, "--neurons", neurons, "--greedy", "2").refusal
    )
    assert "--top and --neurons go together" in esn("attribute", *to, "--top", "0.1").refusal
    assert "unknown token scope 'end'" in esn("attribute", *to, "--positions", "end").refusal
    same = "What is the emotion of the speaker? Choose one: " + ", ".join(EMOTIONS) + "."
    refused = esn("ground", *allowed, "--neurons", neurons, "--prompt", same).refusal
    assert "differ from the question that is asked" in refused
    assert not out.exists()
