"""Conversions by emotion and condition: how often they are heard as their target, and what that costs in words."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.drawing.marks import name_lines
from esn_interp.drawing.theme import CONTROL, INK, SOFT, dress, emotion_colors

TITLES = {
    UNSTEERED: "unsteered",
    STEERED: "steered",
    RANDOM: "random neurons",
    UNFILTERED: "found without the filter",
}
_SYMBOLS = {UNSTEERED: "circle-open", STEERED: "circle", RANDOM: "diamond", UNFILTERED: "x"}
_PANELS = (("accuracy", "heard as the target"), ("wer", "word error rate"))


def draw(result: ConversionEffect) -> go.Figure:
    """One row per target and one for their mean; marks are conditions, bars their 95 % intervals over speakers."""
    rows = [*result.targets, "mean"]
    figure = make_subplots(
        rows=2, vertical_spacing=0.16, subplot_titles=[title for _, title in _PANELS], shared_xaxes=False
    )
    colors = emotion_colors(result.targets)
    count = len(result.conditions)
    for at, (measure, title) in enumerate(_PANELS, start=1):
        m = result.measures.index(measure)
        for c, condition in enumerate(result.conditions):
            parts = [
                np.append(getattr(result.level, part)[c, m], getattr(result.mean_level, part)[c, m])
                for part in ("value", "low", "high")
            ]
            value, low, high = (100 * part for part in parts)
            own = [*(colors[target] for target in result.targets), INK]
            color = [CONTROL] * len(rows) if condition == RANDOM else own
            figure.add_trace(
                go.Scatter(
                    x=value,
                    y=np.arange(len(rows)) + 0.62 * ((c + 0.5) / count - 0.5),
                    mode="markers",
                    name=TITLES.get(condition, condition),
                    legendgroup=condition,
                    showlegend=False,
                    marker={"symbol": _SYMBOLS.get(condition, "square"), "size": 10, "color": color},
                    customdata=np.stack([low, high], axis=1),
                    hovertemplate=(
                        f"<b>{TITLES.get(condition, condition)}</b>, {title}: %{{x:.1f}} %"
                        "<br>95 % interval %{customdata[0]:.1f} to %{customdata[1]:.1f}<extra></extra>"
                    ),
                ),
                row=at,
                col=1,
            )
            for y, (left, right, tint) in enumerate(zip(low, high, color, strict=True)):
                if np.isfinite([left, right]).all():
                    height = y + 0.62 * ((c + 0.5) / count - 0.5)
                    figure.add_shape(
                        **{"type": "line", "x0": left, "x1": right, "y0": height, "y1": height, "layer": "below"},
                        line={"color": tint, "width": 2},
                        row=at,
                        col=1,
                    )
    for condition in result.conditions:
        # The legend is about the shapes: a mark of its own in a neutral colour, at no place.
        figure.add_trace(
            go.Scatter(
                x=[None],
                y=[None],
                mode="markers",
                name=TITLES.get(condition, condition),
                marker={
                    "symbol": _SYMBOLS.get(condition, "square"),
                    "size": 10,
                    "color": CONTROL if condition == RANDOM else INK,
                },
            )
        )
    name_lines(figure, [*result.targets, "<b>mean</b>"], room=(0.55, 0.55), showgrid=False)
    figure.update_xaxes(ticksuffix=" %", rangemode="tozero", zeroline=True, zerolinecolor=SOFT)
    figure.update_xaxes(range=[0, 102], row=1, col=1)
    gain = result.change_of("accuracy").scaled(100) if STEERED in result.conditions else None
    told = "" if gain is None else f"steering: {gain:+.0f} points; "
    return dress(
        figure,
        "What is heard in the conversions",
        f"{told}{len(result.clips)} clips of {result.n_speakers} {result.voices} speakers",
        height=2 * 44 * len(rows) + 60,
        below=90,
    )
