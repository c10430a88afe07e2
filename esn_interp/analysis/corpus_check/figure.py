"""Figures of a corpus: who says what how often, and how loud and long each emotion is."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from esn_interp.analysis.corpus_check.result import CorpusCheck
from esn_interp.drawing.marks import bars, heatmap
from esn_interp.drawing.theme import COUNTS, GRID, dress, emotion_colors

MOST = 30
"""Speakers that get a row of their own; the others share one."""


def draw(check: CorpusCheck) -> go.Figure:
    """Clips by speaker (rows) and emotion; the speakers with fewest clips share the last row if they are many."""
    order = np.argsort(-check.balance.sum(axis=1), kind="stable")
    shown = sorted(order[:MOST].tolist()) if len(order) > MOST else list(range(len(order)))
    names = [check.speakers[row] or "unknown" for row in shown]
    table = check.balance[shown]
    if rest := len(order) - len(shown):
        names.append(f"{rest:,} others (mean)")
        others = np.delete(check.balance, shown, axis=0).mean(axis=0, keepdims=True)
        table = np.concatenate([table, others])
    text = [
        [f"{count:.0f}" if count >= 10 or count == int(count) else f"{count:.1f}" for count in row]
        for row in table.tolist()
    ]
    figure = go.Figure(
        heatmap(
            table,
            check.emotions,
            # Names such as "03" would be drawn as numbers, to scale.
            [f"{name} " for name in names],
            limits=(0, max(1.0, float(table.max(initial=0)))),
            colorscale=COUNTS,
            text=text,
            texttemplate="%{text}" if len(check.emotions) <= 12 else "",
            hovertemplate="speaker <b>%{y}</b><br><b>%{x}</b>: %{text} clips<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", title_text="speaker", showgrid=False, type="category")
    figure.update_xaxes(showgrid=False, side="bottom")
    figure.update_layout(plot_bgcolor=GRID)
    total, speakers = int(check.balance.sum()), len(check.speakers)
    who = f"{speakers} speakers" if check.speakers != ("",) else "speakers not known"
    return dress(
        figure,
        "Who says what, and how often",
        f"{total:,} clips, {who}, {len(check.emotions)} emotions",
        height=max(2, len(names)) * 26,
        below=70,
    )


def sound(check: CorpusCheck) -> go.Figure:
    """Level and length of the clips of each emotion: median and middle half."""
    colors = emotion_colors(check.emotions)
    figure = make_subplots(cols=2, shared_yaxes=True, horizontal_spacing=0.06)
    panels = ((check.level, "dB", 1), (check.seconds, "s", 2))
    for values, unit, column in panels:
        for row, emotion in enumerate(check.emotions):
            low, median, high = values[row][:, None]
            figure.add_trace(
                go.Scatter(
                    x=median,
                    y=[emotion],
                    mode="markers",
                    marker={"color": colors[emotion], "size": 11},
                    error_x=bars(median, low, high, thickness=3, width=0),
                    showlegend=False,
                    hovertemplate=f"<b>{emotion}</b><br>median {median.item():.2f} {unit}"
                    f"<br>middle half {low.item():.2f} to {high.item():.2f} {unit}<extra></extra>",
                ),
                row=1,
                col=column,
            )
    figure.update_yaxes(autorange="reversed", showgrid=True)
    figure.update_xaxes(title_text="level (dB, 0 is full scale)", range=_span(check.level), col=1)
    figure.update_xaxes(title_text="length (s)", rangemode="tozero", col=2)
    return dress(
        figure,
        "How loud and how long each emotion is",
        "median and middle half of the clips",
        height=max(3, len(check.emotions)) * 30,
        below=64,
    )


def _span(level: Float[np.ndarray, " emotion quartile"]) -> list[float] | None:
    """What the axis of levels shows: 6 dB at least, so that a tenth of one does not look like a difference."""
    if np.isnan(level).all():
        return None
    low, high = float(np.nanmin(level)), float(np.nanmax(level))
    middle, half = (low + high) / 2, max(6.0, 1.1 * (high - low)) / 2
    return [middle - half, middle + half]
