"""The lens as a figure: probabilities over layers at the last token, and over all tokens below."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inside.lensing import Lens
from esn_interp.drawing.marks import heatmap
from esn_interp.drawing.theme import COUNTS, SYMBOLS, dress, emotion_colors


def draw(result: Lens) -> go.Figure:
    """Above, what the last token would answer layer by layer; below, how likely each state's own answer is."""
    layers = ["in", *(str(layer) for layer in range(len(result.words) - 1))]
    figure = make_subplots(
        rows=2,
        row_heights=[0.42, 0.58],
        vertical_spacing=0.16,
        subplot_titles=["at the last token", "at every token: how likely its own answer is"],
    )
    names = result.labels or (result.answer,)
    colors = emotion_colors(names)
    for at, name in enumerate(names):
        shown = name if result.labels else "%{customdata}"
        likely = result.by_label[:, -1, at] if result.labels else result.probability[:, -1]
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=likely,
                name=name if result.labels else "likeliest word",
                mode="lines+markers",
                line={"color": colors[name], "width": 2},
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 8},
                customdata=[words[-1] for words in result.words],
                hovertemplate=f"<b>{shown}</b><br>layer %{{x}}: %{{y:.2f}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    told = result.prompt.told()
    figure.add_trace(
        heatmap(
            result.probability,
            list(range(len(told))),
            layers,
            limits=(0.0, 1.0),
            gap=0,
            colorscale=COUNTS,
            texttemplate="",
            customdata=np.stack([np.array(result.words), np.array([told] * len(layers))], axis=-1),
            hovertemplate="<b>%{customdata[0]}</b>, %{z:.2f}<br>layer %{y}, %{customdata[1]}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    figure.update_yaxes(range=[0, 1.02], title_text="probability", row=1, col=1)
    figure.update_yaxes(type="category", title_text="layer", row=2, col=1)
    figure.update_xaxes(type="category", title_text="layer", row=1, col=1)
    figure.update_xaxes(title_text="token of the prompt; hover tells which", showgrid=False, row=2, col=1)
    title = "What each layer would answer"
    return dress(figure, title, f"{result.prompt.clip}, {result.prompt.model}", height=520, below=92)
