"""What listeners preferred: shares with their intervals, and the strengths of several conditions."""

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.listening.result import ALL, Comparison, Preference, Strength
from esn_interp.drawing.marks import known_bars, name_lines
from esn_interp.drawing.theme import CONTROL, INK, SOFT, SYMBOLS, dress, emotion_colors

_ROW = 30
"""Height of a line, in pixels."""
_SHARES = (0, 25, 50, 75, 100)
_APART = 0.13
"""How far the emotions of one condition stand apart, in lines."""


def draw(result: Preference) -> go.Figure:
    """A panel per pair of conditions, a line per emotion; small dots are single listeners, below are strengths."""
    panels = [
        [one for one in result.comparisons if (one.first, one.second) == (every.first, every.second)]
        for every in result.overall()
    ]
    titles = [f"{panel[0].first} preferred to {panel[0].second}" for panel in panels]
    lines = [len(panel) for panel in panels]
    if result.strengths:
        titles.append("strength (Bradley-Terry), log-odds against the mean")
        lines.append(2 * len(result.conditions))
    # What is written between two panels takes as much as two lines and a half.
    total = sum(lines) + 2.5 * (len(lines) - 1)
    figure = make_subplots(
        rows=len(lines),
        subplot_titles=titles,
        row_heights=[count / sum(lines) for count in lines],
        vertical_spacing=2.5 / total if len(lines) > 1 else 0,
    )
    for row, panel in enumerate(panels, start=1):
        for trace in _shares(panel, result):
            figure.add_trace(trace, row=row, col=1)
        figure.add_vline(x=50, line={"color": SOFT, "width": 1, "dash": "dot"}, row=row, col=1)  # pyright: ignore[reportArgumentType]
        figure.update_xaxes(range=[-2, 102], tickvals=_SHARES, ticktext=[f"{n} %" for n in _SHARES], row=row, col=1)
        name_lines(figure, [one.emotion for one in panel], row=row, showgrid=False)
    if result.strengths:
        for trace in _strengths(result):
            figure.add_trace(trace, row=len(lines), col=1)
        figure.add_vline(x=0, line={"color": SOFT, "width": 1, "dash": "dot"}, row=len(lines), col=1)  # pyright: ignore[reportArgumentType]
        name_lines(figure, result.conditions, row=len(lines), showgrid=False)
    number = len(result.kept)
    return dress(
        figure,
        "What listeners preferred",
        f"{number} listener{'s' if number > 1 else ''}, {result.left.answers} answers; bars are 95 % intervals"
        f"<br>{_shortened(result.question)}",
        height=int(_ROW * total),
        below=70 if result.strengths and len(result.emotions) > 1 else 40,
    )


def _shares(panel: Sequence[Comparison], result: Preference) -> list[go.Scatter]:
    colors = {**emotion_colors(result.emotions), ALL: INK}
    singles = panel[0]
    traces: list[go.Scatter] = []
    if singles.listeners > 1:
        traces.append(
            go.Scatter(
                x=[100 * share for share in singles.shares],
                y=[0.32] * len(singles.shares),
                mode="markers",
                marker={"size": 6, "color": CONTROL, "opacity": 0.55},
                customdata=list(result.kept),
                hovertemplate="listener %{customdata}: %{x:.0f} %<extra></extra>",
                showlegend=False,
            )
        )
    for line, one in enumerate(panel):
        told = (
            f"<b>{one.emotion}</b>: {one.first} chosen {one.chosen} of {one.answers} times"
            f"<br>{100 * one.share:.1f} % [{100 * one.low:.1f}, {100 * one.high:.1f}],"
            f" {one.listeners} listener{'s' if one.listeners > 1 else ''}"
            f"<br>worth {one.worth:.0f} independent answers; as if all were:"
            f" [{100 * one.alone_low:.1f}, {100 * one.alone_high:.1f}]"
        )
        traces.append(
            go.Scatter(
                x=[100 * one.share],
                y=[line],
                error_x=known_bars(*100 * np.array([[one.share], [one.low], [one.high]]), thickness=1.6, width=4),
                mode="markers",
                marker={"size": 11 if one.emotion == ALL else 9, "color": colors[one.emotion]},
                hovertemplate=f"{told}<extra></extra>",
                showlegend=False,
            )
        )
    return traces


def _strengths(result: Preference) -> list[go.Scatter]:
    colors = {**emotion_colors(result.emotions), ALL: INK}
    emotions = list(dict.fromkeys(one.emotion for one in result.strengths))
    middle = (len(emotions) - 1) / 2
    traces: list[go.Scatter] = []
    for at, emotion in enumerate(emotions):
        these: list[Strength] = [one for one in result.strengths if one.emotion == emotion]
        value, low, high = (np.array([getattr(one, name) for one in these]) for name in ("value", "low", "high"))
        traces.append(
            go.Scatter(
                x=value,
                y=np.arange(len(these)) + _APART * (at - middle),
                error_x=known_bars(value, low, high, thickness=1.6, width=4),
                mode="markers",
                name=emotion,
                showlegend=len(emotions) > 1,
                marker={
                    **{"size": 10 if emotion == ALL else 7, "color": colors[emotion]},
                    "symbol": SYMBOLS[at % len(SYMBOLS)],
                },
                customdata=np.stack([low, high], axis=1),
                hovertemplate=(
                    f"<b>{emotion}</b>: %{{x:+.2f}} [%{{customdata[0]:+.2f}}, %{{customdata[1]:+.2f}}]<extra></extra>"
                ),
            )
        )
    return traces


def _shortened(question: str) -> str:
    """The question as far as it fits into a line; figures have no other place for it."""
    question = question.replace("{emotion}", "…")
    return question if len(question) <= 56 else f"{question[:55].rstrip()}…"
