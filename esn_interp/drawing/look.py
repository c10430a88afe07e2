"""How a figure is to look, for a page or a paper: its size, the size of all its text, with a title, in greys."""

import re
from collections.abc import Callable
from typing import Any, TypedDict, cast

import plotly.graph_objects as go

from esn_interp.drawing.greys import in_greys
from esn_interp.drawing.shown import Figure
from esn_interp.drawing.theme import TEMPLATE
from esn_interp.errors import EsnError

TEXT = 13
"""Size of our text in pixels, which `font_size` replaces."""
_NO_TITLE = 16
"""Pixels above the axes when there is no title."""


class Look(TypedDict, total=False):
    """What every ``plot`` takes; see `looking`."""

    width: int | None
    height: int | None
    title: bool
    font_size: float | None
    greyscale: bool


def looking(
    figure: go.Figure,
    *,
    width: int | None = None,
    height: int | None = None,
    title: bool = True,
    font_size: float | None = None,
    greyscale: bool = False,
) -> Figure:
    """The figure in another size or look, which shows itself in a notebook.

    Parameters
    ----------
    width, height
        Of the whole figure, in pixels; 96 of them are an inch on paper.
    title
        Whether it has its title; a paper says the same in a caption.
    font_size
        Size of the text in pixels, 13 otherwise. All other text (titles, axes, numbers in cells, legend) keeps its
        proportion to it, and without a ``height`` the room for it grows with it.
    greyscale
        Whether to draw in greys. Symbols, dashes and hatchings then tell apart what colours did.

    Raises
    ------
    EsnError
        When a size is not above zero.
    """
    for name, size in (("width", width), ("height", height), ("font_size", font_size)):
        if size is not None and not size > 0:
            raise EsnError(f"{name}={size}: give a number of pixels above zero")
    # Trace by trace: the figure as a whole would give its arrays as encoded text.
    spec: dict[str, Any] = {
        "data": [trace.to_plotly_json() for trace in cast(Any, figure).data],
        "layout": cast(Any, figure).layout.to_plotly_json(),
    }
    if not title:
        _without_title(spec["layout"])
    if font_size is not None:
        _resized(spec, font_size / TEXT)
    if greyscale:
        in_greys(spec)
    spec["layout"] |= {name: size for name, size in (("width", width), ("height", height)) if size is not None}
    return Figure(spec)


def _without_title(layout: dict[str, Any]) -> None:
    """No title, and the room for it given back; titles of panels keep theirs."""
    layout.pop("title", None)
    margin = dict(layout.get("margin", {}))
    panels = any(note.get("yref") == "paper" for note in layout.get("annotations", ()))
    above = _NO_TITLE + (18 if panels else 0)
    if "height" in layout and "t" in margin:
        layout["height"] -= margin["t"] - above
    layout["margin"] = margin | {"t": above}


def _resized(spec: dict[str, Any], scale: float) -> None:
    """All text larger or smaller, template included, and with it the margins that hold text."""
    spec["layout"].setdefault("template", TEMPLATE.to_plotly_json())
    spec["data"], spec["layout"] = _with_fonts(spec["data"], scale), _with_fonts(spec["layout"], scale)
    layout = spec["layout"]
    margin = dict(layout.get("margin", {}))
    grown = {side: scale * margin[side] for side in ("t", "b") if side in margin}
    if "height" in layout:
        layout["height"] += sum(grown.values()) - sum(margin[side] for side in grown)
    layout["margin"] = margin | grown


def _with_fonts(value: Any, scale: float) -> Any:
    """The same with every size of a font scaled, also where a text sets its own."""
    if isinstance(value, dict):
        return {
            key: _font(item, scale) if key.endswith("font") else _with_fonts(item, scale)
            for key, item in cast(dict[str, Any], value).items()
        }
    if isinstance(value, list | tuple):
        return [_with_fonts(item, scale) for item in cast(list[Any], value)]
    if isinstance(value, str):
        return re.sub(r"font-size:([\d.]+)px", _scaled(scale), value)
    return value


def _font(font: Any, scale: float) -> Any:
    return font | {"size": scale * font["size"]} if isinstance(font, dict) and "size" in font else font


def _scaled(scale: float) -> Callable[[re.Match[str]], str]:
    return lambda found: f"font-size:{scale * float(found[1]):.4g}px"
