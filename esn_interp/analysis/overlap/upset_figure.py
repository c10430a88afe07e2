"""The UpSet plot: how many neurons are in exactly which sets.

A. Lex, N. Gehlenborg, H. Strobelt, R. Vuillemot, H. Pfister, "UpSet: visualization of intersecting sets", IEEE
Transactions on Visualization and Computer Graphics 20(12), 2014.
"""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.overlap.result import Overlap
from esn_interp.drawing.marks import name_lines
from esn_interp.drawing.theme import GRID, INK, PATTERNS, SOFT, dress, emotion_colors

_MOST = 15
"""Columns that are drawn at most; the rest hold the fewest neurons."""


def draw(result: Overlap) -> go.Figure:
    """Stacked bars of the neurons with each pattern of membership, and what chance within layers gives."""
    shown = np.sort(np.argsort(-result.pattern_counts.sum(axis=1), kind="stable")[:_MOST])
    patterns, names = result.patterns[shown], result.names
    counts, expected = result.pattern_counts[shown], result.pattern_expected[shown]
    columns = np.arange(len(shown))
    members = [
        "in " + " and ".join(name for name, held in zip(names, pattern, strict=True) if held) + " only"
        for pattern in patterns
    ]
    dots = 26 * len(names)
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[240, dots], vertical_spacing=0.03)
    for at, (emotion, color) in enumerate(emotion_colors(result.emotions).items()):
        figure.add_trace(
            go.Bar(
                x=columns,
                y=counts[:, at],
                name=emotion,
                marker={"color": color, "pattern": {"shape": PATTERNS[at % len(PATTERNS)], "size": 6}},
                customdata=np.stack([members, np.round(expected[:, at], 2)], axis=1),
                hovertemplate=(
                    f"<b>{emotion}</b>, %{{customdata[0]}}<br>%{{y}} neurons, by chance %{{customdata[1]}}"
                    "<extra></extra>"
                ),
            ),
            row=1,
            col=1,
        )
    figure.add_trace(
        go.Scatter(
            x=columns,
            y=expected.sum(axis=1),
            mode="markers",
            name="by chance, all emotions",
            marker={"symbol": "line-ew", "size": 18, "line": {"width": 2.5, "color": INK}},
            hovertemplate="by chance within layers: %{y:.1f} neurons<extra></extra>",
        ),
        row=1,
        col=1,
    )
    for column, pattern in enumerate(patterns):
        inside = np.flatnonzero(pattern)
        for rows, color in ((np.arange(len(names)), GRID), (inside, SOFT)):
            figure.add_trace(
                go.Scatter(
                    x=np.full(len(rows), column),
                    y=rows,
                    mode="lines+markers" if color == SOFT else "markers",
                    marker={"size": 11, "color": color},
                    line={"color": color, "width": 2.5},
                    showlegend=False,
                    hoverinfo="skip",
                ),
                row=2,
                col=1,
            )
    figure.update_layout(barmode="stack", legend_traceorder="normal")
    figure.update_yaxes(title_text="neurons", row=1, col=1)
    name_lines(figure, names, row=2, showgrid=False)
    figure.update_xaxes(showticklabels=False, showgrid=False, range=[-0.6, len(shown) - 0.4])
    return dress(
        figure,
        "Which neurons are in which sets",
        "each column: neurons in exactly the dotted sets"
        "<br>black strokes: independent sets, as many in each layer",
        height=240 + dots,
        below=88,
    )
