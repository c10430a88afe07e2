"""The layer profile, how much of each emotion's neurons every layer holds; and rows and layers by likeness."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.clustering import Tree
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.drawing.marks import band, doublings, heatmap, name_lines
from esn_interp.drawing.theme import CONTROL, EFFECTS, SOFT, dress, emotion_colors, translucent

_PANEL = 92
"""Height of one row, in pixels."""


def draw(result: LayerProfile) -> go.Figure:
    """A panel per row: share of its neurons over depth, the range by chance, and its bands.

    Whiskers show the range over the resamples where there are any, else the multinomial bounds.
    """
    rows, n_layers = len(result.labels), len(result.widths)
    colors, layers = emotion_colors(result.emotions), np.arange(n_layers)
    figure = make_subplots(
        rows=rows,
        shared_xaxes=True,
        vertical_spacing=min(0.3 / rows, 0.08),
        subplot_titles=[_title(result, row) for row in range(rows)],
    )
    resampled = result.resamples > 0
    low, high = (result.resampled_low, result.resampled_high) if resampled else (result.low, result.high)
    for row, emotion in enumerate(result.emotions):
        _by_chance(figure, result, row)
        figure.add_trace(
            go.Scatter(
                x=layers,
                y=100 * result.share[row],
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": 100 * np.maximum(high[row] - result.share[row], 0),
                    "arrayminus": 100 * np.maximum(result.share[row] - low[row], 0),
                    "thickness": 1.2,
                    "width": 3,
                },
                mode="lines+markers",
                name=result.labels[row],
                showlegend=False,
                line={"color": colors[emotion], "width": 1.6},
                marker={"size": 6},
                cliponaxis=False,
                customdata=np.stack(
                    [
                        result.counts[row],
                        result.fold[row],
                        100 * low[row],
                        100 * high[row],
                        100 * result.null_low[row],
                        100 * result.null_high[row],
                        result.p_holm[row],
                    ],
                    axis=1,
                ),
                hovertemplate=(
                    f"<b>{result.labels[row]}</b>, layer %{{x}}: %{{customdata[0]}} neurons, %{{y:.1f}} %"
                    "<br>%{customdata[1]:.2f} times chance"
                    f"<br>{'range over resamples' if resampled else '95 % bounds'}"
                    " %{customdata[2]:.1f} to %{customdata[3]:.1f} %"
                    "<br>uniform draws %{customdata[4]:.1f} to %{customdata[5]:.1f} %"
                    "<br>p over the layers (Holm) %{customdata[6]:.2g}<extra></extra>"
                ),
            ),
            row=row + 1,
            col=1,
        )
        axis = "" if row == 0 else str(row + 1)
        for found in result.bands:
            if found.row == row:
                figure.add_shape(
                    **{"type": "rect", "layer": "below", "xref": f"x{axis}", "yref": f"y{axis} domain"},
                    **{"x0": found.first - 0.5, "x1": found.last + 0.5, "y0": 0, "y1": 1, "line": {"width": 0}},
                    fillcolor=translucent(colors[emotion], 0.13),
                )
    tops = [result.share, high, result.null_high]
    drawn = np.concatenate([*tops, *([] if result.permuted_high is None else [result.permuted_high])])
    highest = 100 * float(np.max(drawn[~np.isnan(drawn)], initial=0.1))
    figure.update_yaxes(range=[0, 1.05 * highest], ticksuffix=" %", nticks=4)
    figure.update_xaxes(
        range=[-0.5, n_layers - 0.5],
        tickvals=list(range(0, n_layers, 1 if n_layers <= 16 else 4)),
        showgrid=False,
    )
    figure.update_xaxes(title_text="decoder layer", row=rows, col=1)
    spread = f"resampled by {result.unit}" if resampled else "95 % multinomial bounds"
    return dress(
        figure,
        "In which layers the neurons are",
        f"share of its neurons; whiskers: {spread}<br>shaded: a band that a scan finds (p 0.05 or less)",
        height=rows * _PANEL,
        below=96,
    )


def _by_chance(figure: go.Figure, result: LayerProfile, row: int) -> None:
    """Where the shares of a row would lie: of permuted labels as a surface, and of uniform draws within dots.

    Where labels were not permuted, uniform draws are the surface.
    """
    layers = np.arange(len(result.widths))
    uniform = {"name": "uniform draws, 95 %", "legendgroup": "null", "showlegend": row == 0}
    edges = (100 * result.null_low[row], 100 * result.null_high[row])
    if result.permuted_low is None or result.permuted_high is None:
        figure.add_trace(band(layers, *edges, CONTROL, opacity=0.25, **uniform), row=row + 1, col=1)
        return
    about = {"name": "permuted labels, 95 %", "legendgroup": "permuted", "showlegend": row == 0}
    low, high = 100 * result.permuted_low[row], 100 * result.permuted_high[row]
    figure.add_trace(band(layers, low, high, CONTROL, opacity=0.3, **about), row=row + 1, col=1)
    for at, edge in enumerate(edges):
        look = {"mode": "lines", "line": {"color": CONTROL, "width": 1, "dash": "dot"}, "hoverinfo": "skip"}
        shown = uniform | {"showlegend": row == 0 and at == 0}
        figure.add_trace(go.Scatter(x=layers, y=edge, **look, **shown), row=row + 1, col=1)


def _title(result: LayerProfile, row: int) -> str:
    """The row's name, with its bands and their p-values."""
    told = [f"{found.layers}: p {found.p:.2g}" for found in result.bands if found.row == row]
    if told and result.nulls:
        told.append(f"selection: p {result.selection_p[row]:.2g}")
    return f"{result.labels[row]}" + (f" ({'; '.join(told)})" if told else "")


def draw_clusters(result: LayerProfile) -> go.Figure:
    """Fold enrichment of every row in every layer, in the order of the trees, which stand beside it.

    Colours are logarithms: twice chance is as blue as half of it is red, and what uniform draws give as well (95 %
    of them) is white. A layer without any of a row's neurons has no logarithm, and is the reddest.
    """
    rows, layers = result.rows.order, result.layers.order
    fold = result.fold[np.ix_(rows, layers)]
    strength, extent = doublings(fold)
    by_chance = (result.share >= result.null_low) & (result.share <= result.null_high)
    strength = np.where(by_chance[np.ix_(rows, layers)], 0.0, strength)
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
