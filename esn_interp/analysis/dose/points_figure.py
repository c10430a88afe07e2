"""Doses without an order: what steering does in each token scope, or with the neurons of each band of layers."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.dose.figure import (
    FLIP_TITLE,
    LOSS_COLORS,
    LOSS_TITLE,
    RECALL_TITLE,
    hover_data,
    hover_template,
    subtitle,
)
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.inference.estimates import Curves
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import BROKEN, CONTROL, INK, SYMBOLS, dress, emotion_colors

_SPREAD = 0.36
"""How far from its tick a point may lie, so that the points of one dose do not cover each other."""


def draw(result: DoseResponse) -> go.Figure:
    """Flip rate and target recall at each dose: points for emotions, their mean and the control with bars."""
    losses = list(result.lost.curves.items()) if result.lost else []
    rows = 3 if losses else 2
    figure = make_subplots(
        rows=rows,
        shared_xaxes=True,
        vertical_spacing=0.1,
        row_heights=[0.45, 0.3, 0.25][:rows],
        subplot_titles=[FLIP_TITLE, RECALL_TITLE, LOSS_TITLE][:rows],
    )
    colors = emotion_colors(result.sets)
    panels = [(1, result.flip), (2, result.recall)]
    lanes = len(result.sets) + 2
    for row, curves in panels:
        for at, emotion in enumerate(result.sets):
            figure.add_trace(
                go.Scatter(
                    x=_lane(result, at, lanes),
                    y=100 * curves.value[at],
                    mode="markers",
                    name=emotion,
                    legendgroup=emotion,
                    showlegend=row == 1,
                    marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 7, "color": colors[emotion]},
                    customdata=hover_data(result, curves.low[at], curves.high[at]),
                    hovertemplate=hover_template(result, f"target {emotion}"),
                ),
                row=row,
                col=1,
            )
        _mean(figure, result, curves, row=row, lane=(lanes - 2, lanes), name="mean, 95 % interval", color=INK)
    if result.draws:
        at = (lanes - 1, lanes)
        _mean(figure, result, result.random_flip, row=1, lane=at, name="random neurons", color=CONTROL)
    for at, (name, curves) in enumerate(losses):
        color = LOSS_COLORS[at % len(LOSS_COLORS)]
        _mean(figure, result, curves, row=3, lane=(at, len(losses)), name=f"lost: {name}", color=color)
    figure.update_yaxes(range=[-3, 103], ticksuffix=" %", dtick=25)
    if losses:
        figure.update_yaxes(range=None, dtick=None, row=3, col=1)
    count = len(result.doses)
    figure.update_xaxes(
        tickvals=np.arange(count), ticktext=list(result.labels), range=[-0.5, count - 0.5], showgrid=False
    )
    what = {"scope": "tokens at which the gates are edited", "band": "layers whose neurons are used"}
    figure.update_xaxes(title_text=what[result.axis], row=rows, col=1)
    for at in np.flatnonzero(result.lost.broken) if result.lost else ():
        figure.add_vrect(x0=at - 0.48, x1=at + 0.48, fillcolor=BROKEN, line_width=0, layer="below")
    return dress(
        figure,
        {"scope": "Where steering acts", "band": "Which layers’ neurons steer"}[result.axis],
        subtitle(result),
        height=580 if losses else 440,
        below=160 if losses else 140,
    )


def _mean(
    figure: go.Figure,
    result: DoseResponse,
    curves: Curves,
    *,
    row: int,
    lane: tuple[int, int],
    name: str,
    color: str,
) -> None:
    """Means over the emotions, with their intervals where these are known."""
    value, low, high = 100 * curves.mean, 100 * curves.mean_low, 100 * curves.mean_high
    figure.add_trace(
        go.Scatter(
            x=_lane(result, *lane),
            y=value,
            error_y=known_bars(value, low, high, width=4, thickness=2),
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=row != 2,
            marker={"symbol": "line-ew", "size": 12, "color": color, "line": {"width": 3, "color": color}},
            customdata=hover_data(result, curves.mean_low, curves.mean_high),
            hovertemplate=hover_template(result, name),
        ),
        row=row,
        col=1,
    )


def _lane(result: DoseResponse, lane: int, lanes: int) -> np.ndarray:
    """Positions beside the ticks."""
    offset = 0.0 if lanes == 1 else _SPREAD * (2 * lane / (lanes - 1) - 1)
    return np.arange(len(result.doses)) + offset
