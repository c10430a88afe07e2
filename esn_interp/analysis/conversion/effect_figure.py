"""Conversions by emotion and condition: how often they are heard as their target, and what that costs in words."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.conversion.acoustic_demand import CHECKED, demanded
from esn_interp.analysis.conversion.effect_result import (
    RANDOM,
    STEERED,
    UNFILTERED,
    UNSTEERED,
    ConversionEffect,
)
from esn_interp.analysis.conversion.measures import MEASURES, PROSODY
from esn_interp.drawing.marks import known_bars, name_lines
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


_UNITS = {"range": "semitones", "energy": "dB"}
_ARROWS = {1: " ↑", -1: " ↓", 0: ""}


def shift(measure: str, change: np.ndarray) -> np.ndarray:
    """A change in the unit in which it is drawn: semitones for F0, per cent for durations and rates."""
    if measure == "f0":
        return np.asarray(12 / np.log(2) * change)
    return np.asarray(100 * np.expm1(change) if MEASURES[measure].log else change)


def unit(measure: str) -> str:
    """What `shift` gives."""
    return "semitones" if measure == "f0" else _UNITS.get(measure, "%")


def draw_prosody(result: ConversionEffect) -> go.Figure:
    """A panel for each measure: changes from the unsteered conversion, by target, with 95 % intervals.

    Grey diamonds are random neurons. An arrow at the emotion's name says where its acoustics demand that the measure
    go, where they demand anything.
    """
    measures = [name for name in PROSODY if np.isfinite(result.level.value[:, result.measures.index(name)]).any()]
    figure = make_subplots(
        rows=max(1, len(measures)),
        vertical_spacing=0.28 / max(2, len(measures)),
        subplot_titles=[f"{MEASURES[name].title}, {unit(name)}" for name in measures],
    )
    colors = emotion_colors(result.targets)
    shown = [condition for condition in (STEERED, RANDOM) if condition in result.conditions]
    for row, name in enumerate(measures, start=1):
        m = result.measures.index(name)
        for condition in shown:
            c = result.conditions.index(condition)
            value, low, high = (
                shift(name, getattr(result.change, part)[c, m]) for part in ("value", "low", "high")
            )
            random = condition == RANDOM
            figure.add_trace(
                go.Scatter(
                    x=value,
                    y=np.arange(len(result.targets)) + (0.2 if random else -0.1),
                    mode="markers",
                    name="random neurons" if random else "steered",
                    legendgroup=condition,
                    showlegend=row == 1,
                    marker={
                        "symbol": "diamond" if random else "circle",
                        "size": 8 if random else 10,
                        "color": CONTROL if random else [colors[target] for target in result.targets],
                    },
                    error_x=known_bars(value, low, high, width=0, color=CONTROL if random else SOFT),
                    customdata=np.stack([low, high], axis=1),
                    hovertemplate=(
                        f"<b>{'random' if random else 'steered'}</b>: %{{x:+.2f}} {unit(name)}"
                        "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
                    ),
                ),
                row=row,
                col=1,
            )
        arrows = [_ARROWS[demanded(target, name)] if name in CHECKED else "" for target in result.targets]
        names = [f"{target}{arrow}" for target, arrow in zip(result.targets, arrows, strict=True)]
        name_lines(figure, names, row=row, room=(0.5, 0.5), showgrid=False)
    figure.update_xaxes(rangemode="tozero", zeroline=True, zerolinecolor=SOFT, zerolinewidth=1)
    return dress(
        figure,
        "How steering moves the voice",
        f"change from the unsteered conversion; {len(result.clips)} clips of {result.n_speakers} speakers"
        "<br>arrows: where the emotion’s acoustics demand it",
        height=len(measures) * (30 * len(result.targets) + 62),
        below=80,
    )
