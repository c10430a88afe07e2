"""The clustered heat map: emotions and layers beside those that they resemble."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.clustering import Tree
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.drawing.marks import doublings, heatmap, name_lines
from esn_interp.drawing.theme import EFFECTS, SOFT, dress


def draw(result: LayerProfile) -> go.Figure:
    """Fold enrichment of every row in every layer, in the order of the trees, which stand beside it.

    Colours are logarithms: twice chance is as blue as half of it is red. A layer without any of a row's
    neurons has no logarithm, and is the reddest.
    """
    rows, layers = result.rows.order, result.layers.order
    fold = result.fold[np.ix_(rows, layers)]
    strength, extent = doublings(fold)
    figure = make_subplots(
        rows=2,
        cols=2,
        shared_xaxes=True,
        shared_yaxes=True,
        row_heights=[0.26, 0.74],
        column_widths=[0.8, 0.2],
        horizontal_spacing=0.01,
        vertical_spacing=0.02,
    )
    figure.add_trace(
        heatmap(
            strength,
            range(len(layers)),
            range(len(rows)),
            limits=(-extent, extent),
            gap=1,
            colorscale=EFFECTS,
            text=[[f"{value:.1f}" for value in line] for line in fold],
            texttemplate="%{text}" if len(layers) <= 12 else None,
            customdata=[
                [
                    [
                        result.labels[row],
                        layer,
                        int(result.counts[row, layer]),
                        100 * result.share[row, layer],
                    ]
                    for layer in layers
                ]
                for row in rows
            ],
            hovertemplate=(
                "<b>%{customdata[0]}</b>, layer %{customdata[1]}: %{text} times chance"
                "<br>%{customdata[2]} neurons, %{customdata[3]:.1f} % of the row<extra></extra>"
            ),
        ),
        row=2,
        col=1,
    )
    _branches(figure, result.layers, what="layers", row=1, col=1)
    _branches(figure, result.rows, what="rows", row=2, col=2)
    figure.update_xaxes(showgrid=False)
    figure.update_yaxes(showgrid=False)
    figure.update_xaxes(
        tickvals=list(range(len(layers))),
        ticktext=[str(layer) for layer in layers],
        range=[-0.5, len(layers) - 0.5],
        title_text="decoder layer, alike ones side by side",
        row=2,
        col=1,
    )
    name_lines(figure, [result.labels[row] for row in rows], row=2, room=(0.5, 0.5))
    # The trees have no scale of their own: their heights are compared, and told on hovering.
    figure.update_yaxes(visible=False, range=_room(result.layers), row=1, col=1)
    figure.update_xaxes(visible=False, row=1, col=1)
    figure.update_xaxes(visible=False, range=_room(result.rows), row=2, col=2)
    figure.update_yaxes(visible=False, row=2, col=2)
    return dress(
        figure,
        "Which emotions and which layers are alike",
        "neurons per layer, in multiples of chance; blue is more"
        "<br>trees: the longer the branch, the less alike",
        height=int(1.4 * max(120, 44 * len(rows))),
        below=64,
    )


def _branches(figure: go.Figure, tree: Tree, *, what: str, row: int, col: int) -> None:
    """A tree with its leaves towards the heat map."""
    for corners in tree.branches:
        along, height = corners[:, 0], corners[:, 1]
        x, y = (along, height) if what == "layers" else (height, along)
        figure.add_trace(
            go.Scatter(
                x=x,
                y=y,
                mode="lines",
                line={"color": SOFT, "width": 1.5},
                showlegend=False,
                customdata=np.full(4, height.max()),
                hovertemplate=f"{what} joined at distance %{{customdata:.2f}}<extra></extra>",
            ),
            row=row,
            col=col,
        )


def _room(tree: Tree) -> list[float]:
    """Range of the heights of a tree, with a little room beyond the last merge."""
    return [0, 1.03 * max(float(tree.branches[..., 1].max(initial=0.0)), 1e-6)]
