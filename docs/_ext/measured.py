"""Tables of what was measured, read off the JSON of ``benchmarks/results`` when the docs are built.

Figures in sentences are roles: ``{ratio}`statistics 60M esn_interp` `` is a ratio, ``{more}`...` `` what it is above 1.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from docutils import nodes
from from_code import _Markdown, _table
from grown_results import TABLES as GROWN
from inference_tables import TABLES as INFERENCE
from protocol_results import TABLES as PROTOCOLS
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
CORPORA = (10_000, 100_000, 10_000_000)
CARDS = {"one card": 1, "eight cards": 8, "64 cards": 64}
NOT_MEASURED = "not measured yet"


def _read(name: str) -> dict[str, Any]:
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def _cards() -> dict[str, dict[str, Any]]:
    """Results of graphics cards by file name, sorted; trials without a card are none."""
    files = sorted(RESULTS.glob("gpu*.json"))
    found = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    return {name: results for name, results in found.items() if "card" in results["machine"]}


def machine(results: Mapping[str, Any]) -> str:
    """Where and with what the figures were measured, as a sentence."""
    if not results:
        return f"*({NOT_MEASURED})*"
    where, versions = results["machine"], dict(results["versions"])
    commit = versions.pop("commit", "")
    card = f"{where['card']} ({where['card_memory_GB']:.0f} GB), " if "card" in where else ""
    threads = "one thread" if where["threads"] == 1 else f"{where['threads']} threads"
    packages = ", ".join(f"{name} {version}" for name, version in versions.items())
    return (
        f"Measured on {card}{where['processor']}, {where['cores']} cores of which {threads} computed,"
        f" {where['memory_GB']:.0f} GB of memory, {where['system']}; Python {where['python']}, {packages}"
        f"{f' (commit {commit})' if commit else ''}."
    )


def _cell(one: Mapping[str, float] | None) -> str:
    if one is None:
        return ""
    return "1" if one["ratio"] == one["low"] == one["high"] == 1 else (
        f"**{one['ratio']:.2f}** ({one['low']:.2f} to {one['high']:.2f})"
    )


def ratios(by_size: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for every way, a column for every size: the median ratio, and its quartiles."""
    by_size = {size: found for size, found in by_size.items() if found}
    if not by_size:
        return f"*({NOT_MEASURED})*"
    ways = list(dict.fromkeys(way for found in by_size.values() for way in found["ways"]))
    rows = [[way, *(_cell(found["ways"].get(way)) for found in by_size.values())] for way in ways]
    base = next(iter(by_size.values()))["base"]
    lines = [_table([f"ratio to {base}", *by_size], rows)]
    seconds = ", ".join(
        f"{found['ways'][base]['seconds']:.2g} s ({size})" for size, found in by_size.items()
    )
    lines.append(f"{base[0].upper()}{base[1:]}: {seconds}. {_amounts(by_size)}")
    return "\n\n".join(lines)


def _amounts(by_size: Mapping[str, Mapping[str, Any]]) -> str:
    """What was run in each round, and how many rounds there were."""
    words = {"clips": "clips", "tokens": "tokens", "conditions": "conditions", "new_tokens": "new tokens"}
    each = []
    for size, found in by_size.items():
        counts = [f"{found[key]:,} {word}" for key, word in words.items() if isinstance(found.get(key), int)]
        amounts = ", ".join([*counts, f"{found['rounds']} rounds"])
        each.append(f"{amounts} ({size})")
    return f"Amounts: {'; '.join(each)}."


def _section(name: str) -> str:
    return ratios(_read("cpu").get("sections", {}).get(name, {}))


def _parts() -> str:
    found = _read("cpu").get("sections", {}).get("collection", {})
    if not found:
        return f"*({NOT_MEASURED})*"
    names = list(next(iter(found.values()))["parts"])
    rows = []
    for part in names:
        cells = []
        for one in found.values():
            share = one["parts"][part] / sum(one["parts"].values())
            cells.append(f"{one['parts'][part]:.3g} ms ({share:.0%})")
        rows.append([part, *cells])
    return _table(["of one clip", *found], rows)


def _geometries() -> str:
    found = _read("cpu").get("geometries", {})
    rows = [
        [name, f"{g['parameters'] / 1e6:.1f} M", g["layers"], g["hidden"], f"{g['gates']:,}"]
        for name, g in found.items()
    ]
    return _table(["size", "decoder", "layers", "hidden", "gates a layer"], rows) if rows else ""


