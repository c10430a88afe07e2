"""Tables of what was simulated about intervals and p-values, read off the JSON of ``benchmarks/results``."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from from_code import _table

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
NOT_YET = "*(not simulated yet)*"
PROMISED, WIDEST = 0.93, 1.5


def _read(name: str) -> dict[str, Any]:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def coverage() -> str:
    """A row for each estimand: the worst cell and the mean widths, ours beside cluster-t."""
    cells = _read("intervals").get("cells", [])
    groups: dict[tuple[str, float, float], list[dict[str, Any]]] = {}
    for cell in cells:
        groups.setdefault((cell["what"], cell["lost"], cell["gained"]), []).append(cell)
    rows = [
        [
            _estimand(*key),
            str(len(some)),
            f"{_least(some, 'ours')} to {_most(some, 'ours')}",
            f"{_least(some, 'cluster_t')} to {_most(some, 'cluster_t')}",
            str(sum(one["ours_coverage"] < PROMISED for one in some)),
            str(sum(_wide(one) for one in some)),
            f"{_width(some, 4, 'ours')} ({_width(some, 4, 'cluster_t')})",
            f"{_width(some, 10, 'ours')} ({_width(some, 10, 'cluster_t')})",
        ]
        for key, some in groups.items()
    ]
    head = ["estimand", "cells", "ours hold", "cluster-t holds", f"cells under {PROMISED}", "cells too wide"]
    head += ["width, 4 speakers", "10"]
    return _table(head, rows) if rows else NOT_YET


def _wide(cell: dict[str, Any]) -> bool:
    """Whether an interval is needlessly wide: cluster-t's would do as well."""
    return cell["cluster_t_coverage"] >= PROMISED and cell["ours_width"] > WIDEST * cell["cluster_t_width"]


def _estimand(what: str, lost: float, gained: float) -> str:
    told = {
        "share": f"a share of {gained:g}",
        "change": f"a change, {lost:g} lost and {gained:g} gained",
        "mean share": f"mean of 5 shares of {gained:g}",
        "mean change": f"mean of 5 changes, {lost:g} lost and {gained:g} gained",
        "specificity": f"self minus cross, own loss {lost:g}",
    }
    return told[what]


def _least(cells: list[dict[str, Any]], name: str) -> str:
    return f"{min(one[f'{name}_coverage'] for one in cells):.3f}"


def _most(cells: list[dict[str, Any]], name: str) -> str:
    return f"{max(one[f'{name}_coverage'] for one in cells):.3f}"


def _width(cells: list[dict[str, Any]], speakers: int, name: str) -> str:
    some = [one[f"{name}_width"] for one in cells if one["speakers"] == speakers]
    return f"{sum(some) / len(some):.2f}"


def nulls() -> str:
    """A row for each made-up study whose labels say nothing: how often either test rejects."""
    rows = [
        [
            one["listener"],
            f"`{one['selector']}`",
            "shuffled" if one["shuffled"] else "true, nothing in the clips",
            *(f"{one[test]['0.05']:.3f}" for test in TESTS),
            f"{one['selection']['0.01']:.3f}",
            " / ".join(f"{_excess(one, test):+.1f}" for test in TESTS[1:]),
        ]
        for one in _read("nulls").get("scenes", [])
        if one["nothing"]
    ]
    head = ["listener", "selector", "labels", *(f"{_TOLD[test]}, p ≤ .05" for test in TESTS)]
    head += ["selection, p ≤ .01", "most over nominal, in standard errors (any / all)"]
    return _table(head, rows) if rows else NOT_YET


TESTS = ("signs", "selection", "omnibus")
_TOLD = {"signs": "signs", "selection": "selection, any emotion", "omnibus": "selection, all emotions"}


def _excess(row: dict[str, Any], test: str) -> float:
    """The most that a test rejects beyond what it promises, over all levels that can be resolved."""
    return max(
        (share - float(level)) / math.sqrt(float(level) * (1 - float(level)) / row["repetitions"])
        for level, share in row[test].items()
    )


