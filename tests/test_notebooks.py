"""Notebooks say the same as their twins in plain Python, and hold what they show; lessons can be solved.

One that takes seconds is run each time, and says again what it said; what all others call is checked without running
them. Whichever changed since it was run, or loaded a module that did, is run by the long tests; one command runs these
anew: `make notebooks`.
"""

import json
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import jupytext
import nbformat
import pytest
from headless_browser import CHROMIUM, browser
from nbconvert import HTMLExporter
from run_notebooks import FOLDERS, LARGEST, ROOT, digest_of, fresh, is_current, run, solved, twins

SOURCES = twins()
LESSONS = [twin for twin in SOURCES if twin.parent == FOLDERS[1]]
CHEAP = ("1_find",)
"""Run each time, in a dozen seconds: it loads, listens, collects, selects and draws."""
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


def said(notebook: nbformat.NotebookNode) -> str:
    """All text of the outputs, warnings left out; figures and players say no more than their kind."""
    told = [one for some in outputs(notebook) for one in some if one.get("name") != "stderr"]
    return " ".join(one.get("text", "") or one.get("data", {}).get("text/plain", "") for one in told)


NUMBER = re.compile(r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]\d+)?")


def numbers(text: str) -> list[float]:
    return [float(found.replace(",", "").replace("−", "-")) for found in NUMBER.findall(text)]


def assert_alike(one: str, other: str) -> None:
    """The same words, and numbers that another processor may round otherwise: a clip of fifty, or a twentieth."""
    assert NUMBER.sub("#", one).split() == NUMBER.sub("#", other).split(), "run make notebooks"
    assert numbers(one) == pytest.approx(numbers(other), rel=0.05, abs=0.025), "run make notebooks"


def test_texts_are_compared_with_tolerance():
    assert_alike("recall 0.52 of 1,024", "recall 0.53  of 1,024")
    for other in ("recall 0.62 of 1,024", "recall 0.52 of 2,024", "share 0.52 of 1,024", "recall −0.52 of 1,024"):
        with pytest.raises(AssertionError):
            assert_alike("recall 0.52 of 1,024", other)


@pytest.mark.slow
@pytest.mark.parametrize("source", [one for one in SOURCES if one.stem in CHEAP], ids=lambda path: path.stem)
def test_a_cheap_notebook_says_again_what_it_said(source: Path):
    notebook = fresh(source)
    run(notebook, source.parent)
    assert_alike(said(notebook), said(as_run(source)))
    assert len(figures(notebook)) == len(figures(kept(source))) > 0


@pytest.mark.slow
@pytest.mark.skipif(find_spec("pyright") is None, reason="pyright comes with the development tools")
def test_what_notebooks_call_is_there(tmp_path: Path):
    """Names, arguments and imports of every twin, by the type checker."""
    checks = dict.fromkeys(("reportAttributeAccessIssue", "reportCallIssue", "reportMissingImports"), "error")
    paths = {"include": ["."], "extraPaths": [str(ROOT), str(FOLDERS[1])], "typeCheckingMode": "off"}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(paths | checks), encoding="utf-8")
    for source in SOURCES:
        (tmp_path / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")
    wrong = "import esn_interp as esn\nesn.ablation(1, 2, 3, drawz=1)\nesn.elect\n"
    (tmp_path / "wrong.py").write_text(wrong, encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "-p", str(tmp_path), "--outputjson"]
    told = json.loads(subprocess.run(command, capture_output=True, text=True, check=False).stdout)
    found = [(Path(one["file"]).name, one["message"].split("\n")[0]) for one in told["generalDiagnostics"]]
    assert len([one for one in found if one[0] == "wrong.py"]) == 2  # it looks
    assert [one for one in found if one[0] != "wrong.py"] == []


def test_a_notebook_is_stale_when_a_module_that_it_loaded_changes():
    twin = SOURCES[0]
    some, more = ["neurons/scores.py"], ["neurons/scores.py", "models/edits.py"]
    assert digest_of(twin, some) == digest_of(twin, some)
    assert len({digest_of(twin, names) for names in (some, more, ["neurons/gone.py"])}) == 3
    assert digest_of(SOURCES[1], some) != digest_of(twin, some)


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
