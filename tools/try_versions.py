"""The tests that versions can break, under the lowest versions allowed, the newest, and each Python here.

    make versions
    python tools/try_versions.py --only lowest      # one of them; the others' outcomes are kept

The lowest are tried with the oldest Python here, the newest with the newest: releases leave old Pythons behind.
Each runs in a virtual environment of its own below .versions/, which is kept, made by uv: it finds the lowest versions
that go together, and takes seconds where pip takes minutes. Torch stays the pinned one; where it should come from is
said to uv (UV_FIND_LINKS, UV_TORCH_BACKEND=cpu). What came of it: .versions/outcomes.json.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".versions"
OUTCOMES = PLACE / "outcomes.json"
PYTHONS = ("3.11", "3.12", "3.13")
KEPT = ("torch",)
TESTS = ("tests/models/test_audio_lm.py", "tests/models/test_edits.py", "tests/neurons", "tests/speech", "tests/doctor")
NEEDED = ("accelerate", "av", "beartype", "hypothesis", "pytest", "scikit-learn", "setuptools")
"""What these tests import beside the package; the other extras of the tests would narrow what goes together."""

UNCHECKED = ("-o", "addopts=--import-mode=importlib", "-m", "not long")
"""Without the shapes that are checked while tests run: the oldest jaxtyping can't, and no user asks it to."""


def needed() -> list[str]:
    """The requirements of what the tests import, with the ranges of pyproject.toml."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    ranges = {_name(one): one for extra in extras.values() for one in extra}
    return [ranges[name] for name in NEEDED]


def _name(requirement: str) -> str:
    return re.split(r"[\[<>=!~ ]", requirement, maxsplit=1)[0]


def pinned(*names: str) -> list[str]:
    """The pins of these packages alone."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if line.split("==")[0] in names]


def pythons() -> Iterator[tuple[str, str]]:
    """Every interpreter of a supported version that is on this machine, by version."""
    for version in PYTHONS:
        own = Path.home().glob(f".pyenv/versions/{version}.*/bin/python")
        for path in filter(None, [shutil.which(f"python{version}"), *map(str, own)]):
            tried = subprocess.run([path, "-c", ""], capture_output=True, check=False)
            if tried.returncode == 0:
                yield version, path
                break


def uv() -> str:
    """Where uv is: beside this Python, or on the path."""
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    if found is None:
        raise SystemExit('uv is not here: pip install -c constraints.txt "esn-interp[quality]"')
    return found


def lowest(python: str) -> list[str]:
    """Each package that is always needed, at the lowest version that goes together with the others' lowest."""
    limits = PLACE / "limits.txt"
    limits.write_text("\n".join(pinned(*KEPT)) + "\n")
    command = [uv(), "pip", "compile", "-q", "--no-header", "--no-annotate", "--resolution", "lowest-direct"]
    found = subprocess.run(
        [*command, "--python", python, "-c", limits, ROOT / "pyproject.toml"],
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return [line for line in found.stdout.splitlines() if _name(line) in direct()]


def direct() -> set[str]:
    """The names of what is always needed."""
    return {_name(one) for one in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]}


def made(name: str, python: str, versions: list[str]) -> Path | None:
    """The environment with these versions, made when it is not there; None where they don't go together."""
    place = PLACE / name
    if not (place / "ready").exists():
        subprocess.run([uv(), "venv", "-q", "--clear", "--python", python, place], check=True)
        pins = place / "pins.txt"
        pins.write_text("\n".join(versions) + "\n")
        install = [uv(), "pip", "install", "-q", "--python", place / "bin" / "python", "-c", pins]
        if subprocess.run([*install, "-e", ROOT, *needed()], check=False).returncode:
            return None
        (place / "ready").touch()
    return place


def outcome(place: Path | None, *options: str) -> dict[str, Any]:
    """How many tests pass and fail in an environment, and which versions it has of what the package needs."""
    if place is None:
        return {"installed": False, "tests": 0, "failed": 0}
    report = place / "report.xml"
    report.unlink(missing_ok=True)
    command = [place / "bin" / "python", "-m", "pytest", "-q", "-W", "default", "-p", "no:cacheprovider"]
    subprocess.run([*command, f"--junitxml={report}", *options, *TESTS], cwd=ROOT, check=False)
    suite = next(iter(ElementTree.parse(report).getroot().iter("testsuite")))
    counts = {name: int(suite.get(name, 0)) for name in ("tests", "skipped", "failures", "errors")}
    listed = subprocess.run(
        [uv(), "pip", "list", "--format", "json", "--python", place / "bin" / "python"], capture_output=True, check=True
    )
    return {
        "installed": True,
        "tests": counts["tests"] - counts["skipped"],
        "failed": counts["failures"] + counts["errors"],
        "versions": {one["name"]: one["version"] for one in json.loads(listed.stdout) if one["name"] in direct()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="lowest, newest, python3.12; may be repeated")
    arguments = parser.parse_args()
    found = dict(pythons())
    by_age = sorted(found, key=lambda version: int(version.split(".")[1]))
    oldest, latest = found[by_age[0]], found[by_age[-1]]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    PLACE.mkdir(exist_ok=True)
    trials = {
        "lowest": (oldest, lowest(oldest)),
        "newest": (latest, pinned(*KEPT)),
        **{f"python{version}": (path, pins) for version, path in found.items()},
    }
    outcomes: dict[str, Any] = json.loads(OUTCOMES.read_text()) if arguments.only and OUTCOMES.exists() else {}
    for name, (python, versions) in trials.items():
        if not arguments.only or name in arguments.only:
            outcomes[name] = outcome(made(name, python, versions), *(UNCHECKED if name == "lowest" else ()))
            OUTCOMES.write_text(json.dumps(outcomes, indent=1) + "\n")
    for name, one in outcomes.items():
        failed = f"{one['failed']} of {one['tests']} tests FAIL" if one["failed"] else f"{one['tests']} tests pass"
        print(f"{name}: {failed if one['installed'] else 'these versions can not be installed together: FAILS'}")
    if missing := sorted(set(PYTHONS) - set(found)):
        print(f"not on this machine: Python {', '.join(missing)}")
    return int(not all(one["installed"] and not one["failed"] for one in outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
