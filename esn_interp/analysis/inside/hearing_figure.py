"""Attention over the recording as a figure: the waveform's outline, and a line of time for each layer."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inside.hearing import AttentionOverRecording
from esn_interp.drawing.marks import heatmap
from esn_interp.drawing.over_time import add_outline
from esn_interp.drawing.theme import COUNTS, dress


def draw(result: AttentionOverRecording) -> go.Figure:
    """The recording on top, below it how much each layer attends to each moment, on the mean over its heads."""
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.22, 0.78], vertical_spacing=0.05)
    add_outline(figure, result.envelope, result.prompt.duration)
    mean = 100 * result.weights.mean(axis=1)
    layers = [str(layer) for layer in range(len(mean))]
    strongest = result.weights.argmax(axis=1)
    figure.add_trace(
        heatmap(
            mean,
            (result.seconds + result.prompt.duration / len(result.seconds) / 2).tolist(),
            layers,
            limits=(0.0, float(mean.max(initial=1e-9))),
            gap=0,
            colorscale=COUNTS,
            texttemplate="",
            showscale=True,
            colorbar={"title": {"text": "%"}, "thickness": 10, "len": 0.7, "y": 0.4},
            customdata=np.stack([strongest, 100 * result.weights.max(axis=1)], axis=-1),
            hovertemplate=(
                "layer %{y}, around %{x:.2f} s<br>%{z:.2f} % of its attention, mean over heads"
                "<br>head %{customdata[0]}: %{customdata[1]:.2f} %<extra></extra>"
            ),
        ),
        row=2,
        col=1,
    )
    figure.update_xaxes(showgrid=False, range=[0, result.prompt.duration])
    figure.update_xaxes(title_text="seconds", row=2, col=1)
    figure.update_yaxes(type="category", title_text="layer", row=2, col=1)
    subtitle = f"{result.prompt.clip}, from the last token; mean over {result.weights.shape[1]} heads"
    return dress(figure, "Attention over the recording", subtitle, height=90 + 26 * max(len(layers), 6))
