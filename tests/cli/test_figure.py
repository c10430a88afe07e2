"""`esn figure`: a saved result or set as a file, in any look; and `esn models` says who speaks."""

from pathlib import Path

import pytest
from command_line import esn
from planted_listener import PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    planted_set().save(folder / "esns.safetensors")
    result = ablation(PlantedListener(), planted_clips(speakers=6), planted_set(), draws=1, progress=False)
    result.save(folder / "ablation.json")
    return folder


@pytest.mark.parametrize(
    ("name", "words", "title"),
    [
        ("ablation.json", (), "What ablation costs each emotion"),
        ("ablation.json", ("--which", "confusion"), "What is heard as what"),
        ("esns.safetensors", ("--greyscale", "--width", "500"), "Where each emotion"),
    ],
)
def test_a_saved_result_is_drawn_anew(saved: Path, tmp_path: Path, name: str, words: tuple[str, ...], title: str):
    told = esn("figure", saved / name, "--out", tmp_path / "figure.html", *words, "--json")
    assert told.code == 0, told.err
    page = (tmp_path / "figure.html").read_text(encoding="utf-8")
    assert title in page
    assert told.content["bytes"] == (tmp_path / "figure.html").stat().st_size


def test_what_cannot_be_drawn_is_refused_in_a_line(saved: Path, tmp_path: Path):
    asked = ("figure", saved / "ablation.json", "--out")
    assert ".html, .pdf, .svg" in esn(*asked, tmp_path / "figure.doc").refusal
    assert "it has confusion" in esn(*asked, tmp_path / "figure.html", "--which", "profile").refusal
    assert not (tmp_path / "figure.html").exists()


def test_the_catalogue_says_who_speaks_and_what_each_size_needs():
    rows = {row["name"]: row for row in esn("models", "--json").content["models"]}
    assert (rows["toy-omni"]["can"], rows["toy-emodb"]["can"]) == ("speak", "recognise")
    needs = [rows[f"Qwen/Qwen2.5-Omni-{size}"]["needs"] for size in ("7B", "3B")]
    assert "18 GB" in needs[0]
    assert "9 GB" in needs[1]
