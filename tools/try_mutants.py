"""How many small mistakes in the numbers the tests notice.

    python tools/try_mutants.py --out benchmarks/results/mutants.json

Of each module a sample of changes is drawn (all of them with --each 0), and each is tried against the module's own
tests: another comparison, another operator, a number one off, the other branch. Survivors are listed: some are mistakes
that no test notices, some make no difference to what a function promises.
"""

import argparse
import json
import random
import sys
import time
from pathlib import Path
from typing import Any

from mutants.changes import changed, changes
from mutants.trial import NOTICED, STUCK, SURVIVED, outcome, source, warm

ROOT = Path(__file__).parent.parent
TARGETS: dict[str, tuple[str, ...]] = {
    "neurons.rates": ("neurons/test_rates.py", "neurons/test_statistics.py", "neurons/test_standardised_selectors.py"),
    "neurons.statistics": ("neurons/test_statistics.py", "neurons/test_merging.py", "neurons/test_rates.py"),
    "neurons.scores": ("neurons/test_selectors.py", "neurons/test_lape.py", "neurons/test_standardised_selectors.py"),
    "neurons.selectors": ("neurons/test_selectors.py", "neurons/test_lape.py"),
    "neurons.controls": ("neurons/test_neuron_set.py",),
    "interventions.edits": ("interventions/test_edits_from_sets.py",),
    "models.edits": ("models/test_edits.py",),
    "analysis.overlap.measure": ("analysis/test_overlap_of_odd_sets.py", "analysis/test_overlap.py"),
    "analysis.inference.bounds": ("analysis/inference/test_bounds.py", "analysis/inference/test_intervals.py"),
}
"""Modules below esn_interp, and the tests below tests/ that say what they promise; inference is added by its names."""


def targets() -> dict[str, tuple[str, ...]]:
    """The modules, with each of analysis.inference against the tests that import it."""
    inference = sorted((ROOT / "esn_interp" / "analysis" / "inference").glob("[!_]*.py"))
    names = [f"analysis.inference.{path.stem}" for path in inference]
    return {name: importing(name) for name in names} | TARGETS


def importing(module: str) -> tuple[str, ...]:
    """The tests of inference that import a module by its name; all of them, where none does."""
    tests = sorted((ROOT / "tests" / "analysis" / "inference").glob("test_*.py"))
    near = [path for path in tests if f"esn_interp.{module} import" in path.read_text(encoding="utf-8")]
    return tuple(f"analysis/inference/{path.name}" for path in near) or ("analysis/inference",)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "mutants.json")
    parser.add_argument("--each", type=int, default=25, help="changes a module that are tried; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", help="this module only; may be repeated")
    parser.add_argument("--least", type=float, default=0.85, help="share that must be noticed")
    arguments = parser.parse_args()

    # In pieces: what was tried before, in the same way, is kept.
    before = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.only and arguments.out.exists() else {}
    same = (before.get("each"), before.get("seed")) == (arguments.each, arguments.seed)
    share = 0.0
    modules: dict[str, Any] = before.get("modules", {}) if same else {}
    for name, tests in targets().items():
        if arguments.only and name not in arguments.only:
            continue
        modules[name] = tried(name, tests, each=arguments.each, seed=arguments.seed)
        told = {key: value for key, value in modules[name].items() if key != "survivors"}
        print(name, told, flush=True)
        share = written(arguments.out, modules, each=arguments.each, seed=arguments.seed)
    print(f"{share:.1%} noticed; {arguments.out}")
    return int(share < arguments.least)


def written(out: Path, modules: dict[str, Any], *, each: int, seed: int) -> float:
    """Write what is known so far; the share that was noticed."""
    counted = {what: sum(one[what] for one in modules.values()) for what in (NOTICED, SURVIVED, STUCK)}
    share = (counted[NOTICED] + counted[STUCK]) / max(1, sum(counted.values()))
    content = {"each": each, "seed": seed, "share_noticed": round(share, 4), **counted}
    out.write_text(json.dumps(content | {"modules": modules}, indent=1) + "\n", encoding="utf-8")
    return share


def tried(name: str, tests: tuple[str, ...], *, each: int, seed: int) -> dict[str, Any]:
    """A sample of a module's changes, and what became of them."""
    module, paths = f"esn_interp.{name}", [str(ROOT / "tests" / test) for test in tests]
    started = time.monotonic()
    warm(module, paths)
    once = time.monotonic() - started
    path, tree = source(module)
    possible = list(changes(tree))
    drawn = random.Random(f"{seed} {name}").sample(possible, min(each or len(possible), len(possible)))
    found: dict[str, Any] = {"changes": len(possible), NOTICED: 0, SURVIVED: 0, STUCK: 0, "survivors": []}
    lines = path.read_text(encoding="utf-8").splitlines()
    for change in sorted(drawn, key=lambda one: one.line):
        became = outcome(module, changed(tree, change), paths, longest=10 * once + 20)
        found[became] += 1
        if became == SURVIVED:
            found["survivors"].append(f"{change.line}: {change.told}: {lines[change.line - 1].strip()[:90]}")
    return found


if __name__ == "__main__":
    sys.exit(main())
