"""One look for all figures: template, colours that colour-blind readers can tell apart, and shared wording.

Hues are near those of Okabe and Ito (2008), "Color universal design", and moved until every colour stands out 3 : 1 on
white and every two are 10 or more apart in CIELAB for readers of each kind of colour blindness, which a test computes.
Effects use the red-blue scale of ColorBrewer, centred on zero, counts a single-hue scale that starts at white.
"""

from collections.abc import Sequence

import plotly.graph_objects as go

INK, SOFT, GRID, PANEL = "#1f2933", "#52606d", "#e4e7eb", "#f5f7fa"
CONTROL = "#7d858d"
"""Random controls, in every figure."""
FIT = "#98181f"
"""Fitted curves and what is read off them."""
BROKEN = "#fbe9e7"
"""Background of doses at which the model breaks."""
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")
"""Beside colours, so that emotions can be told apart without them."""
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
"""The same for lines without symbols."""
PATTERNS = ("", "/", ".", "x", "-", "\\", "+", "|")
"""The same for bars."""

_EMOTIONS = {
    "neutral": "#169f7a",
    "happy": "#c18402",
    "angry": "#b85100",
    "sad": "#0594ff",
    "fearful": "#bb7bba",
}
_FURTHER = ("#4b728e", "#84554d", "#574992", "#7f7e4d", "#3c1d61")
SERIES = (*(_EMOTIONS[name] for name in ("sad", "angry", "neutral", "fearful", "happy")), *_FURTHER)
"""For what is no emotion: selectors, kinds of tokens, what is lost."""

COUNTS = ((0.0, "#ffffff"), (0.15, "#dbe9f6"), (0.4, "#9ecae1"), (0.7, "#4292c6"), (1.0, "#08519c"))
EFFECTS = (
    (0.0, "#b2182b"),
    (0.2, "#d6604d"),
    (0.35, "#f4a582"),
    (0.45, "#fddbc7"),
    (0.5, "#ffffff"),
    (0.55, "#d1e5f0"),
    (0.65, "#92c5de"),
    (0.8, "#4393c3"),
    (1.0, "#2166ac"),
)

_AXIS = {
    **{"gridcolor": GRID, "linecolor": SOFT, "ticks": "", "zeroline": False, "automargin": True},
    "title": {"standoff": 8, "font": {"size": 13, "color": SOFT}},
}
TEMPLATE = go.layout.Template(
    layout={
        "font": {
            **{"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 13, "color": INK},
        },
        "title": {
            **{"x": 0, "xref": "container", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top"},
            **{"pad": {"l": 12, "t": 18}, "font": {"size": 16}},
        },
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 64, "r": 16, "t": 80, "b": 56},
        "hoverlabel": {
            **{"bgcolor": "white", "bordercolor": SOFT, "align": "left"},
            "font": {"size": 13, "color": INK},
        },
        "legend": {
            **{"orientation": "h", "x": 0, "xref": "container", "xanchor": "left"},
            **{"y": 0, "yref": "container", "yanchor": "bottom", "itemsizing": "constant"},
            "font": {"size": 12},
        },
        # What stays are the download and the way back: figures are for reading and for hovering over.
        "modebar": {
            "remove": ["zoom", "pan", "select", "lasso", "zoomin", "zoomout", "autoscale", "sendChartToCloud"]
        },
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "colorway": [*_EMOTIONS.values(), *_FURTHER],
    }
)
"""Legends lie below the axes, so that a figure stays readable on a phone."""


def emotion_colors(emotions: Sequence[str]) -> dict[str, str]:
    """A colour for each emotion: its own where it has one, else the next free one."""
    further = (color for color in _FURTHER * len(emotions))
    return {emotion: _EMOTIONS.get(emotion) or next(further) for emotion in emotions}


def translucent(color: str, opacity: float) -> str:
    """A ``#rrggbb`` colour as ``rgba(...)``."""
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def dress(figure: go.Figure, title: str, subtitle: str, *, height: int, below: int = 56) -> go.Figure:
    """Give a figure our template, a title with a line or more below it (split by ``<br>``), and its heights.

    ``height`` is that of the plotting area and ``below`` that of what lies under it, in pixels; both hold on
    a phone as well, where only the width shrinks. Titles are not wrapped by plotly: up to 42 characters fit
    there, and 56 in the lines below.
    """
    panels = list(figure.select_annotations())
    above = 58 + 17 * (1 + subtitle.count("<br>")) + (14 if panels else 0)
    figure.update_layout(
        template=TEMPLATE,
        title_text=f'{title}<br><span style="font-size:13px;color:{SOFT}">{subtitle}</span>',
        height=above + height + below,
        margin={"t": above, "b": below},
    )
    # make_subplots centres the titles of its panels, and sets them larger than the rest of our text.
    edges = [axis.domain[0] for axis in figure.select_xaxes() if axis.domain]
    for panel in panels:
        if panel.xref == "paper":
            left = max((edge for edge in edges if edge <= panel.x), default=0)
            panel.update(font={"size": 13, "color": INK}, x=left, xanchor="left")
    return figure
