"""`esn ablate` with its controls, `esn compare` and `esn side-effects`, from files to files."""

import json
from pathlib import Path

import pytest
from command_line import esn, write_clips
from tiny_omni import save_tiny


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, a few clips, their statistics and neurons."""
    folder = tmp_path_factory.mktemp("world")
    save_tiny(folder / "model")
    write_clips(folder / "clips", speakers=["anna", "bernd"])
    stats = folder / "stats.safetensors"
    words = ["--model", folder / "model", "--corpus", folder / "clips", "--split", "all"]
    assert esn("collect", *words, "--per-clip", "--out", stats).code == 0
    chosen = ["--selector", "mad", "--top", "0.05", "--filter", "none", "--out", folder / "esns.safetensors"]
    assert esn("select", stats, *chosen).code == 0
    return folder


def on(world: Path, *, neurons: bool = True) -> list[str | Path]:
    words: list[str | Path] = ["--model", world / "model", "--corpus", world / "clips", "--split", "all"]
    words += ["--draws", "1", "--json", "--allow-identification-clips"]
    return [*words, "--neurons", world / "esns.safetensors"] if neurons else words


def test_ablation_resamples_and_takes_several_controls(world: Path, tmp_path: Path):
    out = tmp_path / "a.json"
    options = ["--how", "resample", "--stats", world / "stats.safetensors", "--control", "decile,lap"]
    answer = esn("ablate", *on(world), *options, "--positions", "audio,last", "--out", out)
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert (result["how"], len(result["donors"])) == ("resample", 5)
    assert result["positions"] == ["audio", "last"]
    assert result["matched"] == ["layer", "decile of mean abs(g)"]
    assert [one["name"] for one in result["comparisons"]] == ["lap"]
    assert answer.content["further_figures"] == [str(tmp_path / "a.confusion.html")]
    for page in ("a.html", "a.confusion.html"):
        assert "Plotly.newPlot" in (tmp_path / page).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--how", "resample"], "--stats"),
        (["--how", "nearly"], "choose zero, mean or resample"),
        (["--control", "lap"], "--stats"),
        (["--control", "twin"], "choose from random, decile, lap"),
        (["--positions", "nowhere"], "unknown token scope 'nowhere'"),
    ],
)
def test_what_an_ablation_lacks_is_said_in_one_line(
    world: Path, tmp_path: Path, options: list[str], part: str
):
    words = [word for word in on(world) if word != "--json"]
    assert part in esn("ablate", *words, *options, "--out", tmp_path / "a.json").refusal
    assert list(tmp_path.iterdir()) == []


def test_selectors_are_compared_from_statistics(world: Path, tmp_path: Path):
    out = tmp_path / "c.json"
    options = ["--selectors", "mad,lap", "--tops", "0.02,0.1", "--filter", "none", "--out", out]
    answer = esn("compare", *on(world, neurons=False), "--stats", world / "stats.safetensors", *options)
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert (result["kind"], result["selectors"], result["tops"]) == (
        "selector_comparison",
        ["mad", "lap"],
        [0.02, 0.1],
    )
    assert "Plotly.newPlot" in (tmp_path / "c.html").read_text(encoding="utf-8")
    words = [word for word in on(world, neurons=False) if word != "--json"]
    wrong = esn(
        "compare", *words, "--stats", world / "stats.safetensors", "--selectors", "best", "--out", out
    )
    assert "unknown selector 'best'" in wrong.refusal


def test_side_effects_read_a_text_of_ones_own(world: Path, tmp_path: Path):
    text, out = tmp_path / "text.txt", tmp_path / "s.json"
    text.write_text("The door is open. The cat sleeps.", encoding="utf-8")
    options = ["--alpha", "2", "--tasks", "sex,text", "--text", text, "--out", out]
    answer = esn("side-effects", *on(world), *options)
    assert answer.code == 0, answer.err
    result = json.loads(out.read_text(encoding="utf-8"))
    assert result == answer.content["result"]
    assert (result["alpha"], result["tasks"], result["draws"]) == (2, ["sex"], 1)
    assert result["text"]["sentences"] == ["The door is open.", "The cat sleeps."]
    assert "Plotly.newPlot" in (tmp_path / "s.html").read_text(encoding="utf-8")
    words = [word for word in on(world) if word != "--json"]
    gone = esn("side-effects", *words, "--text", tmp_path / "gone.txt", "--out", out)
    assert "gone.txt: this can't be read as text" in gone.refusal
    assert (
        "unknown side task 'taste'" in esn("side-effects", *words, "--tasks", "taste", "--out", out).refusal
    )
