"""Asked by found: how specific neurons are, by how one asks and how they were found."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.asking.result import Asking
from esn_interp.drawing.marks import heatmap, reach
from esn_interp.drawing.theme import INK, dress


def draw(result: Asking) -> go.Figure:
    """Self minus cross change in points; a frame marks the way under which neurons were found."""
    values = 100 * result.specificity.value
    low, high = 100 * result.specificity.low, 100 * result.specificity.high
    names = [result.title(name) for name in result.found]
    limit = reach(values, 10)
    figure = go.Figure(
        heatmap(
            values,
            names,
            list(result.titles),
            limits=(-limit, limit),
            text=[
                [
                    f"{values[a, f]:+.0f}<br>{low[a, f]:+.0f} to {high[a, f]:+.0f}"
                    + ("" if np.isnan(result.p_values[a, f]) else f"<br>p {result.p_values[a, f]:.2f}")
                    for f in range(len(names))
                ]
                for a in range(len(result.titles))
            ],
        )
    )
    for f, name in enumerate(result.found):
        a = result.asked.index(name)
        figure.add_shape(
            type="rect", x0=f - 0.5, x1=f + 0.5, y0=a - 0.5, y1=a + 0.5, line={"color": INK, "width": 1.5}
        )
    figure.update_yaxes(autorange="reversed", title_text="asked by")
    figure.update_xaxes(title_text="found by", side="top")
    carried = sum(result.carries(name) for name in result.found)
    return dress(
        figure,
        "Decision or perception?",
        f"self minus cross change of right answers, in points<br>{carried} of {len(names)} ways find neurons that"
        " matter when asked otherwise",
        height=160 + 70 * len(result.titles),
    )
