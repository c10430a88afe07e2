"""The tests that versions can break, under the lowest versions allowed, the newest, and each Python here.

    make versions

Each runs in a virtual environment of its own below .versions/, which is kept. Torch stays the pinned CPU build.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACE = ROOT / ".versions"
PYTHONS = ("3.11", "3.12", "3.13")
KEPT = ("torch",)
TESTS = ("tests/models/test_audio_lm.py", "tests/models/test_edits.py", "tests/neurons", "tests/speech", "tests/doctor")


def lowest() -> list[str]:
    """Each package that is always needed, at the lower end of its range."""
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    pairs = [re.match(r"([\w-]+)>=([\w.]+)", one) for one in needed]
    return [f"{found[1]}=={found[2]}" for found in pairs if found and found[1] not in KEPT]


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


def passes(name: str, python: str, versions: list[str]) -> bool:
    """Whether the tests pass in an environment with these versions, made when it is not there."""
    place = PLACE / name
    if not (place / "ready").exists():
        subprocess.run([python, "-m", "venv", "--clear", place], check=True)
        pins = place / "pins.txt"
        pins.write_text("\n".join(versions) + "\n")
        install = [place / "bin" / "python", "-m", "pip", "install", "-q", "-c", pins, "-e", f"{ROOT}[test]"]
        if subprocess.run(install, check=False).returncode:
            print(f"{name}: these versions can't be installed together")
            return False
        (place / "ready").touch()
    command = [place / "bin" / "python", "-m", "pytest", "-q", "-x", "-W", "default", *TESTS]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def main() -> int:
    found = dict(pythons())
    oldest = found[min(found, key=lambda version: int(version.split(".")[1]))]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    trials = {
        "lowest": (oldest, [*lowest(), *pinned(*KEPT)]),
        "newest": (oldest, pinned(*KEPT)),
        **{f"python{version}": (path, pins) for version, path in found.items()},
    }
    outcomes = {name: passes(name, python, versions) for name, (python, versions) in trials.items()}
    for name, fine in outcomes.items():
        print(f"{name}: {'passes' if fine else 'FAILS'}")
    missing = sorted(set(PYTHONS) - set(found))
    if missing:
        print(f"not on this machine: Python {', '.join(missing)}")
    return int(not all(outcomes.values()))


if __name__ == "__main__":
    sys.exit(main())
