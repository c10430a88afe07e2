"""Figures of the unedited model: what it confuses, and how many clips the neurons were found on."""

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Int

from esn_interp.plots.theme import COUNTS, GRID, dress, emotion_colors


def confusion_matrix(
    table: Int[np.ndarray, "truth answer"], emotions: Sequence[str], *, title: str = "What the model hears"
) -> go.Figure:
    """Clips by true emotion (rows) and answer (columns); the colour is the share of the row."""
    whole = table.sum(axis=1, keepdims=True)
    share = np.divide(100 * table, whole, out=np.zeros(table.shape), where=whole > 0)
    heatmap = go.Heatmap(
        z=share,
        x=list(emotions),
        y=list(emotions),
        zmin=0,
        zmax=100,
        colorscale=COUNTS,
        showscale=False,
        xgap=2,
        ygap=2,
        text=table,
        texttemplate="%{text}",
        hovertemplate=(
            "<b>%{y}</b> labelled <b>%{x}</b><br>%{text} clips, %{z:.1f} % of the row<extra></extra>"
        ),
    )
    figure = go.Figure(heatmap)
    figure.update_yaxes(autorange="reversed", title_text="emotion of the clip", showgrid=False)
    figure.update_xaxes(title_text="answer", showgrid=False)
    right = int(np.trace(table))
    figure.update_layout(plot_bgcolor=GRID)
    subtitle = f"number of clips; {right:,} of {int(table.sum()):,} are right"
    return dress(figure, title, subtitle, height=46 * len(emotions), below=60)


def clip_counts(seen: Mapping[str, int], kept: Mapping[str, int]) -> go.Figure:
    """Clips per emotion: those that passed the success filter, and those that did not."""
    emotions, colors = list(seen), emotion_colors(list(seen))
    lost = [seen[emotion] - kept[emotion] for emotion in emotions]
    figure = go.Figure(
        [
            go.Bar(
                y=emotions,
                x=[kept[emotion] for emotion in emotions],
                orientation="h",
                name="labelled correctly: counted",
                marker={"color": [colors[emotion] for emotion in emotions]},
                text=[kept[emotion] for emotion in emotions],
                hovertemplate="<b>%{y}</b><br>%{x} clips labelled correctly<extra></extra>",
            ),
            go.Bar(
                y=emotions,
                x=lost,
                orientation="h",
                name="not: left out",
                marker={"color": GRID},
                text=lost,
                hovertemplate="<b>%{y}</b><br>%{x} clips not labelled correctly<extra></extra>",
            ),
        ]
    )
    figure.update_layout(barmode="stack", showlegend=False, bargap=0.3)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="clips", rangemode="tozero")
    total, passed = sum(seen.values()), sum(kept.values())
    return dress(
        figure,
        "Clips that the neurons were found on",
        f"{passed:,} of {total:,} labelled correctly (coloured)",
        height=44 * len(emotions),
    )
