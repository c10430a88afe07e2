"""Notebooks say the same as their twins in plain Python, and hold what they show; lessons can be solved.

A notebook whose content, or whose package, has changed since it was run is run by the long tests; one command runs all
anew: `make notebooks`.
"""

import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from headless_browser import CHROMIUM, browser
from nbconvert import HTMLExporter
from run_notebooks import FOLDERS, LARGEST, fresh, is_current, run, solved, twins

SOURCES = twins()
LESSONS = [twin for twin in SOURCES if twin.parent == FOLDERS[1]]
LIVE, STILL = "application/vnd.plotly.v1+json", "image/png"


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def kept(source: Path) -> nbformat.NotebookNode:
    return nbformat.read(source.with_suffix(".ipynb"), as_version=4)


def outputs(notebook: nbformat.NotebookNode) -> list[list[nbformat.NotebookNode]]:
    return [cell.get("outputs", []) for cell in notebook.cells if cell.cell_type == "code"]


def as_run(source: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs that it was committed with; those that have none yet are told, and passed over."""
    notebook = kept(source)
    if not any(outputs(notebook)):
        pytest.skip(f"{source.stem} has no outputs yet: make notebooks")
    return notebook


def figures(notebook: nbformat.NotebookNode) -> list[dict]:
    return [one.data for some in outputs(notebook) for one in some if LIVE in one.get("data", {})]


def test_every_notebook_has_a_twin():
    assert len(LESSONS) == 5
    written = sorted(path for folder in FOLDERS for path in folder.glob("*.ipynb"))
    assert sorted(source.with_suffix(".ipynb") for source in SOURCES) == written


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_twins_say_the_same(source: Path):
    assert cells(kept(source)) == cells(jupytext.read(source)), "run make notebooks"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_holds_what_it_shows(source: Path):
    notebook = as_run(source)
    assert source.with_suffix(".ipynb").stat().st_size <= LARGEST
    assert not [one for some in outputs(notebook) for one in some if one.output_type == "error"]
    drawn = figures(notebook)
    assert drawn or ".plot(" not in source.read_text(encoding="utf-8")
    assert all(STILL in one and one[LIVE]["data"] for one in drawn), "a figure is empty, or without a still picture"


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_first_cell_switches_to_a_real_model(source: Path):
    first = next(cell.source for cell in fresh(source).cells if cell.cell_type == "code")
    assert re.search(r"^MODEL\b.* = .*  # .*Qwen", first, re.MULTILINE)
    assert not re.search(r'load\w*\("', first), "load(MODEL), so that one line changes the model"


@pytest.mark.long
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_that_changed_runs(source: Path):
    if is_current(source):
        pytest.skip("its outputs are of this very content")
    notebook = fresh(source)
    run(notebook, source.parent)
    drawn = figures(notebook)
    assert drawn or ".plot(" not in source.read_text(encoding="utf-8")
    assert all(one[LIVE]["data"] for one in drawn), "a figure is empty"
    if any(outputs(kept(source))):
        assert len(drawn) == len(figures(kept(source))), "run make notebooks"


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_has_a_check_and_a_solution(source: Path):
    exercises = [cell.source for cell in fresh(source).cells if "answer = None" in cell.source]
    assert len(exercises) >= 2
    assert all(re.search(r"^print\(\w+\(answer", one, re.MULTILINE) for one in exercises)
    unsolved = [cell for cell in solved(source).cells if cell.cell_type == "code" and "answer = None" in cell.source]
    assert unsolved == []
    told = "".join(one.get("text", "") for some in outputs(as_run(source)) for one in some)
    assert told.count("Not yet: put your answer") == len(exercises)


@pytest.mark.long
@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_solutions_pass_the_checks(source: Path):
    lesson = solved(source)
    run(lesson, source.parent)
    told = "".join(one.get("text", "") for some in outputs(lesson) for one in some)
    assert told.count("Right. ") == sum("answer = None" in cell.source for cell in fresh(source).cells)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_pages_of_notebooks_show_pictures_and_players(tmp_path: Path):
    for source in (SOURCES[0], LESSONS[0]):
        html, _ = HTMLExporter(require_js_url="", mathjax_url="").from_notebook_node(as_run(source))
        (tmp_path / f"{source.stem}.html").write_text(html, encoding="utf-8")
        with browser() as page:
            page.open(tmp_path / f"{source.stem}.html", width=1400)
            assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 300)")
            assert page.evaluate("document.images.length") >= len(figures(kept(source)))
            page.until("[...document.querySelectorAll('audio')].every((one) => one.duration > 0.3)")
            assert page.evaluate("document.querySelectorAll('audio').length") >= 1
            assert page.errors == []
