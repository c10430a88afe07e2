"""The ablation matrix, whose recall falls when whose neurons are taken away, and the confusions before and after."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.controls import CONTROLS
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import quotient
from esn_interp.drawing.marks import heatmap, outline, permuted, reach
from esn_interp.drawing.numbers import signed
from esn_interp.drawing.theme import COUNTS, EFFECTS, GRID, SOFT, dress, emotion_colors

_LEAST_RANGE = 10.0
"""Percentage points that the colour scale spans at least, so that noise does not look like an effect."""
NEVER = "∅"
"""Stands where recall can't fall: no clip of the emotion is recognised without an edit."""

_COLUMNS = 2
"""Confusion matrices side by side."""
_BETWEEN = 84
"""Pixels between one row of them and the next: names that stand upright on a phone, and a title."""


def draw(result: Ablation) -> go.Figure:
    """Changes of recall in percentage points, ablated set by emotion; below it the same for each control.

    Last, where it is known, self minus cross change beside what neurons selected by permuted labels do.

    All share one colour scale, centred on zero: red is a loss. An outline marks an emotion's own neurons.
    """
    panels = [("own neurons ablated", result.change, result.change_low, result.change_high)]
    if result.draws:
        like = "same layers" if len(result.matched) == 1 else "same layers, as active"
        title = f"random neurons, {like} (mean of {result.draws})"
        panels.append((title, result.random_change, result.random_low, result.random_high))
    panels += [
        (f"{CONTROLS[other.name].title}, as many", other.change, other.change_low, other.change_high)
        for other in result.comparisons
    ]
    extent = reach(np.array([100 * change for _, change, _, _ in panels]), _LEAST_RANGE)
    null = result.specificity_null
    rows = len(panels) + (null is not None)
    figure = make_subplots(
        rows=rows,
        subplot_titles=[*(panel[0] for panel in panels), *([] if null is None else [_told(null)])],
        vertical_spacing=0.3 / max(2, rows),
        shared_xaxes=True,
    )
    own_cells = [(result.emotions.index(name), line) for line, name in enumerate(result.sets)]
    for row, (_, change, low, high) in enumerate(panels, start=1):
        figure.add_trace(
            heatmap(
                np.where(result.falls, 100 * change, np.nan),
                result.emotions,
                result.sets,
                limits=(-extent, extent),
                colorscale=EFFECTS,
                text=[
                    [signed(100 * value) if falls else NEVER for value, falls in zip(line, result.falls, strict=True)]
                    for line in change
                ],
                customdata=np.stack(
                    [100 * low, 100 * high, np.broadcast_to(100 * result.baseline_recall, change.shape)],
                    axis=-1,
                ),
                hovertemplate=(
                    "neurons of <b>%{y}</b> ablated<br>recall of <b>%{x}</b>: %{z:+.1f} points"
                    "<br>95 % interval %{customdata[0]:+.1f} to %{customdata[1]:+.1f}"
                    "<br>recall before: %{customdata[2]:.1f} %<extra></extra>"
                ),
            ),
            row=row,
            col=1,
        )
        outline(figure, own_cells, row=row)
    figure.update_yaxes(autorange="reversed", title_text="neurons of", showgrid=False)
    figure.update_xaxes(showgrid=False, showticklabels=True)
    figure.update_xaxes(title_text="recall of", row=len(panels), col=1)
    if null is not None:
        _beside_permuted(figure, null, row=rows)
    own, cross = result.self_change.scaled(100), result.cross_change.scaled(100)
    figure.update_layout(plot_bgcolor=GRID if null is None else "white")
    return dress(
        figure,
        "What ablation costs each emotion’s recall",
        "change of recall in percentage points; red is a loss"
        f"<br>own emotion {signed(own.value, 1)}, others {signed(cross.value, 1)} on average"
        + ("" if result.falls.all() else f"<br>{NEVER}: never recognised without an edit, so it can’t fall; left out"),
        height=rows * 46 * len(result.sets) + (rows - 1) * 70,
        below=60 if null is None else 110,
    )


def _told(null: SelectionNull) -> str:
    """Short enough for a phone."""
    p = "" if np.isnan(null.omnibus_p) else f": p {null.omnibus_p:.2g} over all"
    return f"own minus others; permuted{p}"


def _beside_permuted(figure: go.Figure, null: SelectionNull, *, row: int) -> None:
    """Self minus cross change of each set, and behind it what sets selected by permuted labels do."""
    colors = emotion_colors(null.tests)
    sets = [name for name in null.tests for _ in range(null.draws)]
    hover = "permuted labels, neurons of %{y}: %{x:+.1f} points<extra></extra>"
    drawn = permuted(100 * null.drawn.T.ravel(), sets, permutations=null.draws, hovertemplate=hover)
    figure.add_trace(drawn, row=row, col=1)
    for at, name in enumerate(null.tests):
        figure.add_trace(
            go.Scatter(
                x=[100 * null.observed[at]],
                y=[name],
                mode="markers",
                name="own neurons",
                legendgroup="own neurons",
                showlegend=at == 0,
                marker={"size": 11, "symbol": "diamond", "color": colors[name]},
                hovertemplate=(
                    f"own neurons of <b>{name}</b>: %{{x:+.1f}} points"
                    f"<br>selection: {null.told_p(name)}<extra></extra>"
                ),
            ),
            row=row,
            col=1,
        )
    # An axis of its own: points of recall, not emotions.
    points: dict[str, Any] = {"matches": None, "type": "linear", "showgrid": True, "zeroline": True}
    points |= {"zerolinecolor": SOFT, "title_text": "self minus cross change, in points"}
    figure.update_xaxes(points, row=row, col=1)
    figure.update_yaxes(categoryorder="array", categoryarray=list(null.tests), row=row, col=1)


def draw_confusion(result: Ablation) -> go.Figure:
    """One matrix without an edit, and one for each ablated set: emotion of the clip by answer.

    The colour and the number are the share of a row in percent; the ablated emotion's row is outlined.
    """
    tables = [result.confusion(), *(result.confusion(name) for name in result.sets)]
    titles = ["unedited", *(f"{name} ablated" for name in result.sets)]
    rows = -(-len(tables) // _COLUMNS)
    height = rows * 40 * len(result.emotions) + (rows - 1) * _BETWEEN
    figure = make_subplots(
        rows=rows,
        cols=_COLUMNS,
        subplot_titles=titles,
        shared_xaxes=True,
        shared_yaxes=True,
        horizontal_spacing=0.04,
        vertical_spacing=_BETWEEN / height,
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
        height=height,
        below=60,
    )
