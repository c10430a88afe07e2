"""Attribution: where the evidence for the right label is, and how few gates hold it."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.attribution.result import Attribution
from esn_interp.drawing.marks import heatmap, reach
from esn_interp.drawing.theme import EFFECTS, dress, emotion_colors

_POINTS = 200  # a curve over half a million gates needs no more


def draw(result: Attribution) -> go.Figure:
    """Summed attribution by layer and emotion, and the share that the strongest gates hold."""
    figure = make_subplots(
        rows=2,
        vertical_spacing=0.2,
        row_heights=[0.55, 0.45],
        subplot_titles=["log-odds from each layer’s gates, in nats", "share held by the strongest gates"],
    )
    extent = reach(result.layers, 1e-9)
    layers = [str(layer) for layer in range(result.layers.shape[1])]
    few = result.layers.shape[1] <= 12  # numbers in the cells as long as they fit
    figure.add_trace(
        heatmap(
            result.layers,
            layers,
            result.emotions,
            limits=(-extent, extent),
            colorscale=EFFECTS,
            showscale=not few,
            colorbar={"len": 0.5, "y": 1, "yanchor": "top", "thickness": 12},
            texttemplate="%{text}" if few else None,
            text=[[_number(value) for value in row] for row in result.layers],
            customdata=np.stack([result.layers_low, result.layers_high], axis=-1),
            hovertemplate=(
                "<b>%{y}</b>, layer %{x}: %{z:+.2f} nats"
                "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
            ),
        ),
        row=1,
        col=1,
    )
    shares, gates = 100 * result.concentration("none"), result.origin.n_gates
    ranks = np.unique(np.geomspace(1, gates, _POINTS).round().astype(np.int64))
    colors = emotion_colors(result.emotions)
    for row, emotion in enumerate(result.emotions):
        figure.add_trace(
            go.Scatter(
                x=100 * ranks / gates,
                y=shares[row, ranks - 1],
                mode="lines",
                name=emotion,
                line={"color": colors[emotion], "width": 2},
                customdata=ranks,
                hovertemplate=(
                    f"<b>{emotion}</b>: the strongest %{{customdata}} gates (%{{x:.2f}} %)"
                    "<br>hold %{y:.0f} % of what speaks for it<extra></extra>"
                ),
            ),
            row=2,
            col=1,
        )
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=1)
    figure.update_xaxes(title_text="layer", showgrid=False, row=1, col=1)
    ticks = [tick for tick in (0.01, 0.1, 1, 10, 100) if tick >= 50 / gates]
    figure.update_xaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{tick:g} %" for tick in ticks],
        title_text="share of all gates (log scale)",
        row=2,
        col=1,
    )
    figure.update_yaxes(
        range=[-4, 103], tickvals=[0, 50, 100], ticktext=["0 %", "50 %", "100 %"], row=2, col=1
    )
    figure.update_layout(plot_bgcolor="white")
    return dress(
        figure,
        "What speaks for the right label",
        f"gradient × gate, {result.where} tokens"
        f"<br>{len(result.clips)} clips of {result.n_speakers} speakers",
        height=46 * len(result.emotions) + 300,
        below=110,
    )


def _number(value: float) -> str:
    """One decimal with a true minus, none for zero, a dash for what is unknown."""
    text = "–" if np.isnan(value) else f"{value:.1f}".replace("-", "−")
    return text.replace("−0.0", "0.0")
