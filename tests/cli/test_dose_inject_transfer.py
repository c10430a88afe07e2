"""`esn dose` over sizes, `esn inject` and `esn transfer`, from files to files."""

import json
from pathlib import Path

import pytest
from command_line import esn, write_clips
from tiny_omni import save_tiny


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model, two corpora, and for each its statistics and neurons."""
    folder = tmp_path_factory.mktemp("world")
    save_tiny(folder / "model")
    for corpus, speakers in (("north", ["anna", "bernd"]), ("south", ["cleo", "dora", "emil"])):
        write_clips(folder / corpus, speakers=speakers)
        stats, neurons = folder / f"{corpus}-stats.safetensors", folder / f"{corpus}.safetensors"
        words = ["--model", folder / "model", "--corpus", folder / corpus, "--split", "all"]
        assert esn("collect", *words, "--out", stats).code == 0
        chosen = esn(
            "select", stats, "--selector", "mad", "--top", "0.05", "--filter", "none", "--out", neurons
        )
        assert chosen.code == 0, chosen.err
    return folder


def on(world: Path, *corpora: str) -> list[str | Path]:
    words: list[str | Path] = ["--model", world / "model", "--split", "all", "--draws", "1", "--json"]
    words.append("--allow-identification-clips")
    for corpus in corpora:
        words += ["--corpus", world / corpus, "--neurons", world / f"{corpus}.safetensors"]
    return words


def test_sizes_come_from_statistics(world: Path, tmp_path: Path):
    stats = world / "north-stats.safetensors"
    answer = esn(
        "dose", *on(world, "north"), "--tops", "0.05,0.1", "--stats", stats, "--out", tmp_path / "d.json"
    )
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert (result["axis"], result["doses"], result["labels"]) == ("top", [0.05, 0.1], ["5 %", "10 %"])
    assert "Plotly.newPlot" in (tmp_path / "d.html").read_text(encoding="utf-8")


def test_injection_names_its_ways(world: Path, tmp_path: Path):
    out = tmp_path / "i.json"
    answer = esn("inject", *on(world, "north"), "--alphas", "2", "--methods", "mix", "--out", out)
    assert answer.code == 0, answer.err
    assert answer.content["result"]["methods"] == ["oracle", "mix"]
    assert json.loads(out.read_text(encoding="utf-8"))["kind"] == "injection"


def test_transfer_is_measured_both_ways(world: Path, tmp_path: Path):
    answer = esn("transfer", *on(world, "north", "south"), "--alpha", "8", "--out", tmp_path / "t.json")
    assert answer.code == 0, answer.err
    result = answer.content["result"]
    assert [Path(name).name for name in result["corpora"]] == ["north", "south"]
    assert [len(target["clips"]) for target in result["targets"]] == [10, 15]
    assert (tmp_path / "t.html").is_file()


@pytest.mark.parametrize(
    ("words", "mentions"),
    [
        (lambda w: ["dose", *on(w, "north"), "--tops", "0.1"], ("--tops needs --stats",)),
        (lambda w: ["dose", *on(w, "north"), "--scopes", "audio", "--bands", "2"], ("--scopes and --bands",)),
        (lambda w: ["dose", *on(w, "north"), "--scopes", "video"], ("not video",)),
        (lambda w: ["dose", *on(w, "north"), "--bands", "0-1,x"], ("--bands 0-1,x", "'x' is no range")),
        (lambda w: ["dose", *on(w, "north"), "--bands", "9"], ("3 layers make 1 to 3 bands",)),
        (lambda w: ["inject", *on(w, "north"), "--methods", "guess"], ("'guess'", "two_pass")),
        (lambda w: ["transfer", *on(w, "north")], ("two corpora or more",)),
        (lambda w: ["transfer", *on(w, "north"), "--corpus", w / "south"], ("2 --corpus and 1 --neurons",)),
        (lambda w: ["transfer", *on(w, "north", "south"), "--root", "-"], ("2 --root, not 1",)),
        (lambda w: ["transfer", *on(w, "north", "south"), "--alpha", "0"], ("not 0",)),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(world: Path, tmp_path: Path, words, mentions):
    given = [word for word in words(world) if word != "--json"]
    refusal = esn(*given, "--out", tmp_path / "x.json").refusal
    assert all(part in refusal for part in mentions), refusal
    assert not (tmp_path / "x.json").exists()