def power() -> str:
    """A row for each selector and strength of what is planted: how often it is found."""
    rows = [
        [f"`{one['selector']}`", f"{one['strength']:g}", *(f"{one[test]['0.05']:.2f}" for test in TESTS)]
        for one in _read("nulls").get("scenes", [])
        if not one["nothing"]
    ]
    head = ["selector", "planted, in sd over clips", *(f"{_TOLD[test]}, p ≤ .05" for test in TESTS)]
    return _table(head, rows) if rows else NOT_YET


def ablated() -> str:
    """Toy-omni silenced by shuffled labels, shuffle by shuffle, and by the true ones."""
    rows = [
        [
            one["labels"],
            f"{one['self']:+.2f}",
            f"{one['random']:+.2f}",
            f"{one['specificity']:+.2f} [{one['specificity_low']:+.2f}, {one['specificity_high']:+.2f}]",
            f"{one['holm']:.2g}",
            f"{one['selection']:.2g}",
            f"{one['omnibus']:.2g}",
        ]
        for one in _read("shuffled_ablation").get("rows", [])
    ]
    head = ["labels", "own", "random", "self minus cross", "signs, least p (Holm)"]
    head += ["selection, least p of an emotion", "selection, all emotions"]
    return _table(head, rows) if rows else NOT_YET


def shuffled() -> str:
    """Toy-omni with shuffled labels: how often overlap and bands reject, before and after."""
    rows = [
        [
            f"`{one['selector']}`",
            one["what"],
            str(one["shuffles"]),
            f"{one['before']:.2f}",
            f"{one['after']:.2f}",
            one["true"],
        ]
        for one in _read("shuffled_labels").get("tests", [])
    ]
    head = ["selector", "test", "shuffles", "p ≤ .05 without the selection", "p ≤ .05 with it", "true labels"]
    return _table(head, rows) if rows else NOT_YET


def selectors() -> str:
    """What silencing costs by selector and size, from docs/results/selectors.json."""
    file = RESULTS.parents[1] / "docs" / "results" / "selectors.json"
    if not file.exists():
        return NOT_YET
    found: dict[tuple[str, float], dict[str, str]] = {}
    for row in json.loads(file.read_text(encoding="utf-8"))["rows"]:
        if row["neurons"] == "own":
            told = f"{100 * row['value']:+.1f} [{100 * row['low']:+.1f}, {100 * row['high']:+.1f}]"
            found.setdefault((row["selector"], row["top"]), {})[row["quantity"]] = told
    quantities = list(next(iter(found.values())))
    rows = [[f"`{name}`", f"{100 * top:g} %", *map(of.get, quantities)] for (name, top), of in found.items()]
    return _table(["selector", "size", *(one.replace("_", " ") for one in quantities)], rows)


def voices() -> str:
    """How far evaluation voices are from training voices, from docs/results/voice_distances.json."""
    file = RESULTS.parents[1] / "docs" / "results" / "voice_distances.json"
    if not file.exists():
        return NOT_YET
    found = json.loads(file.read_text(encoding="utf-8"))
    rows = [
        [one["corpus"], f"`{one['speaker']}`", f"`{one['nearest']}`", f"{one['apart']:.1f}", f"{one['halves']:.1f}"]
        for one in found["rows"]
    ]
    of = f"{found['training_voices']} training and development voices"
    between = ["", of, "their nearest other", f"{found['training_nearest_median']:.1f} (median)", ""]
    return _table(["corpus", "evaluation voice", "nearest in training", "apart", "own halves"], [*rows, between])


TABLES: dict[str, Callable[[], str]] = {
    "coverage": coverage,
    "nulls": nulls,
    "power": power,
    "ablated": ablated,
    "shuffled": shuffled,
    "selectors": selectors,
    "voices": voices,
}
