"""From a study of several models and corpora to one HTML page that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esn_interp.report.page import Plate, fill_with_figures, write_page


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
    html = fill_with_figures(
        "grid.html.j2",
        study=content,
        rows=[_row(cell) for cell in content["cells"]],
        chapters=[
            {
                "title": chapter.title,
                "lines": chapter.lines,
                "plates": [plate.content(f"f{i}-{j}") for j, plate in enumerate(chapter.plates)],
            }
            for i, chapter in enumerate(chapters)
        ],
        provenance=provenance,
        settings=json.dumps(content["settings"], indent=2, ensure_ascii=False),
    )
    return write_page(path, html)


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
