"""A figure in greys: what colours tell apart is told by levels of grey, each as far from the next as can be."""

import re
from collections.abc import Iterator
from typing import Any, cast

import numpy as np

DARKEST, LIGHTEST = 0, 142
"""Levels between which marks are spread; the lightest still stands out 3 : 1 on white."""
RAMP = ((0.0, "#f5f5f5"), (1.0, "#262626"))
"""Scale of amounts, and of effects from loss to gain; the numbers in the cells tell their sign."""
_COLOR = re.compile(r"#[0-9a-fA-F]{6}\b|rgba?\([^)]*\)")


def in_greys(spec: dict[str, Any]) -> None:
    """Change every colour of a figure, given as its dictionary."""
    levels = _levels(spec["data"])
    spec["data"] = [_grey(trace, levels) for trace in spec["data"]]
    spec["layout"] = _grey(spec["layout"], levels)


def _levels(traces: Any) -> dict[str, int]:
    """A level for each colour that marks or lines have, the darkest first as before."""
    marks = {
        color.lower()
        for trace in traces
        for color in _strings({key: item for key, item in trace.items() if key != "colorscale"})
        if color.startswith("#") and luminance(color) < 0.6
    }
    ranked = sorted(marks, key=luminance)
    spread = np.linspace(DARKEST, LIGHTEST, max(2, len(ranked)))
    return {color: round(level) for color, level in zip(ranked, spread.tolist(), strict=False)}


def luminance(color: str) -> float:
    """Relative luminance of a ``#rrggbb`` colour, 0 to 1 (WCAG 2.2, from IEC 61966-2-1)."""
    values = np.array([int(color[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield from _COLOR.findall(value)
    elif isinstance(value, dict):
        for item in cast(dict[str, Any], value).values():
            yield from _strings(item)
    elif isinstance(value, list | tuple):
        for item in cast(list[Any], value):
            yield from _strings(item)


def _grey(value: Any, levels: dict[str, int]) -> Any:
    if isinstance(value, str):
        return _COLOR.sub(lambda found: _one(found[0], levels), value)
    if isinstance(value, dict):
        return {
            key: [list(stop) for stop in RAMP] if key == "colorscale" and item is not None else _grey(item, levels)
            for key, item in cast(dict[str, Any], value).items()
        }
    if isinstance(value, list | tuple):
        return [_grey(item, levels) for item in cast(list[Any], value)]
    return value


def _one(color: str, levels: dict[str, int]) -> str:
    if color.startswith("#"):
        level = levels.get(color.lower(), _perceived(color))
        return f"#{level:02x}{level:02x}{level:02x}"
    numbers = [float(part) for part in re.findall(r"[\d.]+", color)]
    solid = "#" + "".join(f"{round(part):02x}" for part in numbers[:3])
    level = levels.get(solid, _perceived(solid))
    return f"rgba({level}, {level}, {level}, {numbers[3] if len(numbers) > 3 else 1:g})"


def _perceived(color: str) -> int:
    """The grey that is as bright."""
    bright = luminance(color)
    return round(255 * (12.92 * bright if bright <= 0.0031308 else 1.055 * bright ** (1 / 2.4) - 0.055))
