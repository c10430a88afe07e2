"""What docs/reliability.md says: kills, damaged files, coverage, mutants, into benchmarks/results/trust.json.

    make trust                                  # kills and damaged files, the long run: half an hour
    make coverage mutants versions              # the other rows; each is kept until it is measured anew
"""

import argparse
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "trust.json"
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]


def pytested(*words: str) -> dict[str, Any]:
    """How many tests passed and failed, by the report that pytest writes for machines."""
    report = ROOT / ".pytest_cache" / "trust.xml"
    report.parent.mkdir(exist_ok=True)
    options = ("-q", f"--junitxml={report}", *words)
    subprocess.run([sys.executable, "-m", "pytest", *options], cwd=ROOT, check=False)
    suite = next(iter(ElementTree.parse(report).getroot().iter("testsuite")))
    failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    seconds = round(float(suite.get("time", 0)), 1)
    return {"tests": int(suite.get("tests", 0)), "failed": failed, "seconds": seconds}


def kills(works: Sequence[str], before: dict[str, Any]) -> dict[str, Any]:
    """Every long command killed at moments drawn by two seeds, and what came of it; each is kept until it is anew."""
    from tests.trust.test_kills import MANY, SEEDS, WORKS

    found: dict[str, Any] = dict(before.get("works", {}))
    for name in works or WORKS:
        tests = [f"tests/trust/test_kills.py::test_many_kills_cost_nothing[{seed}-{name}]" for seed in SEEDS]
        found[name] = {"kills": MANY * len(SEEDS)} | pytested("-m", "long", *tests)
    return {"works": found}


def damaged(which: str) -> dict[str, Any]:
    """Damaged files at every door: all of them, or ``some``, drawn by seed from all doors."""
    from tests.trust.test_malformed import CASES, HARMLESS, SAMPLE

    doors = sorted({case.door.name.split()[0].rstrip(",") for case in CASES})
    tried = len(CASES) if which == "all" else SAMPLE
    found = pytested("-m", "long" if which == "all" else "not long", "tests/trust/test_malformed.py")
    return {"doors": doors, "cases": len(CASES), "tried": tried, "harmless": len(HARMLESS)} | found


def cases(folder: Path) -> dict[str, Any]:
    """A folder of small cases, each with a ``run.sh`` that ends with 0 where the answer is right."""
    scripts = sorted(folder.glob("*/run.sh"))
    environment = os.environ | {"PY": sys.executable, "PYTHONPATH": str(ROOT)}
    codes = {
        one.parent.name: subprocess.run([one], cwd=ROOT, env=environment, capture_output=True, check=False).returncode
        for one in scripts
    }
    return {"cases": len(codes), "failed": sorted(name for name, code in codes.items() if code)}


def coverage(path: Path, of: str) -> dict[str, Any]:
    """Branch coverage from coverage.py's own report; ``of`` says of which part, where it is not the package."""
    totals = json.loads(path.read_text(encoding="utf-8"))["totals"]
    return {
        "of": of,
        "percent": round(totals["percent_covered"], 2),
        "lines": totals["num_statements"],
        "branches": totals["num_branches"],
        "branches_covered": totals["covered_branches"],
    }


def mutants(path: Path) -> dict[str, Any]:
    """The share of mutants that the tests notice."""
    told = json.loads(path.read_text(encoding="utf-8"))
    return {name: told[name] for name in ("each", "share_noticed", "noticed", "survived", "stuck")}


def versions(path: Path) -> dict[str, Any]:
    """Which versions of what the package needs, and of Python, its tests pass with."""
    told = json.loads(path.read_text(encoding="utf-8"))
    kept = ("installed", "tests", "failed")
    return {"trials": {name: {entry: one[entry] for entry in kept} for name, one in told.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--kills", nargs="*", metavar="WORK", help="all, or only these")
    parser.add_argument("--damaged", nargs="?", const="all", choices=("all", "some"), help="all (minutes), or some")
    parser.add_argument("--cases", type=Path, metavar="FOLDER", help="cases with a run.sh each")
    parser.add_argument("--coverage", type=Path, metavar="JSON", help="what `coverage json` wrote")
    parser.add_argument("--of", default="the package", metavar="TEXT", help="what the coverage is of")
    parser.add_argument("--mutants", type=Path, metavar="JSON", help="what tools/try_mutants.py wrote")
    parser.add_argument("--versions", type=Path, metavar="JSON", help="what tools/try_versions.py wrote")
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    measured: dict[str, dict[str, Any]] = {}
    if arguments.kills is not None:
        measured["kills"] = kills(arguments.kills, results.get("kills", {}))
    if arguments.damaged:
        measured["damaged"] = damaged(arguments.damaged)
    if arguments.cases:
        measured["cases"] = cases(arguments.cases)
    if arguments.coverage:
        measured["coverage"] = coverage(arguments.coverage, arguments.of)
    if arguments.mutants:
        measured["mutants"] = mutants(arguments.mutants)
    if arguments.versions:
        measured["versions"] = versions(arguments.versions)
    today = datetime.now(UTC).date().isoformat()
    results |= {name: found | {"date": today} for name, found in measured.items()}
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(RESULTS)


if __name__ == "__main__":
    main()
