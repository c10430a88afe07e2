"""Notebooks run from top to bottom, and say the same as their twins in plain Python."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SOURCES = sorted(NOTEBOOKS.glob("*.py"))


def cells(notebook: nbformat.NotebookNode) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


def test_every_notebook_has_a_twin():
    assert SOURCES
    assert [source.stem for source in SOURCES] == sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_twins_say_the_same(source: Path):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert cells(notebook) == cells(jupytext.read(source)), "run make notebooks"
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs would go stale"


@pytest.mark.slow
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs(source: Path):
    notebook = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    # The limit only stops a kernel that hangs.
    here = {"metadata": {"path": NOTEBOOKS}}
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources=here).execute()
    figures = [
        output
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if "application/vnd.plotly.v1+json" in output.get("data", {})
    ]
    drawn = [figure["data"]["application/vnd.plotly.v1+json"]["data"] for figure in figures]
    assert drawn
    assert all(drawn), "a figure is empty"
