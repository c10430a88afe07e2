"""Fused, own and random neurons on every corpus that was left out."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.fusion.result import Fusion
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import CONTROL, INK, SERIES, SOFT, dress


def draw(result: Fusion) -> go.Figure:
    """Self minus cross change in points, by corpus; one mark a source, with its interval over speakers."""
    figure = go.Figure()
    figure.add_hline(y=0, line_color=SOFT, line_width=1)
    hues = iter(SERIES)
    for at, source in enumerate(result.sources):
        color = {"own": INK, "random": CONTROL}.get(source) or next(hues)
        value, low, high = (
            100 * np.array([getattr(one.specificity, part)[at] for one in result.left_out])
            for part in ("value", "low", "high")
        )
        where = np.arange(len(result.corpora)) + 0.12 * (at - (len(result.sources) - 1) / 2)
        figure.add_trace(
            go.Scatter(
                x=where,
                y=value,
                error_y=known_bars(value, low, high, color=color, thickness=1, width=0),
                mode="markers",
                name=source,
                marker={"color": color, "size": 9},
            )
        )
    names = [f"{name}<br>{language}" for name, language in zip(result.corpora, result.languages, strict=True)]
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=names, title_text="left out")
    figure.update_yaxes(title_text="self minus cross, points")
    return dress(
        figure,
        "Neurons of other corpora, on one that was left out",
        "silenced; the more negative, the more they matter for their own emotion alone",
        height=360,
        below=130,
    )
