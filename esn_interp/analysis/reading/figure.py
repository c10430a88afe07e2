"""Heard and read neurons: what they share beside what chance shares, and what each does in the other's place."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.reading.result import READ, Reading
from esn_interp.drawing.marks import bars
from esn_interp.drawing.theme import CONTROL, DASHES, FIT, INK, SERIES, SYMBOLS, dress, emotion_colors

_ROW = 34
_KINDS = {READ: "read, not named"}
_PARTS = {"own": "own emotion", "others": "other emotions", "random": "own emotion, random gates"}


def draw(result: Reading) -> go.Figure:
    """Fold enrichment by emotion, the permutation null, and the change of log-odds under silencing."""
    heights = [_ROW * (len(result.emotions) + 1) * len(result.pairs) + 20, 150]
    effects = len(result.effects)
    heights += [_ROW * 2 * effects] if effects else []
    titles = ["shared neurons / expected from their layers", "the same with labels permuted"]
    figure = make_subplots(
        rows=len(heights),
        row_heights=heights,
        vertical_spacing=72 / (sum(heights) + 72 * (len(heights) - 1)),
        subplot_titles=[*titles, "log-odds of the right answer, silenced"][: len(heights)],
    )
    _forest(figure, result)
    _null(figure, result)
    if effects:
        _silencing(figure, result)
    return dress(
        figure,
        "Heard emotions, and the same ones read",
        f"{result.model}, {result.selector}, {result.size} neurons an emotion<br>{result.sentences} sentences,"
        f" {result.topics} topics; heard on {result.corpus}",
        height=sum(heights) + 72 * (len(heights) - 1),
        below=96,
    )


def _words(kind: str) -> str:
    return _KINDS.get(kind, "read by name")


def _forest(figure: go.Figure, result: Reading) -> None:
    colors = emotion_colors(result.emotions)
    for at, pair in enumerate(result.pairs):
        rows = [
            (emotion, pair.fold[row, row], pair.fold_low[row, row], pair.fold_high[row, row], colors[emotion])
            for row, emotion in enumerate(result.emotions)
        ]
        others = pair.other_emotion
        rows.append(("different emotions", others.fold, others.low, others.high, CONTROL))
        names = [f"{name}, {_words(pair.b)}" for name, *_ in rows]
        value, low, high = np.array([[row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows]])
        figure.add_trace(
            go.Scatter(
                x=value,
                y=names,
                error_x=bars(value, low, high, thickness=1.6, width=4),
                mode="markers",
                name=f"heard and {_words(pair.b)}",
                marker={"size": 9, "symbol": SYMBOLS[at], "color": [row[4] for row in rows]},
                customdata=np.stack([low, high], axis=1),
                hovertemplate="<b>%{y}</b>: %{x:.2f} times [%{customdata[0]:.2f}, %{customdata[1]:.2f}]<extra></extra>",
            ),
            row=1,
            col=1,
        )
    figure.add_vline(x=1, line={"color": INK, "width": 1, "dash": "dot"}, row=1, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_xaxes(title_text="times chance (1: no more than chance)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=1)


def _null(figure: go.Figure, result: Reading) -> None:
    for at, pair in enumerate(result.pairs):
        figure.add_trace(
            go.Histogram(
                x=result.drawn[at],
                name=f"permuted, {_words(pair.b)}",
                marker={"color": SERIES[at]},
                opacity=0.5,
                nbinsx=30,
                hovertemplate="%{x}: %{y} permutations<extra></extra>",
            ),
            row=2,
            col=1,
        )
        figure.add_trace(
            go.Scatter(
                x=[result.difference[at]] * 2,
                y=[0, len(result.drawn[at]) / 8],
                mode="lines",
                name=f"as labelled, {_words(pair.b)}",
                line={"color": FIT, "width": 2, "dash": DASHES[at]},
                hovertemplate=f"as labelled: %{{x:.3f}}, p {result.p_values[at]:.2g}<extra></extra>",
            ),
            row=2,
            col=1,
        )
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title_text="Jaccard index, equal minus different emotions", row=2, col=1)
    figure.update_yaxes(title_text="permutations", row=2, col=1)


def _silencing(figure: go.Figure, result: Reading) -> None:
    for at, (part, words) in enumerate(_PARTS.items()):
        found: list[Interval] = [getattr(one, part) for one in result.effects]
        value, low, high = (np.array([getattr(one, end) for one in found]) for end in ("value", "low", "high"))
        figure.add_trace(
            go.Scatter(
                x=value,
                y=[f"{one.neurons} neurons, {one.doing}" for one in result.effects],
                error_x=bars(value, low, high, thickness=1.6, width=4),
                mode="markers",
                name=words,
                marker={"size": 9, "symbol": SYMBOLS[at], "color": CONTROL if part == "random" else SERIES[at]},
                customdata=np.stack([low, high], axis=1),
                hovertemplate=(
                    f"<b>%{{y}}</b>, {words}: %{{x:+.2f}} [%{{customdata[0]:+.2f}}, %{{customdata[1]:+.2f}}] nats"
                    "<extra></extra>"
                ),
            ),
            row=3,
            col=1,
        )
    figure.add_vline(x=0, line={"color": INK, "width": 1, "dash": "dot"}, row=3, col=1)  # pyright: ignore[reportArgumentType]
    figure.update_xaxes(title_text="change of log-odds, nats", row=3, col=1)
    figure.update_yaxes(autorange="reversed", showgrid=False, row=3, col=1)
