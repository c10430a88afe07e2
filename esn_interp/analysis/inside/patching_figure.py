"""The patching map as a figure: layers over the recording, then the text and the last token."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.inside.patching import PatchingMap
from esn_interp.drawing.marks import heatmap, reach
from esn_interp.drawing.theme import EFFECTS, dress
from esn_interp.models.sites import SITES


def draw(result: PatchingMap) -> go.Figure:
    """How much of the way to the twin's log-odds each place of each layer recovers; white is nothing."""
    layers = [str(layer) for layer in range(len(result.recovered))]
    percent = np.round(100 * result.recovered, 1) + 0.0  # no negative nought
    extent = reach(percent, 100.0)
    figure = go.Figure(
        heatmap(
            percent,
            list(result.places),
            layers,
            limits=(-extent, extent),
            colorscale=EFFECTS,
            text=np.array([[f"{round(value) + 0:d}" for value in row] for row in percent]),
            textfont={"size": 11},
            hovertemplate="layer %{y}, %{x}<br>%{z:.1f} % of the way to the twin<extra></extra>",
        )
    )
    figure.update_yaxes(type="category", title_text="layer", showgrid=False)
    figure.update_xaxes(type="category", title_text="what is given the twin’s values", showgrid=False, tickangle=-45)
    subtitle = (
        f"{result.prompt.clip} given {result.twin}: {SITES[result.site].title}"
        f"<br>percent of the way in the log-odds of “{result.target}”"
    )
    return dress(figure, "Where the difference is carried", subtitle, height=26 * max(len(layers), 8) + 20, below=96)
