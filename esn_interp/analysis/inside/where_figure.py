"""The comparison of sites as a figure: self, cross and random change of recall, site by site."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.inside.where import SiteComparison, described
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import CONTROL, INK, SOFT, dress


def draw(result: SiteComparison) -> go.Figure:
    """Changes of recall in percentage points with bounds over speakers; left is lost."""
    figure, lanes = go.Figure(), np.arange(len(result.sites))
    looks = (("own emotion", result.own, INK, "circle", -0.2), ("other emotions", result.cross, SOFT, "diamond", 0.0),
             ("own, random neurons", result.random, CONTROL, "x", 0.2))  # fmt: skip
    for name, intervals, color, symbol, shift in looks:
        value, low, high = 100 * np.array([(one.value, one.low, one.high) for one in intervals]).T
        figure.add_trace(
            go.Scatter(
                x=value,
                y=lanes + shift,
                error_x=known_bars(value, low, high, thickness=1.6, width=4, color=color),
                mode="markers",
                name=name,
                marker={"color": color, "symbol": symbol, "size": 10},
                hovertemplate=f"<b>{name}</b>: %{{x:+.1f}} points<extra></extra>",
            )
        )
    names = [
        f"{told.replace(': ', '<br>')}<br>{100 * share:.0f} % shared with gate"
        for told, share in zip(described(result.sites), result.shared, strict=True)
    ]
    figure.update_yaxes(tickvals=lanes, ticktext=names, range=[len(lanes) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(title_text="change of recall in points, silenced", zeroline=True)
    subtitle = f"{result.model}: found on {result.found_on} by {result.selector}, silenced on {result.measured_on}"
    return dress(figure, "Where a neuron is read", subtitle, height=84 * len(lanes) + 20, below=92)
