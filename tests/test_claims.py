"""Figures in cards and pages are those of results files; who reads figures of toy-omni reads what is planted."""

import json
import re
from pathlib import Path

import pytest

from esn_interp.studies.recognition.article.wording import PLANTED

REPOSITORY = Path(__file__).parents[1]
RESULTS = REPOSITORY / "docs" / "results"
CARDS = [
    *sorted((REPOSITORY / "esn_interp").glob("**/bundled/**/README.md")),
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "README.md",
]
# A figure, and in a comment behind it where it comes from: "0.82<!-- demo summary baseline_uar -->".
MARKED = re.compile(r"([+-]?\d[\d,]*(?:\.\d+)?)( %)?<!-- ([\w/-]+)((?: [\w+-]+)+) -->")


def told(path: Path) -> str:
    """The text, one space for every break."""
    return " ".join(path.read_text(encoding="utf-8").replace("\n#", "\n").split())


@pytest.mark.parametrize(
    "name",
    [
        "README.md",
        "docs/index.md",
        "docs/quickstart.md",
        "docs/planted.md",
        "notebooks/01_a_first_neuron.py",
        "esn_interp/models/bundled/toy-omni/README.md",
    ],
)
def test_what_is_planted_is_said(name: str) -> None:
    assert PLANTED in told(REPOSITORY / name)


def test_the_notebook_says_it_too() -> None:
    notebook = json.loads((REPOSITORY / "notebooks" / "01_a_first_neuron.ipynb").read_text(encoding="utf-8"))
    text = " ".join("".join("".join(cell["source"]) + "\n" for cell in notebook["cells"]).split())
    assert PLANTED in text


def claims() -> list[tuple[str, str, str, str, str]]:
    return [
        (path.relative_to(REPOSITORY).as_posix(), *match.groups(default=""))
        for path in CARDS
        for match in MARKED.finditer(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("claim", claims(), ids=lambda claim: f"{claim[0]} {claim[3]}{claim[4]}")
def test_a_figure_is_that_of_its_results_file(claim: tuple[str, str, str, str, str]) -> None:
    _, figure, percent, file, keys = claim
    value = json.loads((RESULTS / f"{file}.json").read_text(encoding="utf-8"))
    for key in keys.split():
        value = value[int(key)] if isinstance(value, list) else value[key]
    value = 100 * value if percent else value
    decimals = len(figure.partition(".")[2])
    rounded = f"{value:.{decimals}f}"
    assert (rounded if float(rounded) else rounded.lstrip("-")) == figure.lstrip("+").replace(",", "")


def test_there_are_figures_to_compare() -> None:
    assert len(claims()) > 40
