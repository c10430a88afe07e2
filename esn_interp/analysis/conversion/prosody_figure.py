"""Prosody: how far steering moves pitch, its range, energy, duration and rate, beside random neurons."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.conversion.acoustic_demand import CHECKED, demanded
from esn_interp.analysis.conversion.effect_result import RANDOM, STEERED, ConversionEffect
from esn_interp.analysis.conversion.measures import MEASURES, PROSODY
from esn_interp.drawing.marks import known_bars, name_lines
from esn_interp.drawing.theme import CONTROL, SOFT, dress, emotion_colors

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


def draw(result: ConversionEffect) -> go.Figure:
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
