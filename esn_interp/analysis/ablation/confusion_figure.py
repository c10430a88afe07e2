"""Confusions before and after: where the answers go when the neurons of each emotion are ablated."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float64, Int64
from plotly.subplots import make_subplots

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.drawing.theme import COUNTS, GRID, INK, dress

_COLUMNS = 2


def confusion_change(result: Ablation) -> go.Figure:
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
    before = _shares(tables[0])
    for at, table in enumerate(tables):
        line, column = at // _COLUMNS + 1, at % _COLUMNS + 1
        share = _shares(table)
        figure.add_trace(
            go.Heatmap(
                z=share,
                x=list(result.emotions),
                y=list(result.emotions),
                zmin=0,
                zmax=100,
                colorscale=COUNTS,
                showscale=False,
                xgap=1,
                ygap=1,
                texttemplate="%{text}",
                text=[["" if np.isnan(value) else f"{value:.0f}" for value in each] for each in share],
                customdata=np.stack([table, before], axis=-1),
                hovertemplate=(
                    f"<b>{titles[at]}</b><br>%{{y}} labelled <b>%{{x}}</b>: %{{z:.1f}} % of the row"
                    "<br>%{customdata[0]:d} answers; unedited %{customdata[1]:.1f} %<extra></extra>"
                ),
            ),
            row=line,
            col=column,
        )
        if at:
            row = result.emotions.index(result.sets[at - 1])
            figure.add_shape(
                **{"type": "rect", "x0": -0.5, "x1": len(table) - 0.5, "y0": row - 0.5, "y1": row + 0.5},
                line={"color": INK, "width": 1.5},
                row=line,
                col=column,
            )
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


def _shares(table: Int64[np.ndarray, "truth answer"]) -> Float64[np.ndarray, "truth answer"]:
    """Percent of each row; NaN in a row without clips."""
    whole = table.sum(axis=1, keepdims=True)
    return np.divide(100 * table, whole, out=np.full(table.shape, np.nan), where=whole > 0)