def _memory() -> str:
    results = _read("memory")
    rows = []
    for name, one in results.items():
        if not isinstance(one, dict) or "growth" not in one:
            continue
        count = f"{one['clips']:,} clips" if "clips" in one else f"{one['runs']:,} runs"
        plan = f", plan `{one['plan']}`" if "plan" in one else ""
        cells = [f"{one[key]:,.0f} MB" for key in ("first_MB", "end_MB", "most_MB")]
        allowed = results["allowed"][name]
        kept = "yes" if one["growth"] <= allowed else "**no**"
        rows.append([f"{count}{plan}", *cells, f"{one['growth']:+.1%}", f"{allowed:.0%}: {kept}"])
    if not rows:
        return f"*({NOT_MEASURED})*"
    return _table(["", "at first", "at the end", "at most", "growth", "allowed, kept?"], rows)


def _gpu() -> str:
    parts: list[str] = []
    for results in _cards().values():
        geometry = results["geometry"]
        shape = f"{geometry['layers']} layers of {geometry['gates']:,} gates, {results['dtype']}"
        parts.append(f"{machine(results)} The decoder has {shape}.")
        for title, columns in _by_title(results).items():
            parts += [f"**{title[0].upper()}{title[1:]}**", ratios(columns)]
    if parts:
        return "\n\n".join(parts)
    return f"*({NOT_MEASURED})* `python -m benchmarks.gpu` writes `benchmarks/results/gpu.json`, and this table."


