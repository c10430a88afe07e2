"""A figure in README or docs was measured: it is made from a results file, or the command that gives it stands beside.

What is generated has no digit in the source (a role, a directive). A figure in prose must have a command in its own
paragraph, one that exists; or it is no measurement but a choice, a definition or a name, and then it is listed here.
Cards of models, and what is said of judges, are measured by the scripts that write them.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from esn_interp.cli import app

REPOSITORY = Path(__file__).resolve().parents[1]
CARDS = {"docs/model_card.md", "docs/judges.md"}
# One command, which the page names, gives all figures of a page about one experiment.
OF_ONE_COMMAND = {
    *("docs/analyses/reading.md", "docs/bundled_protocols.md"),
    *("docs/planted.md", "docs/planted_or_grown.md"),
}
PAGES = [
    path
    for path in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
    if "_build" not in path.parts and str(path.relative_to(REPOSITORY)) not in CARDS | OF_ONE_COMMAND
]

FIGURE = re.compile(
    r"(?<![\w.])[-−+]?\d[\d,]*(?:\.\d+)?\s?%"  # 62 %
    r"|(?<![\w.])[-−+]?\d*\.\d+(?!\w|\.\d)"  # 1.05, .93
    r"|\b\d[\d,]* (?:times|minutes|seconds|hours|points|ms|s|GB|MB)\b"
)
# From a results file, and compared with it by another test.
MARKED = re.compile(r"[+-]?\d[\d,]*(?:\.\d+)?(?: %)?<!-- [^>]* -->")
COMMAND = re.compile(r"`((?:python|make|esn|pytest|\.ci/|\.venv/bin/)[^`]*)`")

# What a page takes for granted: settings, definitions, levels of tests, versions, and what others published.
GRANTED = {
    "*": r"9[05] %|97\.5 %|2\.5|100 %|50 %|0\.01|0\.05|0\.1|3\.1[1-4]|0\.5|0\.5 %",
    "README.md": r"2[46]0\d\.\d{5}",
    "docs/index.md": r"2[46]0\d\.\d{5}",
    "docs/corpora.md": r"1\.0|60 s|0\.1 %|0\.3|0\.0001|25 ms|2\.0|1\.52",
    "docs/files.md": r"1\.2|-0\.2|20 points|25 MB",
    "docs/method.md": r"0\.95|0\.06|0\.1 %|5 %|40 %|10 %",
    "docs/performance.md": r"0\.1\.8|1\.8|4\.3",
    "docs/paper_figures.md": r"3\.5",
    "docs/playground.md": r"30 seconds|10 MB",
    "docs/protocols.md": r"5 %|2608\.\d{5}",
    "docs/real_models.md": r"1\.2",
    "docs/scale.md": r"0\.8",
    "docs/studies.md": r"2601\.03115",
    "docs/analyses/attribution.md": r"1 %",
    "docs/analyses/conversion.md": r"4\.5",
    "docs/analyses/conversion_study.md": r"2603\.17231|4\.5",
    "docs/analyses/dose.md": r"10 points",
    "docs/analyses/efficiency.md": r"25 MB",
    "docs/analyses/fusion.md": r"2608\.08772",
    "docs/analyses/inference.md": r"0\.9|0\.08|0\.15|0\.048",
    "docs/analyses/listening.md": r"80 %|0\.19|62 %",
    "docs/analyses/overlap.md": r"0\.7|99 times",
    "docs/analyses/redundancy.md": r"0\.8|0\.6",
    "docs/analyses/selectors.md": r"1\.5",
    "docs/models/kimi_audio.md": r"51\.0|57\.6|12\.5|0\.8|24 GB",
    "docs/models/minicpm_o.md": r"4\.5|51\.0|4\.57|30 seconds|1\.02|22 GB",
}


def paragraphs(text: str) -> list[str]:
    """Prose, paragraph by paragraph: without code, formulas, directives, and the targets of links."""
    text = re.sub(r"(?ms)^(`{3,}|:{3,}).*?^\1", "", text)
    text = re.sub(r"(?s)\$\$.*?\$\$|\$[^$\n]*\$", "", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return re.split(r"\n\s*\n", text)


def loose(page: str, text: str) -> list[str]:
    """Figures of a page that nothing stands behind."""
    granted = re.compile("|".join(GRANTED[name] for name in ("*", page) if name in GRANTED))
    found: list[str] = []
    for paragraph in paragraphs(text):
        prose = re.sub(r"\{[\w-]+\}`[^`]*`|`[^`]*`", "", MARKED.sub("", paragraph))
        figures = [figure.strip() for figure in FIGURE.findall(prose)]
        if not COMMAND.search(paragraph):
            found += [figure for figure in figures if not granted.fullmatch(figure)]
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_figure_is_generated_or_carries_the_command_that_gives_it(path: Path):
    page = str(path.relative_to(REPOSITORY))
    assert loose(page, path.read_text(encoding="utf-8")) == [], (
        f"{page}: give the command in the same paragraph, make the figure from a results file, or list it as granted"
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("It covered 62 % of them.", ["62 %"]),
        ("A ratio of 1.07 [0.93, 1.12].", ["1.07", "0.93", "1.12"]),
        ("It takes 20 minutes.", ["20 minutes"]),
        ("It was 0.77<!-- demo summary uar --> at first, then 0.78.", ["0.78"]),
        ("It takes 20 minutes (`make demo`).", []),
        ("A ratio of {ratio}`statistics 60M ours` in `0.77` of $0.12$ cases.", []),
        ("```\n0.77\n```\n", []),
        ("One of three.", []),
    ],
)
def test_a_figure_is_noticed(text: str, found: list[str]):
    assert loose("a page", text) == found


def commands() -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in PAGES]
    return {command for text in texts for paragraph in paragraphs(text) for command in COMMAND.findall(paragraph)}


def test_the_commands_that_are_carried_exist():
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    ours = set(typer.main.get_command(app).commands)  # pyright: ignore[reportAttributeAccessIssue]
    found = commands()
    assert len(found) > 10
    for command in found:
        first, *rest = command.split()
        name = rest[0] if rest else ""
        if first == "make" and name.isidentifier():
            assert re.search(rf"(?m)^{name}:", makefile), command
        elif first == "esn" and re.fullmatch(r"[a-z][a-z-]+", name):
            assert name in ours, command
        elif command.startswith("python -m benchmarks"):
            assert find_spec(rest[1]) is not None, command
        elif first == "pytest" and name.startswith("tests/"):
            assert (REPOSITORY / name).exists(), command


@pytest.mark.parametrize("page", sorted(OF_ONE_COMMAND))
def test_a_page_about_one_experiment_names_its_command(page: str):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    assert re.search(r"(?:python (?:-m |tools/)|make |esn |tools/|docs/results/|results/)[a-z]", text)


def test_what_is_granted_is_still_there():
    pages = {str(path.relative_to(REPOSITORY)) for path in PAGES}
    assert set(GRANTED) - {"*"} <= pages
