"""Stability of the neuron set, and its effect, over the number of clips that it was found on."""

import numpy as np
import plotly.graph_objects as go
from einops import rearrange
from plotly.subplots import make_subplots

from esn_interp.analysis.efficiency.result import Efficiency
from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.drawing.marks import banded, bars
from esn_interp.drawing.theme import CONTROL, INK, SOFT, SYMBOLS, dress, emotion_colors


def draw(result: Efficiency) -> go.Figure:
    """Overlap with the set from all clips, of two sets without a common clip, and of chance; below, effects."""
    panels = ["overlap of the sets (Jaccard), range over resamples"]
    if result.effects is not None:
        panels.append("change of recall under ablation, 95 % over speakers")
    figure = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=0.12, subplot_titles=panels)
    sizes, colors = result.sizes, emotion_colors(result.emotions)
    each = nan_mean(rearrange(result.jaccard, "size resample emotion -> size emotion resample"))
    for at, emotion in enumerate(result.emotions):
        figure.add_trace(
            go.Scatter(
                x=sizes,
                y=each[:, at],
                mode="lines+markers",
                name=emotion,
                legendgroup=emotion,
                line={"color": colors[emotion], "width": 1.2},
                marker={"size": 6, "symbol": SYMBOLS[at % len(SYMBOLS)]},
                hovertemplate=f"<b>{emotion}</b>, %{{x}} clips: %{{y:.2f}} with all<extra></extra>",
            ),
            row=1,
            col=1,
        )
    for values, name, color, dash in (
        (result.jaccard, "mean: with the set from all clips", INK, "solid"),
        (result.agreement, "two sets, no clip in common", SOFT, "dash"),
    ):
        spread = result.spread(values)
        known = (part[~np.isnan(spread[0])] for part in (sizes, *spread))
        banded(figure, *known, row=1, name=name, color=color, dash=dash, hovertemplate=_hover(name))
    figure.add_trace(
        go.Scatter(
            x=sizes,
            y=nan_mean(result.chance),
            mode="lines",
            name="chance",
            line={"color": CONTROL, "width": 1.6, "dash": "dot"},
            hovertemplate="independent sets, as many in each layer: %{y:.3f}<extra></extra>",
        ),
        row=1,
        col=1,
    )
    ticks = [*sizes.tolist()]
    labels = [str(size) for size in ticks]
    if result.effects is not None:
        effects = result.effects
        # All clips stand to the right of the largest number, at the least that any emotion has of them.
        where = np.array([*sizes.tolist(), max(min(result.available), 1.25 * float(sizes[-1]))])
        ticks, labels = where.tolist(), [*labels, "all"]
        for at, emotion in enumerate(result.emotions):
            figure.add_trace(
                go.Scatter(
                    x=where,
                    y=100 * effects.each[:, at],
                    mode="lines+markers",
                    name=emotion,
                    legendgroup=emotion,
                    showlegend=False,
                    line={"color": colors[emotion], "width": 1.2},
                    marker={"size": 6, "symbol": SYMBOLS[at % len(SYMBOLS)]},
                    hovertemplate=f"<b>{emotion}</b>: %{{y:+.1f}} points<extra></extra>",
                ),
                row=2,
                col=1,
            )
        mean = "mean over emotions"
        banded(
            figure,
            where,
            *(100 * part for part in (effects.own, effects.low, effects.high)),
            row=2,
            name=mean,
            color=INK,
            dash="solid",
            showlegend=False,
            hovertemplate=_hover(mean),
        )
        if effects.draws:
            random = effects.random.scaled(100)
            figure.add_trace(
                go.Scatter(
                    x=where[-1:],
                    y=[random.value],
                    error_y=bars(*np.array([[random.value], [random.low], [random.high]]), thickness=1.6, width=4),
                    mode="markers",
                    name="random neurons",
                    marker={"size": 9, "color": CONTROL, "symbol": "diamond"},
                    hovertemplate=f"<b>random neurons, same layers</b>: {random:+.1f} points<extra></extra>",
                ),
                row=2,
                col=1,
            )
        figure.update_yaxes(ticksuffix=" pt", row=2, col=1)
    figure.update_yaxes(range=[-0.02, 1.02], row=1, col=1)
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=labels, tickangle=0)
    figure.update_xaxes(title_text="clips per emotion (log scale)", row=len(panels), col=1)
    return dress(
        figure,
        "How many clips it takes",
        f"{result.selector} on {result.corpus}, {result.resamples} resamples by {result.unit}"
        "<br>few clips come from few speakers"
        if result.unit == "speaker"
        else f"{result.selector} on {result.corpus}, {result.resamples} resamples by clip",
        height=280 if len(panels) == 1 else 500,
        below=150,
    )


def _hover(name: str) -> str:
    return f"<b>{name}</b>: %{{y:.2f}} [%{{customdata[0]:.2f}}, %{{customdata[1]:.2f}}]<extra></extra>"
