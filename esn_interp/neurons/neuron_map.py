"""The neuron map: where in the network the neurons of each emotion lie."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import COUNTS, PANEL, dress, emotion_colors
from esn_interp.neurons.neuron_set import NeuronSet

_MANY = 20_000
"""From so many marks on they are drawn by the graphics card; vector marks would stall the browser."""


def neuron_map(neurons: NeuronSet) -> go.Figure:
    """Every selected gate as a mark at its layer and neuron, coloured by emotion, and the counts per layer.

    Each layer is a band as wide as the layer has gates, with a lane for each emotion, so that a gate in
    several sets shows several marks. Beside it, on the same layer axis, the number of neurons per layer and
    emotion.
    """
    emotions, widths = neurons.emotions, neurons.widths
    colors, n_layers = emotion_colors(emotions), len(widths)
    band = 44 if n_layers <= 10 else max(20, 440 // n_layers)
    figure = make_subplots(cols=2, shared_yaxes=True, column_widths=[0.64, 0.36], horizontal_spacing=0.03)
    figure.update_layout(
        shapes=[
            {
                **{"type": "rect", "layer": "below", "xref": "x", "yref": "y", "line": {"width": 0}},
                **{"x0": -0.5, "x1": width - 0.5, "y0": layer - 0.46, "y1": layer + 0.46, "fillcolor": PANEL},
            }
            for layer, width in enumerate(widths)
        ]
    )
    marks = go.Scattergl if len(neurons) > _MANY else go.Scatter
    # The first emotion takes the uppermost lane, as it comes first in the legend.
    lanes = 0.46 - (np.arange(len(emotions)) + 0.5) * 0.92 / len(emotions)
    for at, emotion in enumerate(emotions):
        one = neurons[emotion]
        figure.add_trace(
            marks(
                x=one.in_layer,
                y=one.layer + lanes[at],
                mode="markers",
                name=emotion,
                marker={
                    **{"symbol": "line-ns", "size": 0.8 * band / len(emotions), "color": colors[emotion]},
                    "line": {"width": 1.6, "color": colors[emotion]},
                },
                customdata=np.stack([one.layer, one.neuron, one.score], axis=1),
                hovertemplate=(
                    f"<b>{emotion}</b><br>layer %{{customdata[0]}}, neuron %{{customdata[1]}}"
                    "<br>score %{customdata[2]:.4g}<extra></extra>"
                ),
            ),
            row=1,
            col=1,
        )
    counts = neurons.counts().T
    figure.add_trace(
        go.Heatmap(
            z=counts,
            x=list(emotions),
            y=list(range(n_layers)),
            colorscale=COUNTS,
            zmin=0,
            showscale=False,
            xgap=1,
            ygap=1,
            texttemplate="%{z}",
            hovertemplate="<b>%{x}</b>, layer %{y}<br>%{z} neurons<extra></extra>",
        ),
        row=1,
        col=2,
    )
    figure.update_yaxes(
        range=[-0.5, n_layers - 0.5],
        tickvals=list(range(0, n_layers, 1 if n_layers <= 16 else 4)),
        showgrid=False,
    )
    figure.update_yaxes(title_text="decoder layer", row=1, col=1)
    figure.update_xaxes(title_text="neuron", range=[-0.5, max(widths) - 0.5], showgrid=False, row=1, col=1)
    figure.update_xaxes(tickangle=-90, dtick=1, showgrid=False, row=1, col=2)
    members, gates = len(neurons.indices()), neurons.n_gates
    return dress(
        figure,
        "Where each emotion’s neurons lie",
        f"{members:,} of {gates:,} gates, selected by {neurons.selector}<br>right: how many in each layer",
        height=n_layers * band,
        below=116,
    )
