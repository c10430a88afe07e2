"""The cross-emotion matrix of conversions: asked for one emotion, edited with another's neurons."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.conversion.cross_result import ConversionCross
from esn_interp.drawing.marks import heatmap, outline, reach
from esn_interp.drawing.numbers import signed
from esn_interp.drawing.theme import EFFECTS, GRID, dress

_LEAST_RANGE = 20.0
"""Percentage points that the colour scale spans at least, so that noise does not look like an effect."""


def draw(result: ConversionCross) -> go.Figure:
    """Changes of shares in points: above, heard as asked for; below, heard as the emotion whose neurons are edited.

    Rows are the emotion asked for, columns the neurons; outlined cells are an emotion's own neurons.
    """
    targets = list(result.targets)
    columns = [result.labels.index(target) for target in targets]
    index = np.arange(len(targets))
    request, neurons = np.meshgrid(index, index, indexing="ij")
    panels = [
        ("heard as the emotion asked for", result.as_requested, np.array(columns)[request]),
        ("heard as the neurons’ emotion", result.as_edited, np.array(columns)[neurons]),
    ]
    extent = reach(100 * np.array([change for _, change, _ in panels]), _LEAST_RANGE)
    figure = make_subplots(rows=2, subplot_titles=[panel[0] for panel in panels], vertical_spacing=0.17)
    for row, (_, change, label) in enumerate(panels, start=1):
        found = result.change[request, neurons, label]
        before = 100 * result.unsteered.value[request, label]
        figure.add_trace(
            heatmap(
                100 * change,
                targets,
                targets,
                limits=(-extent, extent),
                colorscale=EFFECTS,
                text=[[signed(value) for value in line] for line in 100 * change],
                customdata=np.stack([100 * found.low, 100 * found.high, before], axis=-1),
                hovertemplate=(
                    "asked for <b>%{y}</b>, neurons of <b>%{x}</b>: %{z:+.1f} points"
                    "<br>95 % interval %{customdata[0]:+.1f} to %{customdata[1]:+.1f}"
                    "<br>unsteered: %{customdata[2]:.0f} %<extra></extra>"
                ),
            ),
            row=row,
            col=1,
        )
        outline(figure, [(at, at) for at in range(len(targets))], row=row)
    figure.update_yaxes(autorange="reversed", title_text="asked for", showgrid=False)
    figure.update_xaxes(showgrid=False, showticklabels=True)
    figure.update_xaxes(title_text="neurons of", row=2, col=1)
    figure.update_layout(plot_bgcolor=GRID)
    own, other = signed(100 * result.own.value), signed(100 * result.other.value)
    return dress(
        figure,
        "One emotion asked for, another’s neurons",
        f"change of shares in points; own {own}, others’ {other} on average"
        f"<br>{len(result.clips)} clips of {len(result.speakers)} speakers",
        height=2 * 46 * len(targets) + 80,
        below=60,
    )
