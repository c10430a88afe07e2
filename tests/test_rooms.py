"""Data flows one way: a module imports its own room and earlier ones only, at once, later or for its types.

The order of the rooms is the table in CONTRIBUTING.md.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse.csgraph import connected_components

import esn_interp

HOUSE = Path(esn_interp.__file__).parent
CONTRIBUTING = HOUSE.parent / "CONTRIBUTING.md"
PACKAGE = "esn_interp"
# The door's table of names says where each public name lives; the rooms themselves may not be entered by such a way.
DOOR = f"{PACKAGE}.__init__"


def rooms() -> list[str]:
    """The rooms in the order of the table, as dotted names below the package."""
    rows = re.findall(r"^\| `([\w./]+)` \|", CONTRIBUTING.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [row.removesuffix(".py").strip("/").replace("/", ".") for row in rows]


ROOMS = rooms()


def room_of(module: str) -> str:
    """The innermost room that a module lies in."""
    inside = module.removeprefix(f"{PACKAGE}.")
    return max((name for name in ROOMS if f"{inside}.".startswith(f"{name}.")), key=len, default="")


def modules() -> dict[str, Path]:
    """Every module of the house, by its dotted name (a folder's own is called ``__init__``)."""
    return {
        ".".join((PACKAGE, *path.relative_to(HOUSE).with_suffix("").parts)): path
        for path in sorted(HOUSE.rglob("*.py"))
    }


def imported(tree: ast.Module, module: str) -> Iterator[str]:
    """Everything of the house that a module names in an import: at the top, in a function, for types, as a string."""
    package = module.rsplit(".", 1)[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
                source = f"{above}.{source}".strip(".")
            # `from esn_interp.models import loading` names a module too
            yield from (f"{source}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in {"import_module", "__import__"}:
            # a name that is put together is known by its beginning; other people's modules are free
            yield from (
                part.value
                for argument in node.args[:1]
                for part in ast.walk(argument)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def back_imports(module: str, source: str) -> list[str]:
    """What a module imports although it lies in a later room."""
    if module == DOOR:
        return []
    own = ROOMS.index(room_of(module))
    ours = [name for name in imported(ast.parse(source), module) if f"{name}.".startswith(f"{PACKAGE}.")]
    return [name for name in ours if name != PACKAGE and room_of(name) and ROOMS.index(room_of(name)) > own]


def test_no_module_reaches_back():
    found = {name: back_imports(name, path.read_text(encoding="utf-8")) for name, path in modules().items()}
    assert len(found) > 200
    assert {name: late for name, late in found.items() if late} == {}


def test_circles_stay_within_one_folder():
    """A result may draw itself with its neighbour, and the figure know the result; nothing else may go round."""
    found = modules()
    names = [name for name in found if name != DOOR]
    number = {name.removesuffix(".__init__"): at for at, name in enumerate(names)}
    arrows = np.zeros((len(names), len(names)), dtype=bool)
    for name in names:
        for other in imported(ast.parse(found[name].read_text(encoding="utf-8")), name):
            at = number.get(other, number.get(other.rsplit(".", 1)[0]))
            if at is not None:
                arrows[number[name.removesuffix(".__init__")], at] = True
    _, circle = connected_components(arrows, directed=True, connection="strong")
    assert arrows.sum() > 500
    for label in np.flatnonzero(np.bincount(circle) > 1):
        inside = [names[at] for at in np.flatnonzero(circle == label)]
        assert len({name.rsplit(".", 1)[0] for name in inside}) == 1, inside


def test_every_module_lies_in_a_room_of_the_table():
    assert [name for name in modules() if not room_of(name)] == [DOOR]
    assert len(ROOMS) == len(set(ROOMS))
    for room in ROOMS:
        assert (HOUSE / room.replace(".", "/")).is_dir() or (HOUSE / f"{room}.py").is_file(), room


@pytest.mark.parametrize(
    "late",
    [
        "from esn_interp.studies.config import StudyConfig\n",
        "import esn_interp.studies.config\n",
        "from esn_interp.studies import config\n",
        "def plot():\n    from esn_interp.cli import app\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from esn_interp.report.page import Plate\n",
        "from importlib import import_module\nhere = import_module('esn_interp.studies.config')\n",
        "from ...studies import config\n",
    ],
)
def test_an_import_that_reaches_back_is_seen(late: str):
    assert back_imports(f"{PACKAGE}.models.families.base", late) != []


def test_an_import_of_the_own_or_an_earlier_room_is_none():
    early = "from esn_interp.errors import EsnError\nfrom esn_interp.models.edits import Edit\nimport numpy\n"
    assert back_imports(f"{PACKAGE}.models.families.base", early) == []
