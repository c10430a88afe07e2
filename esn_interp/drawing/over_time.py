"""What happens along a recording: its outline, and lines above the same axis of seconds, with the text around it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Int
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import INK, PANEL, SOFT, SYMBOLS, TEMPLATE, dress, translucent

_POINTS = 240
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


def outline(waveform: Float[np.ndarray, " sample"], points: int = _POINTS) -> Float[np.ndarray, " point"]:
    """The largest magnitude in each of so many equal parts of a recording."""
    parts = np.array_split(np.abs(waveform.astype(np.float64)), min(points, max(len(waveform), 1)))
    return np.array([part.max(initial=0.0) for part in parts])


def token_places(seconds: Float[np.ndarray, " token"], duration: float) -> Float[np.ndarray, " token"]:
    """Where each token stands on the axis: audio at its second, text before and behind it, at the same pace."""
    heard = np.flatnonzero(np.isfinite(seconds))
    step = duration / max(len(heard), 1)
    first = int(heard[0]) if len(heard) else 0
    last = int(heard[-1]) if len(heard) else -1
    places = np.where(np.isfinite(seconds), seconds, 0.0)
    places[:first] = (np.arange(first) - first) * step
    places[last + 1 :] = duration + np.arange(len(seconds) - last - 1) * step
    return places


def add_outline(figure: go.Figure, envelope: Float[np.ndarray, " point"], duration: float, *, row: int = 1) -> None:
    """A recording's outline, above and below the axis of one panel."""
    seconds = (np.arange(len(envelope)) + 0.5) * duration / max(len(envelope), 1)
    surface = go.Scatter(
        x=np.concatenate([seconds, seconds[::-1]]),
        y=np.concatenate([envelope, -envelope[::-1]]),
        fill="toself",
        fillcolor=translucent(SOFT, 0.5),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )
    figure.add_trace(surface, row=row, col=1)
    figure.update_yaxes(showticklabels=False, showgrid=False, row=row, col=1)


def over_time(
    envelope: Float[np.ndarray, " point"],
    duration: float,
    lines: Mapping[str, Float[np.ndarray, " token"]],
    *,
    seconds: Float[np.ndarray, " token"],
    scopes: Int[np.ndarray, " token"],
    tokens: Sequence[str],
    title: str,
    subtitle: str,
    height: int = 300,
    text: bool = True,
) -> go.Figure:
    """A recording's outline below lines that have a value at every token; the text around it is shaded.

    ``seconds`` says where audio tokens begin (NaN for text), ``scopes`` where each stands (0 audio, 1 text, 2 last).
    ``text=False`` shows the recording alone.
    """
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04)
    places = token_places(seconds, duration)
    told = [
        f"{second:.2f} s" if np.isfinite(second) else f"“{token}”" + (" (last)" if scope == 2 else "")
        for token, second, scope in zip(tokens, seconds, scopes, strict=True)
    ]
    shown = np.ones(len(places), dtype=bool) if text else np.isfinite(seconds)
    layout: Any = TEMPLATE.layout
    colors = (INK, *(layout.colorway or ())[-5:])  # none that means an emotion
    for at, (name, values) in enumerate(lines.items()):
        figure.add_trace(
            go.Scatter(
                x=places[shown],
                y=values[shown],
                name=name,
                mode="lines+markers",
                line={"shape": "hv", "width": 2, "color": colors[at % len(colors)], "dash": _DASHES[at % len(_DASHES)]},
                marker={"size": 3, "symbol": SYMBOLS[at % len(SYMBOLS)]},
                customdata=np.array(told)[shown],
                hovertemplate=f"<b>{name}</b><br>%{{customdata}}: %{{y:.4g}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    add_outline(figure, envelope, duration, row=2)
    step = duration / max(int(np.isfinite(seconds).sum()), 1)
    start, end = (float(places.min()), float(places.max()) + step) if text else (0.0, duration)
    for low, high, name in ((start, 0.0, "prompt"), (duration, end, "question, answer")):
        if high > low:
            figure.add_shape(
                **{"type": "rect", "x0": low, "x1": high, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"},
                **{"fillcolor": PANEL, "line": {"width": 0}, "layer": "below"},
            )
            figure.add_annotation(
                x=(low + high) / 2, y=0, xref="x", yref="paper", yanchor="bottom", text=name, showarrow=False,
                font={"size": 11, "color": SOFT},
            )  # fmt: skip
    figure.update_xaxes(range=[start, end], showgrid=False)
    figure.update_xaxes(title_text="seconds", row=2, col=1)
    figure.update_yaxes(title_text="gate", zeroline=True, row=1, col=1)
    figure.update_layout(showlegend=len(lines) > 1)
    return dress(figure, title, subtitle, height=height, below=88 if len(lines) > 1 else 48)
