"""Both protocols side by side as a figure: SE, ACE and ESS of the same neurons, asked as each asks."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import SERIES, SOFT, SYMBOLS, dress
from esn_interp.studies.recognition.side_by_side import FIGURES, SideBySide


def draw(result: SideBySide) -> go.Figure:
    """One panel for each verb, one mark for each protocol; bars are 95 % intervals over speakers."""
    titles = [f"{verb}: change of recall, in points" for verb in result.verbs]
    figure = make_subplots(rows=len(result.verbs), shared_xaxes=True, vertical_spacing=0.18, subplot_titles=titles)
    names = list(FIGURES)
    lanes = np.arange(len(names))
    for at, protocol in enumerate(result.protocols):
        for row in range(len(result.verbs)):
            found = [getattr(result, field) for field in FIGURES.values()]
            value, low, high = (
                100 * np.array([getattr(one, part)[at, row] for one in found]) for part in ("value", "low", "high")
            )
            figure.add_trace(
                go.Scatter(
                    x=value,
                    y=lanes + 0.16 * (2 * at - 1),
                    error_x=known_bars(value, low, high, thickness=1.6, width=4, color=SERIES[at]),
                    mode="markers",
                    name=f"asked by {protocol}, UAR {result.uar[at]:.2f}",
                    legendgroup=protocol,
                    showlegend=not row,
                    marker={"color": SERIES[at], "symbol": SYMBOLS[at], "size": 10},
                    hovertemplate=f"<b>{protocol}</b>: %{{x:+.1f}} points<extra></extra>",
                ),
                row=row + 1,
                col=1,
            )
    for row in range(1, len(result.verbs) + 1):
        figure.add_vline(x=0, line_color=SOFT, line_width=1, row=row, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_yaxes(tickvals=lanes, ticktext=names, range=[len(lanes) - 0.5, -0.5], showgrid=False)
    subtitle = f"{result.clips} clips of {result.speakers} speakers; turned up by {result.alpha:g}"
    return dress(figure, "The same neurons, asked as each protocol asks", subtitle, height=360, below=92)
