"""The dose-response curve: how answers move towards an emotion as its neurons are amplified."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from esn_interp.analysis.dose import Curves, DoseResponse
from esn_interp.plots.theme import CONTROL, INK, dress, emotion_colors, translucent

_PERCENT = [0, 25, 50, 75, 100]
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "x", "star")


def dose_curve(result: DoseResponse) -> go.Figure:
    """Flip rate and target recall over alpha: the mean over emotions with its band, each emotion, control.

    The axis is logarithmic in the factor ``1 + alpha`` above zero, and mirrored below, so that doublings
    lie equally far apart and damping still fits.
    """
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        row_heights=[0.62, 0.38],
        subplot_titles=[
            "clips of other emotions heard as the target",
            "clips of the target heard as the target",
        ],
    )
    where, colors = log_position(result.alphas), emotion_colors(result.sets)
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
                    marker={"symbol": _SYMBOLS[at % len(_SYMBOLS)], "size": 6},
                    customdata=_hover(result, curves.low[at], curves.high[at]),
                    hovertemplate=_template(f"target {emotion}"),
                ),
                row=row,
                col=1,
            )
        _band(figure, result, curves, row=row, name="mean, 95 % interval", color=INK, dash="solid")
    if result.draws:
        _band(figure, result, result.random_flip, row=1, name="random neurons", color=CONTROL, dash="dash")
    figure.update_yaxes(range=[-3, 103], tickvals=_PERCENT, ticktext=[f"{tick} %" for tick in _PERCENT])
    labels = [f"{alpha:g}".replace("-", "−") for alpha in result.alphas]
    figure.update_xaxes(tickvals=where, ticktext=labels, tickangle=0)
    figure.update_xaxes(title_text="alpha (gates × (1 + alpha), log scale)", row=2, col=1)
    best = result.best_alpha
    control = f", random at most {100 * result.random_flip_rate().value:.0f} %" if result.draws else ""
    return dress(
        figure,
        "Answers when neurons are amplified",
        f"at alpha {best:g}: {100 * result.flip_rate(best).value:.0f} % of other clips{control}",
        height=480,
        below=140,
    )


def log_position(alphas: Float[np.ndarray, " alpha"]) -> Float[np.ndarray, " alpha"]:
    """Where an alpha stands on the axis: ``sign(alpha) * log2(1 + |alpha|)``."""
    return np.sign(alphas) * np.log2(1 + np.abs(alphas))


def _band(
    figure: go.Figure, result: DoseResponse, curves: Curves, *, row: int, name: str, color: str, dash: str
) -> None:
    """A mean curve over the emotions, with its interval as a band where it is known."""
    where = log_position(result.alphas)
    if not np.isnan(curves.mean_low).any():
        figure.add_trace(
            go.Scatter(
                x=np.concatenate([where, where[::-1]]),
                y=100 * np.concatenate([curves.mean_high, curves.mean_low[::-1]]),
                fill="toself",
                fillcolor=translucent(color, 0.14),
                line={"width": 0},
                mode="lines",
                legendgroup=name,
                showlegend=False,
                hoverinfo="skip",
            ),
            row=row,
            col=1,
        )
    figure.add_trace(
        go.Scatter(
            x=where,
            y=100 * curves.mean,
            mode="lines",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            line={"color": color, "width": 3, "dash": dash},
            customdata=_hover(result, curves.mean_low, curves.mean_high),
            hovertemplate=_template(name),
        ),
        row=row,
        col=1,
    )


def _hover(
    result: DoseResponse, low: Float[np.ndarray, " alpha"], high: Float[np.ndarray, " alpha"]
) -> Float[np.ndarray, "alpha value"]:
    return np.stack([result.alphas, 100 * low, 100 * high], axis=1)


def _template(what: str) -> str:
    return (
        f"<b>{what}</b><br>alpha %{{customdata[0]}}: %{{y:.1f}} %"
        "<br>95 % interval %{customdata[1]:.1f} to %{customdata[2]:.1f} %<extra></extra>"
    )
