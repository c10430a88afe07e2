"""Direct attribution as a figure: what each layer's attention and MLP write, its heads, and the strongest neurons."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inside.direct import DirectAttribution
from esn_interp.analysis.inside.writes_figure import DOWN, UP
from esn_interp.drawing.marks import heatmap, reach
from esn_interp.drawing.theme import EFFECTS, INK, SOFT, dress

_NEURONS = 16


def draw(result: DirectAttribution) -> go.Figure:
    """Bars for attention and MLP of every layer; a matrix of heads; the neurons that write most."""
    layers = [str(layer) for layer in range(len(result.mlp))]
    shown = min(_NEURONS, len(result.top_value))
    figure = make_subplots(
        rows=3,
        row_heights=[0.34, 0.26, 0.4],
        vertical_spacing=0.12,
        subplot_titles=["by layer", "by head of attention", "the neurons that write most"],
    )
    for name, values, color in (("attention", result.attention, SOFT), ("MLP", result.mlp, UP)):
        figure.add_trace(
            go.Bar(
                x=layers,
                y=values,
                name=name,
                marker={"color": color, "pattern": {"shape": "/" if name == "attention" else ""}},
                hovertemplate=f"<b>{name}</b> of layer %{{x}}: %{{y:+.3f}}<extra></extra>",
            ),
            row=1,
            col=1,
        )
    # On the scale of the bars above: heads that write next to nothing look it.
    extent = max(reach(values, 1e-6) for values in (result.heads, result.attention, result.mlp))
    figure.add_trace(
        heatmap(
            result.heads.T,
            layers,
            [str(head) for head in range(result.heads.shape[1])],
            limits=(-extent, extent),
            colorscale=EFFECTS,
            texttemplate="",
            hovertemplate="head %{y} of layer %{x}: %{z:+.3f}<extra></extra>",
        ),
        row=2,
        col=1,
    )
    names = [f"{layer}.{neuron}" for layer, neuron in zip(result.top_layer, result.top_neuron, strict=True)][:shown]
    figure.add_trace(
        go.Bar(
            x=result.top_value[:shown],
            y=names,
            orientation="h",
            showlegend=False,
            marker={"color": np.where(result.top_value[:shown] > 0, UP, DOWN)},
            hovertemplate="neuron %{y}: %{x:+.3f}<extra></extra>",
        ),
        row=3,
        col=1,
    )
    figure.add_hline(y=0, line={"color": INK, "width": 1}, row=1, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_yaxes(title_text="log-odds", row=1, col=1)
    figure.update_xaxes(type="category", title_text="layer", row=2, col=1)
    figure.update_xaxes(type="category", row=1, col=1)
    figure.update_yaxes(type="category", title_text="head", showgrid=False, row=2, col=1)
    figure.update_yaxes(type="category", title_text="layer.neuron", autorange="reversed", dtick=1, row=3, col=1)
    figure.update_xaxes(title_text="log-odds", row=3, col=1)
    subtitle = f"{result.prompt.clip}: log-odds {result.log_odds:+.2f} in favour of “{result.target}”"
    return dress(figure, "Who writes the answer", subtitle, height=660, below=92)
