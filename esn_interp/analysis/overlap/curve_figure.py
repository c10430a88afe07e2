"""Overlap over the fraction of gates that is selected."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.drawing.marks import bars
from esn_interp.drawing.theme import CONTROL, INK, dress, emotion_colors


def draw(result: Overlap, at: int = 0) -> go.Figure:
    """Fold enrichment within layers and Jaccard index of each emotion with itself; different ones in grey."""
    first = result.pairs[at]
    steps = sorted(
        (pair for pair in result.curve if (pair.a, pair.b) == (first.a, first.b)), key=lambda pair: pair.top
    )
    where = 100 * np.array([pair.top for pair in steps])
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=["shared neurons / expected, exact 95 % bounds", "Jaccard index"],
    )
    colors = emotion_colors(first.emotions_a)
    for row, emotion in enumerate(first.emotions_a):
        if emotion not in first.emotions_b:
            continue
        # Side by side, so that the whiskers of one emotion do not hide those of another.
        beside = where * 1.035 ** (row + 1 - len(first.emotions_a) / 2)
        cell = (row, first.emotions_b.index(emotion))
        fold = np.array([pair.fold[cell] for pair in steps])
        bounds = np.array([(pair.fold_low[cell], pair.fold_high[cell]) for pair in steps])
        _curve(figure, beside, fold, name=emotion, color=colors[emotion], bounds=bounds, panel=1)
        shared = np.array([pair.jaccard[cell] for pair in steps])
        _curve(figure, beside, shared, name=emotion, color=colors[emotion], panel=2)
    aside = where / 1.035 ** (len(first.emotions_a) / 2)
    others = np.array([(pair.other_emotion.low, pair.other_emotion.high) for pair in steps])
    pooled = np.array([pair.other_emotion.fold for pair in steps])
    name = "different emotions"
    _curve(figure, aside, pooled, name=name, color=CONTROL, bounds=others, panel=1, dash="dash")
    apart = np.array([float(nan_mean(pair.jaccard[~pair.same])) for pair in steps])
    _curve(figure, aside, apart, name=name, color=CONTROL, panel=2, dash="dash")
    figure.add_shape(
        **{"type": "line", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "xref": "x domain", "yref": "y"},
        line={"color": INK, "width": 1, "dash": "dot"},
    )
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(range=[-0.02, 1.02], row=2, col=1)
    figure.update_xaxes(
        type="log", tickvals=where.tolist(), ticktext=[f"{top:g} %" for top in where], tickangle=0
    )
    figure.update_xaxes(title_text="gates selected per emotion (log scale)", row=2, col=1)
    return dress(
        figure,
        "Overlap over the size of the sets",
        f"{first.a} and {first.b}<br>expected: independent sets with as many in each layer",
        height=440,
        below=140,
    )


def _curve(
    figure: go.Figure,
    where: np.ndarray,
    values: np.ndarray,
    *,
    name: str,
    color: str,
    panel: int,
    bounds: np.ndarray | None = None,
    dash: str = "solid",
) -> None:
    error = None
    if bounds is not None:
        error = bars(values, *bounds.T, thickness=1.2, width=3)
    figure.add_trace(
        go.Scatter(
            x=where,
            y=values,
            error_y=error,
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=panel == 1,
            line={"color": color, "width": 1.6, "dash": dash},
            marker={"size": 6},
            customdata=None if bounds is None else bounds,
            hovertemplate=(
                f"<b>{name}</b>: %{{y:.2f}}"
                + ("" if bounds is None else " times chance [%{customdata[0]:.2f}, %{customdata[1]:.2f}]")
                + "<extra></extra>"
            ),
        ),
        row=panel,
        col=1,
    )
