"""Side effects: what an edit costs in each task, beside the same edit on random neurons."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.side_effects.result import TITLES, SideEffects
from esn_interp.drawing.marks import bars
from esn_interp.drawing.theme import CONTROL, INK, SOFT, SYMBOLS, dress, emotion_colors

_LEAST_RANGE = 5.0
"""Percentage points that the axis spans to either side at least, so that noise does not look like a cost."""
_LIFT = {"condition": 0.24, "own": 0.02, "random": -0.2}
"""Height of the marks within a row, of which there is one for each task."""


def draw(result: SideEffects) -> go.Figure:
    """A row for each task: small marks are conditions, diamonds their mean with its interval, grey is random.

    The text has an axis of its own below: the factor by which its perplexity changes, on a log scale.
    """
    panels = [name for name, there in (("tasks", result.tasks), ("text", result.text)) if there]
    rows = {"tasks": len(result.tasks), "text": 1}
    figure = make_subplots(
        rows=len(panels),
        row_heights=[rows[panel] + 0.6 for panel in panels],
        vertical_spacing=0.3 if len(panels) > 1 else 0,
    )
    for row, panel in enumerate(panels, start=1):
        if panel == "tasks":
            groups = [
                ("own", 100, result.change, result.mean_change),
                ("random", 100, result.random_change, result.random_mean),
            ]
            labels = [TITLES[task] for task in result.tasks]
            unit, template = "change of accuracy, percentage points", "%{x:+.1f} points"
        else:
            assert result.text is not None
            text = result.text
            groups = [
                (
                    kind,
                    1,
                    each[:, None],
                    Estimates(*np.array([[mean.value], [mean.low], [mean.high]])),
                )
                for kind, each, mean in (
                    ("own", text.ratio, text.mean_ratio),
                    ("random", text.random_ratio, text.random_mean),
                )
            ]
            labels = ["unrelated text"]
            unit, template = (
                f"perplexity, divided by the unedited {text.perplexity:,.0f} (log scale)",
                "× %{x:.3f}",
            )
        heights = np.arange(len(labels), dtype=np.float64)[::-1]
        for kind, factor, each, mean in groups:
            if np.isnan(mean.value).all():
                continue
            if kind == "own":
                _conditions(figure, result, each, factor, heights, labels, template, row)
            _means(figure, mean, kind, factor, heights, labels, template, row)
        figure.update_yaxes(
            tickvals=heights, ticktext=labels, range=[-0.6, len(labels) - 0.4], showgrid=False, row=row, col=1
        )
        figure.update_xaxes(title_text=unit, row=row, col=1)
        if panel == "tasks":
            reach = 100 * np.nanmax(np.abs(result.change.value), initial=0)
            bounds = 100 * np.nanmax(np.abs([result.mean_change.low, result.mean_change.high]), initial=0)
            reach = 1.08 * max(_LEAST_RANGE, reach, bounds)
            figure.update_xaxes(range=[-reach, reach], row=row, col=1)
            figure.update_xaxes(zeroline=True, zerolinecolor=SOFT, row=row, col=1)
        else:
            figure.update_xaxes(type="log", row=row, col=1)
            figure.add_shape(
                **{"type": "line", "x0": 1, "x1": 1, "y0": -0.6, "y1": 0.6, "layer": "below"},
                line={"color": SOFT, "width": 1},
                row=row,
                col=1,
            )
    return dress(
        figure,
        "What the edit costs elsewhere",
        f"{len(result.clips):,} clips of {result.n_speakers} speakers; colours are whose neurons are edited"
        if len(result.conditions) > 1
        else f"{len(result.clips):,} clips of {result.n_speakers} speakers",
        height=54 * sum(rows[panel] for panel in panels) + 90 * (len(panels) - 1) + 30,
        below=130,
    )


def _conditions(
    figure: go.Figure,
    result: SideEffects,
    each: Estimates,
    factor: int,
    heights: np.ndarray,
    labels: list[str],
    template: str,
    row: int,
) -> None:
    colors = emotion_colors(result.conditions)
    for at, name in enumerate(result.conditions):
        figure.add_trace(
            go.Scatter(
                x=factor * each.value[at],
                y=heights + _LIFT["condition"],
                mode="markers",
                name=name,
                legendgroup=name,
                showlegend=row == 1,
                marker={
                    "color": colors[name],
                    "symbol": SYMBOLS[at % len(SYMBOLS)],
                    "size": 8,
                    "opacity": 0.8,
                },
                customdata=[
                    [label, factor * low, factor * high]
                    for label, low, high in zip(labels, each.low[at], each.high[at], strict=True)
                ],
                hovertemplate=(
                    f"<b>{name}</b>, {result.neurons[at]} neurons<br>%{{customdata[0]}}: {template}"
                    "<br>95 % interval %{customdata[1]:.3g} to %{customdata[2]:.3g}<extra></extra>"
                ),
            ),
            row=row,
            col=1,
        )


def _means(
    figure: go.Figure,
    mean: Estimates,
    kind: str,
    factor: int,
    heights: np.ndarray,
    labels: list[str],
    template: str,
    row: int,
) -> None:
    name = "mean, 95 % interval" if kind == "own" else "random neurons, same layers"
    color = INK if kind == "own" else CONTROL
    value, low, high = (factor * v for v in (mean.value, mean.low, mean.high))
    figure.add_trace(
        go.Scatter(
            x=value,
            y=heights + _LIFT[kind],
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            marker={"color": color, "symbol": "diamond", "size": 11},
            error_x=bars(value, low, high, width=0, thickness=2, color=color),
            customdata=[[label, a, b] for label, a, b in zip(labels, low, high, strict=True)],
            hovertemplate=(
                f"<b>{name}</b><br>%{{customdata[0]}}: {template}"
                "<br>95 % interval %{customdata[1]:.3g} to %{customdata[2]:.3g}<extra></extra>"
            ),
        ),
        row=row,
        col=1,
    )
