"""From a study of several models and corpora to one HTML page that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from esn_interp.files import write_atomic
from esn_interp.report.builder import asset, figure_data, figure_height, prose


@dataclass(frozen=True, eq=False)
class Plate:
    """A figure with what it says in one sentence, and what a reader must know about it."""

    heading: str
    figure: go.Figure
    summary: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Chapter:
    """What was found for one model on one corpus, or between two corpora."""

    title: str
    plates: Sequence[Plate]
    lines: tuple[str, ...] = ()


def build_grid_report(
    content: Mapping[str, Any], chapters: Sequence[Chapter], provenance: Mapping[str, str], path: str | Path
) -> Path:
    """Write the page of a study grid: a table over its cells, and a chapter with figures for each."""
    environment = Environment(
        loader=PackageLoader("esn_interp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = prose
    html = environment.get_template("grid.html.j2").render(
        study=content,
        rows=[_row(cell) for cell in content["cells"]],
        chapters=[
            {
                "title": chapter.title,
                "lines": chapter.lines,
                "plates": [
                    {
                        "name": f"f{i}-{j}",
                        "heading": plate.heading,
                        "summary": plate.summary,
                        "notes": plate.notes,
                        "data": figure_data(plate.figure),
                        "height": figure_height(plate.figure),
                    }
                    for j, plate in enumerate(chapter.plates)
                ],
            }
            for i, chapter in enumerate(chapters)
        ],
        provenance=provenance,
        settings=json.dumps(content["settings"], indent=2, ensure_ascii=False),
        style=Markup(asset("style.css")),
        draw=Markup(asset("draw.js")),
        plotly=Markup(get_plotlyjs()),
    )
    path = Path(path)
    write_atomic(path, lambda file: _write(file, html))
    return path


def _row(cell: Mapping[str, Any]) -> dict[str, Any]:
    """One line of the table: values with their bounds; what is not known is a dash."""

    def told(part: str, name: str, *, unit: str = "points") -> tuple[str, str]:
        value = cell.get(part, {}).get(name)
        if value is None or value["value"] is None:
            return "–", ""
        sign, low, high = "+" if unit == "points" else "", value["low"], value["high"]
        bounds = "" if low is None else f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"
        return f"{100 * value['value']:{sign}.1f}", bounds

    chosen, steering = cell.get("chosen"), cell.get("steering")
    return {
        "title": cell["title"],
        "uar": told("baseline", "uar", unit="%"),
        "chosen": f"{chosen['selector']}, {chosen['top']:.1%}" if chosen else "–",
        "own": told("ablation", "self"),
        "cross": told("ablation", "cross"),
        "random": told("ablation", "random"),
        "alpha": f"{steering['alpha']:g}" if steering else "–",
        "flip": told("steering", "flip_rate", unit="%"),
        "random_flip": told("steering", "random_flip_rate", unit="%"),
    }


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
