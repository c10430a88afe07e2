"""How the house is kept: small files, tests beside what they test, and no dependency that nothing uses."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE, TESTS, TOOLS = (REPOSITORY / name for name in ("esn_interp", "tests", "tools"))
LONGEST = 350
# What tests stand on, and files of earlier versions; no room of the package.
NO_ROOMS = {"support", "written", "tools", "trust"}
# Extras that the package itself imports where a user asks for what they do; those with weights from the hub are
# installed by nobody else, so that no version of them is pinned.
UNPINNED = ("emotion2vec", "mos")
OF_THE_PACKAGE = ("adapter", "figures", "grown", "notebook", "play", "ray", "video", *UNPINNED)
# Comes with torch where there is a card that it compiles for; without it the same sums are taken by torch.
WITH_A_CARD = {"triton"}


def modules(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported(*folders: Path) -> set[str]:
    """The top-level names of all modules that are imported anywhere below, at once or later."""
    names: set[str] = set()
    for path in modules(*folders):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names.add((node.module or "").split(".")[0])
    return names - {"esn_interp"} - sys.stdlib_module_names


def required(table: Iterable[str]) -> set[str]:
    return {normal(Requirement(line).name) for line in table}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(names: set[str]) -> set[str]:
    known = packages_distributions()
    return {normal(one) for name in names for one in known.get(name, [name])}


PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("folder", [PACKAGE, TESTS, TOOLS, REPOSITORY / "docs"], ids=lambda folder: folder.name)
def test_no_file_is_too_long_to_read(folder: Path):
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in modules(folder)}
    assert len(lengths) > 5
    assert {str(path): lines for path, lines in lengths.items() if lines > LONGEST} == {}


def test_tests_lie_where_the_package_has_a_room():
    folders = {path.parent.relative_to(TESTS) for path in TESTS.rglob("test_*.py")} - {Path()}
    rooms = {folder for folder in folders if folder.parts[0] not in NO_ROOMS}
    assert len(rooms) >= 8
    assert [room for room in sorted(rooms) if not (PACKAGE / room).is_dir()] == []


def test_every_room_and_every_analysis_has_tests():
    for room in sorted(path for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()):
        if room.name not in {"drawing", "report"}:  # seen through what they draw and write
            assert list((TESTS / room.name).glob("test_*.py")), room
    tests = [path.name for path in (TESTS / "analysis").glob("test_*.py")]
    for folder in sorted((PACKAGE / "analysis").iterdir()):
        if (folder / "measure.py").is_file():
            assert any(name.startswith(f"test_{folder.name}") for name in tests), folder


def test_the_package_requires_what_it_imports_and_nothing_else():
    extras = required(chain.from_iterable(PROJECT["optional-dependencies"][name] for name in OF_THE_PACKAGE))
    used = distributions(imported(PACKAGE))
    core = required(PROJECT["dependencies"])
    assert core - used == set()
    assert used - core - extras - WITH_A_CARD == set()


def test_every_dependency_is_pinned():
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = required(line for line in lines if not line.startswith("#"))
    extras = [table for name, table in PROJECT["optional-dependencies"].items() if name not in UNPINNED]
    assert required(chain(PROJECT["dependencies"], *extras)) - pins == {"esn-interp"}
