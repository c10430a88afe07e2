"""Runs the notebooks and writes them with their outputs, those whose content changed; with --all, every one.

    python tools/run_notebooks.py [--all] [NAME ...]

A notebook is made from its ``.py`` twin. What its outputs depend on (the twin, those modules of the package that it
loaded when it was run, the bundled weights and recordings) is kept in it as a digest: where that is the same, there is
nothing to run.
"""

import argparse
import base64
import hashlib
import io
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (ROOT / "notebooks", ROOT / "notebooks" / "course")
LARGEST = 2_000_000
"""Bytes of a notebook with its outputs, at most."""
COLORS = 64
"""Of a still picture: figures have few."""
TIME_LIMIT = 1800
WIDGET = "application/vnd.jupyter.widget-view+json"
"""What bars leave behind."""


def twins() -> list[Path]:
    """Every notebook's twin."""
    return [twin for folder in FOLDERS for twin in sorted(folder.glob("*.py"))]


PACKAGE = ROOT / "esn_interp"
DATA = ("*.safetensors", "*.parquet", "*.json", "*.yaml", "*.csv")
"""What the package brings that is no module: all notebooks depend on all of it."""
_LOADED = """import json, sys
print(json.dumps(sorted(m.__file__ for m in sys.modules.values() if m.__name__.split(".")[0] == "esn_interp")))"""


@cache
def _of_file(path: Path) -> str:
    content = path.read_bytes() if path.is_file() else b"gone"
    return f"{path.relative_to(ROOT)} {hashlib.sha256(content).hexdigest()}"


@cache
def _common() -> tuple[Path, ...]:
    """The files that all notebooks depend on."""
    data = [path for ending in DATA for path in PACKAGE.rglob(ending)]
    return (*data, *(FOLDERS[1] / "checking").glob("*.py"), *(ROOT / "docs" / "results").rglob("*.json"))


def digest_of(twin: Path, modules: Sequence[str]) -> str:
    """Sixteen hex digits over all that the outputs of a notebook depend on; modules are named from the package on."""
    files = sorted({*_common(), *(PACKAGE / name for name in modules)})
    content = "\n".join([*map(_of_file, files), twin.read_text(encoding="utf-8")])
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def is_current(twin: Path) -> bool:
    """Whether the notebook beside a twin holds the outputs of this very content."""
    path = twin.with_suffix(".ipynb")
    known = nbformat.read(path, as_version=4).metadata.get("esn", {}) if path.is_file() else {}
    return "modules" in known and known["digest"] == digest_of(twin, known["modules"])


def fresh(twin: Path) -> nbformat.NotebookNode:
    """The notebook of a twin, without outputs; the names of its cells are those of their places."""
    notebook = jupytext.read(twin)
    for at, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{at}"
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return notebook


def run(notebook: nbformat.NotebookNode, folder: Path) -> float:
    """Run it where it lies; seconds that it took. Bars are left out, and figures get a still picture.

    Which modules of the package it loaded is kept in its metadata.
    """
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype"
    started = time.monotonic()
    asked = nbformat.v4.new_code_cell(_LOADED, id="modules")
    notebook.cells.append(asked)
    NotebookClient(
        notebook, timeout=TIME_LIMIT, kernel_name="python3", resources={"metadata": {"path": folder}}
    ).execute()
    notebook.cells.remove(asked)
    loaded = [Path(file) for file in json.loads("".join(one.get("text", "") for one in asked.outputs))]
    notebook.metadata["esn"] = {"modules": [str(path.relative_to(PACKAGE)) for path in loaded]}
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell["outputs"] = [output for output in cell["outputs"] if WIDGET not in output.get("data", {})]
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output["data"]["image/png"] = _smaller(output["data"]["image/png"])
            if "text" in output:  # a warning names the cell's file of this run
                output["text"] = re.sub(r"\S*/ipykernel_\d+/\d+\.py:\d+: ", "", output["text"])
    return time.monotonic() - started


def _smaller(picture: str) -> str:
    """A still picture with few colours: a third of its bytes, and it looks the same."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(COLORS)
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode("ascii")


def write(twin: Path) -> str:
    """Run a notebook and write it; what there is to tell."""
    notebook = fresh(twin)
    seconds = run(notebook, twin.parent)
    language = notebook.metadata.pop("language_info", {})
    notebook.metadata["language_info"] = {"name": language.get("name", "python")}
    modules = notebook.metadata["esn"]["modules"]
    notebook.metadata["esn"] = {"digest": digest_of(twin, modules), "seconds": round(seconds), "modules": modules}
    text = nbformat.writes(notebook) + "\n"
    if len(text.encode()) > LARGEST:
        raise SystemExit(f"{twin.stem}: {len(text.encode()):,} bytes with outputs, more than {LARGEST:,}")
    twin.with_suffix(".ipynb").write_text(text, encoding="utf-8")
    return f"{twin.stem}: {seconds:.0f} s, {len(text.encode()):,} bytes"


def solved(twin: Path) -> nbformat.NotebookNode:
    """A lesson in which every exercise is replaced by its solution, in front of the check."""
    notebook = fresh(twin)
    cells: list[Any] = notebook.cells
    for at, cell in enumerate(cells):
        found = re.search(r"<summary>Solution</summary>\s*```python\n(.*?)```", cell.source, re.DOTALL)
        if found:
            exercise = cells[at - 1]
            assert "answer = None" in exercise.source, exercise.source
            exercise.source = exercise.source.replace("answer = None", found[1].strip())
    return notebook


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="of some notebooks, such as 1_find")
    parser.add_argument("--all", action="store_true", help="run all of them, whatever changed")
    given = parser.parse_args(words)
    for twin in twins():
        if given.names and twin.stem not in given.names:
            continue
        current = is_current(twin) and not given.all
        print(f"{twin.stem}: as it was" if current else write(twin), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
