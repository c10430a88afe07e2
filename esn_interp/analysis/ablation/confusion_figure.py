"""Confusions before and after: where the answers go when the neurons of each emotion are ablated."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.inference.significance import quotient
from esn_interp.drawing.marks import heatmap, outline
from esn_interp.drawing.theme import COUNTS, GRID, dress

_COLUMNS = 2


def draw(result: Ablation) -> go.Figure:
    """One matrix without an edit, and one for each ablated set: emotion of the clip by answer.

    The colour and the number are the share of a row in percent; the ablated emotion's row is outlined.
    """
    tables = [result.confusion(), *(result.confusion(name) for name in result.sets)]
    titles = ["unedited", *(f"neurons of {name} ablated" for name in result.sets)]
    rows = -(-len(tables) // _COLUMNS)
    figure = make_subplots(
        rows=rows,
        cols=_COLUMNS,
        subplot_titles=titles,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=0.09 if rows > 2 else 0.12,
    )
    shares = [quotient(100 * table, table.sum(axis=1, keepdims=True)) for table in tables]
    for at, (table, share) in enumerate(zip(tables, shares, strict=True)):
        row, column = at // _COLUMNS + 1, at % _COLUMNS + 1
        figure.add_trace(
            heatmap(
                share,
                result.emotions,
                result.emotions,
                limits=(0, 100),
                gap=1,
                colorscale=COUNTS,
                text=[["" if np.isnan(value) else f"{value:.0f}" for value in line] for line in share],
                customdata=np.stack([table, shares[0]], axis=-1),
                hovertemplate=(
                    f"<b>{titles[at]}</b><br>%{{y}} labelled <b>%{{x}}</b>: %{{z:.1f}} % of the row"
                    "<br>%{customdata[0]:d} answers; unedited %{customdata[1]:.1f} %<extra></extra>"
                ),
            ),
            row=row,
            col=column,
        )
        if at:
            line = result.emotions.index(result.sets[at - 1])
            outline(figure, [(0, line)], row=row, col=column, across=len(table))
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_yaxes(title_text="emotion of the clip", col=1)
    figure.update_xaxes(showgrid=False, showticklabels=True)
    figure.update_xaxes(title_text="answer", row=rows)
    figure.update_layout(plot_bgcolor=GRID)
    return dress(
        figure,
        "What is heard as what",
        "percent of each emotion’s clips; the ablated emotion is outlined",
        height=rows * 40 * len(result.emotions) + (rows - 1) * 60,
        below=60,
    )
