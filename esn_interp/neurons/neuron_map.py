"""The neuron map: where in the network the neurons of each emotion lie."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64, Int64
from plotly.subplots import make_subplots
from scipy.stats import hypergeom

from esn_interp.drawing.marks import doublings, heatmap
from esn_interp.drawing.theme import EFFECTS, PANEL, dress, emotion_colors
from esn_interp.neurons.neuron_set import NeuronSet

_MANY = 20_000
"""From so many marks on they are drawn by the graphics card; vector marks would stall the browser."""
_NOT_SCORED = 10_000
"""From so many marks on the pointer is not told their scores, which would be a third of the page."""


def neuron_map(neurons: NeuronSet) -> go.Figure:
    """Every selected gate as a mark at its layer and neuron, coloured by emotion, and the counts per layer.

    Each layer is a band as wide as the layer has gates, with a lane for each emotion, so that a gate in
    several sets shows several marks. Beside it, on the same layer axis, the number of neurons per layer and
    emotion: white where a uniform spread over all gates gives such numbers too, else blue for more and red for fewer.
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
    scored = len(neurons) < _NOT_SCORED
    for at, emotion in enumerate(emotions):
        one = neurons[emotion]
        figure.add_trace(
            marks(
                x=one.in_layer,
                y=(one.layer + lanes[at]).astype(np.float32),
                mode="markers",
                name=emotion,
                marker={
                    **{"symbol": "line-ns", "size": 0.8 * band / len(emotions), "color": colors[emotion]},
                    "line": {"width": 1.6, "color": colors[emotion]},
                },
                customdata=one.score if scored else None,
                # A lane lies within its layer, so that its height rounds to the layer.
                hovertemplate=(
                    f"<b>{emotion}</b><br>layer %{{y:.0f}}, neuron %{{x}}"
                    + ("<br>score %{customdata:.4g}" if scored else "")
                    + "<extra></extra>"
                ),
            ),
            row=1,
            col=1,
        )
    counts, strength, extent = _against_chance(neurons)
    figure.add_trace(
        heatmap(
            strength.T,
            emotions,
            range(n_layers),
            limits=(-extent, extent),
            gap=1,
            colorscale=EFFECTS,
            text=counts.T.tolist(),
            hovertemplate="<b>%{x}</b>, layer %{y}<br>%{text} neurons<extra></extra>",
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
        f"{members:,} of {gates:,} gates, selected by {neurons.selector}"
        "<br>right: how many; blue: more than chance, red: fewer",
        height=n_layers * band,
        below=116,
    )


def _against_chance(
    neurons: NeuronSet,
) -> tuple[Int64[np.ndarray, "emotion layer"], Float64[np.ndarray, "emotion layer"], float]:
    """Counts, by how many doublings each differs from a uniform spread, and how far the scale of these goes.

    A count that uniform draws give is at zero, so that a random set looks as flat as it is: the range is the
    hypergeometric one that holds all counts of the map together in 95 % of draws at least (Bonferroni).
    """
    counts, widths = neurons.counts(), np.array(neurons.widths)
    totals = counts.sum(axis=1, keepdims=True)
    tail = 0.025 / counts.size
    low, high = (hypergeom.ppf(at, neurons.n_gates, totals, widths) for at in (tail, 1 - tail))
    expected = totals * widths / neurons.n_gates
    fold = np.divide(counts, expected, out=np.ones(counts.shape), where=expected > 0)
    strength, extent = doublings(fold)
    return counts, np.where((counts >= low) & (counts <= high), 0.0, strength), extent
