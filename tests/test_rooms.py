"""Data flows one way: what a module imports when it is imported lies in its own room or in an earlier one."""

import ast
from pathlib import Path

import esn_interp

ROOMS = (
    "errors",
    "files",
    "progress",
    "speech",
    "models",
    "neurons",
    "interventions",
    "tasks",
    "analysis.inference",
    "analysis",
    "analysis.silencing",
    "analysis.dosing",
    "analysis.mechanism",
    "analysis.comparing",
    "analysis.conversion",
    "analysis.listening",
    "plots",
    "report",
    "study",
    "cli",
)
HOUSE = Path(esn_interp.__file__).parent


def room(module: str) -> str:
    """The innermost room that a module lies in."""
    inside = module.removeprefix("esn_interp.")
    return max((name for name in ROOMS if f"{inside}.".startswith(f"{name}.")), key=len)


def imported(path: Path) -> list[str]:
    """Modules of the house that are imported at once, not within a function and not for types alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = [node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    return [name for name in names if name.startswith("esn_interp.")]


def test_no_module_reaches_back():
    looked = 0
    for path in sorted(HOUSE.rglob("*.py")):
        module = ".".join(("esn_interp", *path.relative_to(HOUSE).with_suffix("").parts))
        if path.parent == HOUSE and path.stem not in ROOMS:
            continue  # the door and the porch
        own = ROOMS.index(room(module))
        for other in imported(path):
            looked += 1
            assert ROOMS.index(room(other)) <= own, f"{module} imports {other}"
    assert looked > 500


def test_every_room_is_in_the_order():
    found = {path.parent.relative_to(HOUSE).parts[0] for path in HOUSE.glob("*/*.py")}
    assert found <= {name.split(".")[0] for name in ROOMS}
    assert {f"analysis.{path.parent.name}" for path in (HOUSE / "analysis").glob("*/*.py")} <= set(ROOMS)
