"""The layer profile: how much of each emotion's neurons every layer holds, and what chance would give it."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.drawing.marks import band
from esn_interp.drawing.theme import CONTROL, dress, emotion_colors, translucent

_PANEL = 92
"""Height of one row, in pixels."""


def draw(result: LayerProfile) -> go.Figure:
    """A panel per row: share of its neurons over depth, the range of uniform draws, and its bands.

    Whiskers show the range over the resamples where there are any, else the multinomial bounds.
    """
    rows, n_layers = len(result.labels), len(result.widths)
    colors, layers = emotion_colors(result.emotions), np.arange(n_layers)
    figure = make_subplots(
        rows=rows,
        shared_xaxes=True,
        vertical_spacing=min(0.3 / rows, 0.08),
        subplot_titles=[_title(result, row) for row in range(rows)],
    )
    resampled = result.resamples > 0
    low, high = (result.resampled_low, result.resampled_high) if resampled else (result.low, result.high)
    for row, emotion in enumerate(result.emotions):
        by_chance = {"name": "uniform draws, 95 %", "legendgroup": "null", "showlegend": row == 0}
        uniform = (100 * result.null_low[row], 100 * result.null_high[row])
        figure.add_trace(band(layers, *uniform, CONTROL, opacity=0.25, **by_chance), row=row + 1, col=1)
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=100 * result.share[row],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": 100 * np.maximum(high[row] - result.share[row], 0),
                    "arrayminus": 100 * np.maximum(result.share[row] - low[row], 0),
                    "thickness": 1.2,
                    "width": 3,
                },
                mode="lines+markers",
                name=result.labels[row],
                showlegend=False,
                line={"color": colors[emotion], "width": 1.6},
                marker={"size": 6},
                cliponaxis=False,
                customdata=np.stack(
                    [
                        result.counts[row],
                        result.fold[row],
                        100 * low[row],
                        100 * high[row],
                        100 * result.null_low[row],
                        100 * result.null_high[row],
                        result.p_holm[row],
                    ],
                    axis=1,
                ),
                hovertemplate=(
                    f"<b>{result.labels[row]}</b>, layer %{{x}}: %{{customdata[0]}} neurons, %{{y:.1f}} %"
                    "<br>%{customdata[1]:.2f} times chance"
                    f"<br>{'range over resamples' if resampled else '95 % bounds'}"
                    " %{customdata[2]:.1f} to %{customdata[3]:.1f} %"
                    "<br>uniform draws %{customdata[4]:.1f} to %{customdata[5]:.1f} %"
                    "<br>p over the layers (Holm) %{customdata[6]:.2g}<extra></extra>"
                ),
            ),
            row=row + 1,
            col=1,
        )
        axis = "" if row == 0 else str(row + 1)
        for found in result.bands:
            if found.row == row:
                figure.add_shape(
                    **{"type": "rect", "layer": "below", "xref": f"x{axis}", "yref": f"y{axis} domain"},
                    **{"x0": found.first - 0.5, "x1": found.last + 0.5, "y0": 0, "y1": 1, "line": {"width": 0}},
                    fillcolor=translucent(colors[emotion], 0.13),
                )
    drawn = np.concatenate([result.share, high, result.null_high])
    highest = 100 * float(np.max(drawn[~np.isnan(drawn)], initial=0.1))
    figure.update_yaxes(range=[0, 1.05 * highest], ticksuffix=" %", nticks=4)
    figure.update_xaxes(
        range=[-0.5, n_layers - 0.5],
        tickvals=list(range(0, n_layers, 1 if n_layers <= 16 else 4)),
        showgrid=False,
    )
    figure.update_xaxes(title_text="decoder layer", row=rows, col=1)
    spread = f"resampled by {result.unit}" if resampled else "95 % multinomial bounds"
    return dress(
        figure,
        "In which layers the neurons are",
        f"share of its neurons; whiskers: {spread}<br>shaded: a band that a scan finds (p 0.05 or less)",
        height=rows * _PANEL,
        below=96,
    )


def _title(result: LayerProfile, row: int) -> str:
    """The row's name, with its bands and their p-values."""
    told = [f"{found.layers}: p {found.p:.2g}" for found in result.bands if found.row == row]
    return f"{result.labels[row]}" + (f" ({'; '.join(told)})" if told else "")
