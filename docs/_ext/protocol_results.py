"""What other ways of asking, steering and reading give on the bundled models, read off ``docs/results``.

`tools/protocol_figures.py` makes the files.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from from_code import _table

RESULTS = Path(__file__).parents[1] / "results"
MODELS = ("toy-omni", "toy-emodb", "smol-audio")


def figure(part: str, model: str) -> go.Figure:
    from esn_interp.analysis.asking.result import Asking
    from esn_interp.analysis.baselines.result import Baselines
    from esn_interp.analysis.inside.where import SiteComparison

    kind: Any = {"asking": Asking, "baselines": Baselines, "sites": SiteComparison}[part]
    return kind.load(RESULTS / f"{part}-{model}.json").plot()


def _result(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))


def _points(told: dict[str, Any], digits: int = 1) -> str:
    """An interval in points; numbers that are not known are left out."""
    if told["value"] is None:
        return ""
    value = f"{100 * told['value']:+.{digits}f}"
    if told["low"] is None or told["high"] is None:
        return f"{value} [no interval]"
    return f"{value} [{100 * told['low']:+.{digits}f}, {100 * told['high']:+.{digits}f}]"


def side_by_side() -> str:
    """The same neurons asked as both protocols ask: SE, ACE and ESS in points."""
    rows: list[list[str]] = []
    for cell in _result("authors-toy")["cells"]:
        for at, row in enumerate(cell.get("protocols", ())):
            figures = (_points(row[name]) for name in ("SE", "ACE", "ESS"))
            rows.append([cell["title"] if not at else "", row["verb"], row["protocol"], f"{row['uar']:.2f}", *figures])
    return _table(["cell", "neurons", "asked by", "UAR", "SE", "ACE", "ESS"], rows)


def not_done() -> str:
    """Cells without figures, and why."""
    whys = dict.fromkeys(one["reason"] for one in _result("authors-toy")["not_done"])
    return "\n".join(f"- {why}" for why in whys)


def scopes() -> str:
    """Neurons and what silencing them does, by the tokens that count where they are found."""
    rows: list[list[str]] = []
    for model in MODELS:
        told = _result(f"scopes-{model}")["rows"]
        for row in told:
            shared = "" if row["scope"] == "all" else f"{row['shared']:.0%}"
            effects = map(_points, (row["self"], row["cross"]))
            rows.append([model, f"`{row['selector']}`", f"`{row['scope']}`", shared, *effects])
    return _table(["model", "selector", "tokens", "of these, found by `all` too", "self", "cross"], rows)


def planted_scopes() -> str:
    """The share of the selected neurons that were planted, in models that were made up, by the tokens that count."""
    found = json.loads((RESULTS.parents[1] / "benchmarks" / "results" / "planted_scopes.json").read_text("utf-8"))
    tells, rests = found["instruction tells"], found["instruction rests"]
    rows: list[list[str]] = []
    for selector in tells:
        shares = [by[selector]["all"] for by in (tells, rests)]
        shares += [tells[selector][scope] for scope in ("audio,last", "audio")]
        rows.append([f"`{selector}`", *(f"{100 * one['mean']:.0f} ± {200 * one['error']:.0f}" for one in shares)])
    columns = ("`all`, where the instruction tells", "`all`, where it rests", "`audio,last`", "`audio`")
    return _table(["selector", *columns], rows)


def baselines(model: str) -> str:
    """Every method at equal cost, and silenced."""
    from esn_interp.analysis.baselines.result import Baselines

    found = Baselines.load(RESULTS / f"baselines-{model}.json")
    silenced = {
        name: f"{100 * found.silenced.effect.value[at]:+.0f} ({100 * found.specificity.value[at]:+.0f})"
        for at, name in enumerate(found.silenced.methods)
    }
    rows: list[list[str]] = []
    for row in found.at_equal_cost().to_dict("records"):
        known = row.get("effect") == row.get("effect") and row.get("effect") is not None
        effect = f"{100 * row['effect']:.0f} [{100 * row['low']:.0f}, {100 * row['high']:.0f}]" if known else "none"
        rest = [f"{row['strength']:g}", effect, f"{100 * row['cost']:+.1f}"] if known else ["", "none", ""]
        rows.append([row["method"], *rest, silenced.get(row["method"], "")])
    head = ["method", "strength", "turned up: heard as the target, %", "cost, points"]
    return _table([*head, "taken away: own recall, points (minus others')"], rows)


TABLES: dict[str, Callable[[], str]] = {
    "authors-toy": side_by_side,
    "authors-toy-not-done": not_done,
    "scopes": scopes,
    "planted-scopes": planted_scopes,
    **{f"baselines-{model}": lambda model=model: baselines(model) for model in MODELS},
}
"""By the name that a page gives to the ``measured`` directive."""
