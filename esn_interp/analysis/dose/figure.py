"""How answers move towards an emotion: curves over doses that are amounts, points at doses without an order."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.inference.estimates import Curves
from esn_interp.drawing.marks import banded, known_bars, log_position, permuted
from esn_interp.drawing.theme import BROKEN, CONTROL, FIT, INK, SERIES, SYMBOLS, dress, emotion_colors

_PERCENT = [0, 25, 50, 75, 100]
_LOSS_COLORS = SERIES[5:8]
_TITLES = (
    "clips of other emotions heard as the target",
    "clips of the target heard as the target",
    "what is lost on the way",
)
_SPREAD = 0.36
"""How far from its tick a point may lie, so that the points of one dose do not cover each other."""


def draw(result: DoseResponse) -> go.Figure:
    """Flip rate and target recall over the dose: the mean over emotions with its band, each emotion, control.

    Gains stand on an axis that is logarithmic in the factor ``1 + alpha`` above zero, and mirrored below, so
    that doublings lie equally far apart and damping still fits; sizes of sets on a logarithmic one. The
    sigmoid is dotted, with EC50 and its interval as a cross on it. Where the model breaks is shaded.
    """
    losses = list(result.lost.curves.items()) if result.lost else []
    figure = make_subplots(
        rows=3 if losses else 2,
        shared_xaxes=True,
        vertical_spacing=0.09 if losses else 0.12,
        row_heights=[0.5, 0.27, 0.23] if losses else [0.62, 0.38],
        subplot_titles=_TITLES[: 3 if losses else 2],
    )
    where, colors = _axis_position(result, result.doses), emotion_colors(result.sets)
    for row, curves in ((1, result.flip), (2, result.recall)):
        for at, emotion in enumerate(result.sets):
            figure.add_trace(
                go.Scatter(
                    x=where,
                    y=100 * curves.value[at],
                    mode="lines+markers",
                    name=emotion,
                    legendgroup=emotion,
                    showlegend=row == 1,
                    line={"color": colors[emotion], "width": 1.4},
                    marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 6},
                    customdata=_hover_data(result, curves.low[at], curves.high[at]),
                    hovertemplate=_hover_template(result, f"target {emotion}"),
                ),
                row=row,
                col=1,
            )
        _band(figure, result, curves, row=row, name="mean, 95 % interval", color=INK, dash="solid")
    if result.draws:
        _band(figure, result, result.random_flip, row=1, name="random neurons", color=CONTROL, dash="dash")
    _permuted(figure, result)
    _sigmoid(figure, result)
    for at, (name, curves) in enumerate(losses):
        color = _LOSS_COLORS[at % len(_LOSS_COLORS)]
        _band(figure, result, curves, row=3, name=f"lost: {name}", color=color, dash="solid", width=2)
    figure.update_yaxes(range=[-3, 103], tickvals=_PERCENT, ticktext=[f"{tick} %" for tick in _PERCENT])
    if losses:
        figure.update_yaxes(range=None, tickvals=None, ticktext=None, ticksuffix=" %", row=3, col=1)
    # Powers of ten would crowd: each dose has its own tick.
    labels = [label.replace("-", "−") for label in result.labels]
    figure.update_xaxes(tickvals=where, ticktext=labels, tickangle=0)
    title = {
        "alpha": "alpha (gates × (1 + alpha), log scale)",
        "top": "share of all gates that is selected (log scale)",
    }[result.axis]
    figure.update_xaxes(title_text=title, row=3 if losses else 2, col=1)
    _shade_broken(figure, result, where)
    return dress(
        figure,
        "Answers when neurons are amplified"
        if result.axis == "alpha"
        else "Answers over the number of neurons",
        _subtitle(result),
        height=620 if losses else 480,
        below=160 if losses else 140,
    )


def _subtitle(result: DoseResponse) -> str:
    """The best dose in words, EC50, and the doses at which the model breaks."""
    best = result.best
    control = f", random at most {100 * result.random_flip_rate().value:.0f} %" if result.draws else ""
    steered = "" if result.axis == "alpha" else f" (alpha {result.best_alpha:g})"
    text = (
        f"at {result.axis} {result.labels[best]}{steered}, the best, chosen on these clips:"
        f"<br>{100 * result.flip.mean[best]:.0f} % of other clips{control}"
    )
    if result.sigmoid and not np.isnan(result.sigmoid.ec50.value):
        ec50 = result.sigmoid.ec50.scaled(100 if result.axis == "top" else 1)
        text += f"<br>half of the effect at {result.axis} {ec50:.2g}{' %' if result.axis == 'top' else ''}"
    if result.broken:
        text += f"<br>over 10 points lost elsewhere: {', '.join(result.broken)} (shaded)"
    return text


def _axis_position(result: DoseResponse, doses: Float[np.ndarray, " dose"]) -> Float[np.ndarray, " dose"]:
    """Where a dose stands on the axis."""
    return log_position(doses) if result.axis == "alpha" else np.log2(doses)


def _permuted(figure: go.Figure, result: DoseResponse) -> None:
    """The mean flip rate of neurons selected by permuted labels, at the gain at which they were run."""
    null, gain = result.flip_null, result.null_alpha
    if null is None:
        return
    where = np.repeat(_axis_position(result, np.array([gain])), null.draws)
    hover = f"permuted labels, alpha {gain:g}: %{{y:.1f}} %<br>selection: {null.told_p()}<extra></extra>"
    drawn = permuted(where, 100 * null.omnibus_drawn, permutations=null.draws, hovertemplate=hover)
    figure.add_trace(drawn, row=1, col=1)


def _sigmoid(figure: go.Figure, result: DoseResponse) -> None:
    """The fitted curve and EC50 on it, where there is a fit."""
    fit = result.sigmoid
    if fit is None or np.isnan(fit.ec50.value):
        return
    above = result.doses[result.doses > 0]
    doses = np.geomspace(above[0], above[-1], 60)
    figure.add_trace(
        go.Scatter(
            x=_axis_position(result, doses),
            y=100 * fit.at(doses),
            mode="lines",
            name="sigmoid",
            line={"color": FIT, "width": 2, "dash": "dot"},
            hoverinfo="skip",
        ),
        row=1,
        col=1,
    )
    low, value, high = _axis_position(result, np.array([fit.ec50.low, fit.ec50.value, fit.ec50.high]))
    known = not np.isnan(low)
    figure.add_trace(
        go.Scatter(
            x=[value],
            y=[50 * (fit.bottom + fit.top)],
            error_x={"type": "data", "array": [high - value], "arrayminus": [value - low], "width": 5}
            if known
            else None,
            mode="markers",
            name="EC50",
            marker={"symbol": "x-thin", "size": 11, "color": FIT, "line": {"width": 2.5, "color": FIT}},
            hovertemplate=f"<b>EC50</b><br>{result.axis} {fit.ec50:.3g}<br>slope {fit.slope:.2f},"
            f" plateau {100 * fit.top:.0f} %<extra></extra>",
        ),
        row=1,
        col=1,
    )


def _shade_broken(figure: go.Figure, result: DoseResponse, where: Float[np.ndarray, " dose"]) -> None:
    """A pale background from half-way before each dose at which the model breaks to half-way after."""
    if result.lost is None:
        return
    edges = np.concatenate([[where[0] - 0.5], (where[1:] + where[:-1]) / 2, [where[-1] + 0.5]])
    for at in np.flatnonzero(result.lost.broken):
        figure.add_vrect(x0=edges[at], x1=edges[at + 1], fillcolor=BROKEN, line_width=0, layer="below")


def _band(
    figure: go.Figure,
    result: DoseResponse,
    curves: Curves,
    *,
    row: int,
    name: str,
    **look: Any,
) -> None:
    """A mean curve over the emotions, with its interval as a band where it is known."""
    banded(
        figure,
        _axis_position(result, result.doses),
        *(100 * part for part in (curves.mean, curves.mean_low, curves.mean_high)),
        row=row,
        name=name,
        showlegend=row != 2,
        customdata=_hover_data(result, curves.mean_low, curves.mean_high),
        hovertemplate=_hover_template(result, name),
        **look,
    )


def _hover_data(
    result: DoseResponse, low: Float[np.ndarray, " dose"], high: Float[np.ndarray, " dose"]
) -> np.ndarray:
    """What hovering over a point tells besides its height: the dose, and the interval in percent."""
    labels = np.array(result.labels, dtype=object)
    return np.stack([labels, 100 * low, 100 * high], axis=1)


def _hover_template(result: DoseResponse, what: str) -> str:
    """The words around it."""
    return (
        f"<b>{what}</b><br>{result.axis} %{{customdata[0]}}: %{{y:.1f}} %"
        "<br>95 % interval %{customdata[1]:.1f} to %{customdata[2]:.1f} %<extra></extra>"
    )


def draw_points(result: DoseResponse) -> go.Figure:
    """Flip rate and target recall at each dose: points for emotions, their mean and the control with bars."""
    losses = list(result.lost.curves.items()) if result.lost else []
    rows = 3 if losses else 2
    figure = make_subplots(
        rows=rows,
        shared_xaxes=True,
        vertical_spacing=0.1,
        row_heights=[0.45, 0.3, 0.25][:rows],
        subplot_titles=_TITLES[:rows],
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
                    customdata=_hover_data(result, curves.low[at], curves.high[at]),
                    hovertemplate=_hover_template(result, f"target {emotion}"),
                ),
                row=row,
                col=1,
            )
        _mean_point(figure, result, curves, row=row, lane=(lanes - 2, lanes), name="mean, 95 % interval", color=INK)
    if result.draws:
        at = (lanes - 1, lanes)
        _mean_point(figure, result, result.random_flip, row=1, lane=at, name="random neurons", color=CONTROL)
    for at, (name, curves) in enumerate(losses):
        color = _LOSS_COLORS[at % len(_LOSS_COLORS)]
        _mean_point(figure, result, curves, row=3, lane=(at, len(losses)), name=f"lost: {name}", color=color)
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
        _subtitle(result),
        height=580 if losses else 440,
        below=160 if losses else 140,
    )


def _mean_point(
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
            customdata=_hover_data(result, curves.mean_low, curves.mean_high),
            hovertemplate=_hover_template(result, name),
        ),
        row=row,
        col=1,
    )


def _lane(result: DoseResponse, lane: int, lanes: int) -> np.ndarray:
    """Positions beside the ticks."""
    offset = 0.0 if lanes == 1 else _SPREAD * (2 * lane / (lanes - 1) - 1)
    return np.arange(len(result.doses)) + offset
