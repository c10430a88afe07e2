"""The ablation matrix: whose recall falls when whose neurons are taken away, and what random neurons do."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.ablation.measure import Ablation
from esn_interp.analysis.controls import CONTROLS
from esn_interp.drawing.numbers import signed
from esn_interp.drawing.theme import EFFECTS, GRID, INK, dress

_LEAST_RANGE = 10.0
"""Percentage points that the colour scale spans at least, so that noise does not look like an effect."""


def ablation_matrix(result: Ablation) -> go.Figure:
    """Changes of recall in percentage points, ablated set by emotion; below it the same for each control.

    All share one colour scale, centred on zero: red is a loss. An outline marks an emotion's own neurons.
    """
    panels = [("own neurons ablated", result.change, result.change_low, result.change_high)]
    if result.draws:
        like = "same layers" if len(result.matched) == 1 else "same layers, as active"
        title = f"random neurons, {like} (mean of {result.draws})"
        panels.append((title, result.random_change, result.random_low, result.random_high))
    panels += [
        (f"{CONTROLS[other.name].title}, as many", other.change, other.change_low, other.change_high)
        for other in result.comparisons
    ]
    known = np.abs([100 * change for _, change, _, _ in panels])
    extent = max(_LEAST_RANGE, float(np.nanmax(known, initial=0.0)))
    figure = make_subplots(
        rows=len(panels),
        subplot_titles=[panel[0] for panel in panels],
        vertical_spacing=0.3 / max(2, len(panels)),
        shared_xaxes=True,
    )
    for row, (_, change, low, high) in enumerate(panels, start=1):
        figure.add_trace(
            go.Heatmap(
                z=100 * change,
                x=list(result.emotions),
                y=list(result.sets),
                zmin=-extent,
                zmax=extent,
                colorscale=EFFECTS,
                showscale=False,
                xgap=2,
                ygap=2,
                texttemplate="%{text}",
                text=[[signed(100 * value) for value in line] for line in change],
                customdata=np.stack(
                    [100 * low, 100 * high, np.broadcast_to(100 * result.baseline_recall, change.shape)],
                    axis=-1,
                ),
                hovertemplate=(
                    "neurons of <b>%{y}</b> ablated<br>recall of <b>%{x}</b>: %{z:+.1f} points"
                    "<br>95 % interval %{customdata[0]:+.1f} to %{customdata[1]:+.1f}"
                    "<br>recall before: %{customdata[2]:.1f} %<extra></extra>"
                ),
            ),
            row=row,
            col=1,
        )
        for at, name in enumerate(result.sets):
            column = result.emotions.index(name)
            figure.add_shape(
                **{"type": "rect", "x0": column - 0.5, "x1": column + 0.5, "y0": at - 0.5, "y1": at + 0.5},
                line={"color": INK, "width": 1.5},
                row=row,
                col=1,
            )
    figure.update_yaxes(autorange="reversed", title_text="neurons of", showgrid=False)
    figure.update_xaxes(showgrid=False, showticklabels=True)
    figure.update_xaxes(title_text="recall of", row=len(panels), col=1)
    own, cross = result.self_change.scaled(100), result.cross_change.scaled(100)
    figure.update_layout(plot_bgcolor=GRID)
    return dress(
        figure,
        "What ablation costs each emotion’s recall",
        "change of recall in percentage points; red is a loss"
        f"<br>own emotion {signed(own.value, 1)}, others {signed(cross.value, 1)} on average",
        height=len(panels) * 46 * len(result.sets) + (len(panels) - 1) * 70,
        below=60,
    )