def _by_title(results: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What was measured on a card: ``one condition, batch 8`` is the column ``batch 8`` of ``one condition``."""
    titles: dict[str, dict[str, Any]] = {}
    for section in results.values():
        for name, found in section.items() if isinstance(section, dict) else ():
            if isinstance(found, dict) and "ways" in found:
                title, _, column = name.rpartition(", ")
                titles.setdefault(title or name, {})[column or "all"] = found
    return titles


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} s"


def _corpora() -> str:
    """How long a collection takes, from the seconds a clip that were measured; cards share nothing but the merge."""
    columns: dict[str, float] = {}
    collected = _read("cpu").get("sections", {}).get("collection", {})
    for size, found in collected.items():
        columns[f"a laptop, one core, {size}"] = found["ways"]["esn_interp"]["seconds"] / found["clips"]
    for results in _cards().values():
        if (per_clip := _seconds_a_clip(results)) is not None:
            name = results["machine"].get("card", "card")
            columns |= {f"{how}, 7B ({name})": per_clip / count for how, count in CARDS.items()}
    if not columns:
        return f"*({NOT_MEASURED})*"
    rows = [
        [f"{clips:,} clips", *(_duration(clips * seconds) for seconds in columns.values())]
        for clips in CORPORA
    ]
    return _table(["", *columns], rows)


def _seconds_a_clip(results: Mapping[str, Any]) -> float | None:
    """Of the fastest whole collection on a card: ``collect, 64 clips``."""
    per_clip = [
        one["seconds"] / int(clips[1])
        for column, found in _by_title(results).get("collect", {}).items()
        if (clips := re.fullmatch(r"(\d+) clips", column))
        for way, one in found["ways"].items()
        if way.startswith("collect")
    ]
    return min(per_clip, default=None)


def _trust() -> str:
    """What is tried by force: kills, damaged files, small mistakes; a row only for what was measured."""
    results = _read("trust")
    rows: list[list[str]] = []
    if found := results.get("kills"):
        for name, one in found["works"].items():
            told = "all equal after going on" if not one["failed"] else f"{one['failed']} of {one['tests']} tests fail"
            rows.append([f"kills of {name}", str(one["kills"]), told, "`make trust`"])
    if found := results.get("damaged"):
        doors = ", ".join(found["doors"])
        drawn = "" if found["tried"] == found["cases"] else f", drawn by seed from {found['cases']:,}"
        failed = f"{found['failed']} of {found['tests']} tests fail"
        held = failed if found["failed"] else "all answered as promised"
        told = f"{held}; {found['harmless']} of the {found['cases']:,} cases are known to be harmless"
        by = "`tools/measure_trust.py --damaged some`" if drawn else "`make trust`"
        rows.append([f"damaged files, at {doors}", f"{found['tried']:,}{drawn}", told, by])
    if found := results.get("cases"):
        told = f"{', '.join(found['failed'])} fail" if found["failed"] else "all answered as expected"
        by = "`tools/measure_trust.py --cases FOLDER`"
        rows.append(["small cases modelled on public bug reports", str(found["cases"]), told, by])
    if found := results.get("coverage"):
        counted = f"{found['lines']:,} lines, {found['branches']:,} branches"
        what = f"coverage of {found['of']}, with branches"
        by = "`make coverage`" if found["of"] == "the package" else "`tools/measure_trust.py --coverage JSON --of TEXT`"
        rows.append([what, counted, f"{found['percent']:.1f} %", by])
    if found := results.get("mutants"):
        tried = found["noticed"] + found["survived"] + found["stuck"]
        told = f"{found['share_noticed']:.1%} noticed, {found['survived']} survive"
        drawn = f", drawn by seed: {found['each']} a module" if found["each"] else ""
        rows.append(["small mistakes in the numbers", f"{tried:,}{drawn}", told, "`make mutants`"])
    for name, one in results.get("versions", {}).get("trials", {}).items():
        what = name.replace("python", "Python ") if name.startswith("python") else f"the {name} versions allowed"
        failed = f"{one['failed']} fail" if one["failed"] else "all pass"
        told = failed if one["installed"] else "can't be installed together"
        rows.append([what, f"{one['tests']} tests", told, "`make versions`"])
    return _table(["tried", "how many", "outcome", "by"], rows) if rows else f"*({NOT_MEASURED})*"


def _survivors() -> str:
    """The mistakes that no test noticed, by module."""
    modules = _read("mutants").get("modules", {})
    rows = [
        [f"`{name}`", str(one["changes"]), f"{one['noticed'] + one['stuck']} of {_tried(one)}", str(one["survived"])]
        for name, one in modules.items()
    ]
    head = ["module", "possible", "noticed of those tried", "survive"]
    return _table(head, rows) if rows else f"*({NOT_MEASURED})*"


def _tried(one: Mapping[str, int]) -> int:
    return one["noticed"] + one["survived"] + one["stuck"]


TABLES: dict[str, Callable[[], str]] = {
    "machine": lambda: machine(_read("cpu")),
    "geometries": _geometries,
    "statistics": lambda: _section("statistics"),
    "ablation": lambda: _section("ablation"),
    "generation": lambda: _section("generation"),
    "sweep": lambda: _section("sweep"),
    "collection": lambda: _section("collection"),
    "parts": _parts,
    "memory": _memory,
    "gpu": _gpu,
    "corpora": _corpora,
    "trust": _trust,
    "mutants": _survivors,
}
"""By the name that a page gives to the ``measured`` directive."""


class Measured(_Markdown):
    """One of the tables."""

    required_arguments = 1

    def markdown(self) -> str:
        return (TABLES | GROWN | INFERENCE | PROTOCOLS)[self.arguments[0]]()

    def run(self) -> list[nodes.Node]:
        for file in RESULTS.glob("*.json"):
            self.env.note_dependency(str(file))
        return super().run()


def ratio_of(text: str) -> float | None:
    """The ratio that ``section size way`` names, or ``section size way / other way``; None when it is not there.

    Of a card, ``title | column | way``: ``decoder with statistics | batch 8 | ours``.
    """
    if "|" in text:
        title, column, ways = (part.strip() for part in text.split("|"))
        cards = [_by_title(results).get(title, {}).get(column, {}) for results in _cards().values()]
        found = next((one for one in cards if one), {}).get("ways", {})
    else:
        section, size, ways = text.split(" ", 2)
        found = _read("cpu").get("sections", {}).get(section, {}).get(size, {}).get("ways", {})
    names = ways.split(" / ")
    if not all(name in found for name in names):
        return None
    first, *rest = (found[name]["ratio"] for name in names)
    return first / rest[0] if rest else first


class Ratio(SphinxRole):
    """A ratio in a sentence; ``shown`` says how it is written."""

    def __init__(self, shown: Callable[[float], str]) -> None:
        self._shown = shown

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        for file in RESULTS.glob("*.json"):
            self.env.note_dependency(str(file))
        value = ratio_of(self.text)
        return [nodes.Text(NOT_MEASURED if value is None else self._shown(value))], []


class Slider(SphinxRole):
    """What a change of the playground's slider costs: its ``ratio`` to a forward pass, or the ``rounds`` behind it."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.env.note_dependency(str(RESULTS / "playground.json"))
        value = _read("playground").get(self.text)
        told = NOT_MEASURED if value is None else str(value) if isinstance(value, int) else f"{value:.2f}"
        return [nodes.Text(told)], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("measured", Measured)
    app.add_role("slider", Slider())
    app.add_role("ratio", Ratio(lambda value: f"{value:.2f}"))
    app.add_role("more", Ratio(lambda value: f"{100 * (value - 1):.0f} %" if value >= 1.01 else "less than 1 %"))
    app.add_role("faster", Ratio(lambda value: f"{1 / value:.1f}"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
