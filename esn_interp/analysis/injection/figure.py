"""Label-agnostic injection: what each way of steering without the label gains, over alpha."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.injection.injected import ORACLE
from esn_interp.analysis.injection.result import Injection
from esn_interp.drawing.marks import known_bars, log_position
from esn_interp.drawing.theme import CONTROL, INK, SERIES, SOFT, SYMBOLS, dress

_COLORS = {ORACLE: INK, "two_pass": SERIES[0], "mix": SERIES[1], "union": SERIES[2]}
_NAMES = {
    ORACLE: "oracle: the true label",
    "two_pass": "two_pass: the predicted label",
    "mix": "mix: by probability",
    "union": "union: all sets alike",
}
_SIDESTEP = 0.045
"""How far the methods stand apart at one alpha, so that their bars do not cover each other."""


def draw(result: Injection) -> go.Figure:
    """Change of accuracy and of mean recall over alpha, in points; random neurons dotted, in the same hue."""
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=["change of accuracy, in points", "change of mean recall, in points"],
    )
    panels = [(1, result.accuracy, result.random_accuracy), (2, result.uar, result.random_uar)]
    for row, own, random in panels:
        figure.add_hline(y=0, line_color=SOFT, line_width=1, row=row, col=1)  # pyright: ignore[reportArgumentType]
        for at in range(len(result.methods)):
            step = _SIDESTEP * (at - (len(result.methods) - 1) / 2)
            figure.add_trace(_line(result, own, at, step, first=row == 1), row=row, col=1)
            if result.draws:
                figure.add_trace(_control(result, random, at, step, first=row == 1), row=row, col=1)
    figure.update_yaxes(ticksuffix=" ")
    figure.update_xaxes(
        tickvals=log_position(result.alphas),
        ticktext=[f"{alpha:g}".replace("-", "−") for alpha in result.alphas],
    )
    figure.update_xaxes(title_text="alpha (gates × (1 + alpha), log scale)", row=2, col=1)
    best = np.nan_to_num(result.accuracy.value, nan=-1.0).max(axis=1)
    gained = dict(zip(result.methods, 100 * best, strict=True))
    without = ", ".join(f"{name} {_signed(gain)}" for name, gain in gained.items() if name != ORACLE)
    return dress(
        figure,
        "Steering without knowing the label",
        f"accuracy without an edit: {100 * result.baseline_accuracy.value:.0f} %"
        f"<br>at the best alpha, chosen on these clips:<br>{without}"
        f"<br>with the label {_signed(gained[ORACLE])}",
        height=480,
        below=150,
    )


def _line(result: Injection, gains: Estimates, at: int, step: float, *, first: bool) -> go.Scatter:
    """One method's gains with their intervals, where these are known."""
    method, value = result.methods[at], 100 * gains.value[at]
    low, high = 100 * gains.low[at], 100 * gains.high[at]
    color = _COLORS[method]
    return go.Scatter(
        x=log_position(result.alphas) + step,
        y=value,
        error_y=known_bars(value, low, high, width=4, thickness=1.5, color=color),
        mode="lines+markers",
        name=_NAMES[method],
        legendgroup=method,
        showlegend=first,
        line={"color": color, "width": 2, "dash": "dash" if method == ORACLE else "solid"},
        marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 7},
        customdata=np.stack([result.alphas, low, high, result.p_holm[at]], axis=1),
        hovertemplate=(
            f"<b>{_NAMES[method]}</b><br>alpha %{{customdata[0]}}: %{{y:+.1f}} points"
            "<br>95 % interval %{customdata[1]:+.1f} to %{customdata[2]:+.1f}"
            "<br>p against random neurons (accuracy, Holm): %{customdata[3]:.3f}<extra></extra>"
        ),
    )


def _control(result: Injection, gains: Estimates, at: int, step: float, *, first: bool) -> go.Scatter:
    """The same with random neurons in place of the found ones."""
    method = result.methods[at]
    return go.Scatter(
        x=log_position(result.alphas) + step,
        y=100 * gains.value[at],
        mode="lines",
        name="random neurons instead",
        legendgroup="random",
        showlegend=first and at == 0,
        line={"color": CONTROL if method == ORACLE else _COLORS[method], "width": 1.5, "dash": "dot"},
        customdata=np.stack([result.alphas, 100 * gains.low[at], 100 * gains.high[at]], axis=1),
        hovertemplate=(
            f"<b>random neurons, {method}</b><br>alpha %{{customdata[0]}}: %{{y:+.1f}} points"
            "<br>95 % interval %{customdata[1]:+.1f} to %{customdata[2]:+.1f}<extra></extra>"
        ),
    )


def _signed(value: float) -> str:
    return f"{value:+.0f}".replace("-", "−")
