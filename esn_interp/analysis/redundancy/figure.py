"""Redundancy: what each further neuron takes away, and what the whole does beyond the sum of its parts."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.estimates import BySet
from esn_interp.analysis.redundancy.result import Redundancy
from esn_interp.drawing.marks import banded, bars, heatmap, name_lines, reach
from esn_interp.drawing.theme import CONTROL, EFFECTS, FIT, INK, SYMBOLS, dress, emotion_colors


def draw(result: Redundancy) -> go.Figure:
    """Cumulative curves; non-additivity of halves with its control; non-additivity of pairs of sets."""
    pairs = len(result.sets) > 1
    heights = [250, 30 * len(result.sets) + 30, *([40 * len(result.sets)] if pairs else [])]
    figure = make_subplots(
        rows=len(heights),
        row_heights=heights,
        vertical_spacing=0.13,
        subplot_titles=[
            "the strongest neurons silenced: change of log-odds, in nats",
            "a set minus the sum of its halves, in nats",
            *(["two sets together minus their sum, in nats"] if pairs else []),
        ],
    )
    colors = emotion_colors(result.sets)
    for at, emotion in enumerate(result.sets):
        figure.add_trace(
            go.Scatter(
                x=result.sizes,
                y=result.curve.value[:, at],
                mode="lines+markers",
                name=emotion,
                legendgroup=emotion,
                line={"color": colors[emotion], "width": 1.4},
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 6},
                customdata=np.stack([result.curve.low[:, at], result.curve.high[:, at]], axis=1),
                hovertemplate=_hover(emotion),
            ),
            row=1,
            col=1,
        )
    _curve(figure, result, result.curve, "mean, 95 % interval", INK, "solid")
    if not np.isnan(result.greedy.mean).all():
        _curve(figure, result, result.greedy, "chosen greedily", FIT, "dot")
    if result.draws:
        _curve(figure, result, result.random, "random neurons", CONTROL, "dash")
    figure.update_xaxes(
        type="log", tickvals=result.sizes, title_text="neurons silenced (log scale)", row=1, col=1
    )
    _halves(figure, result, result.halves, colors, 0.0)
    if result.draws:
        _halves(figure, result, result.random_halves, None, 0.28)
    if pairs:
        _pairs(figure, result)
    half = f"{result.half_effect} neurons do half of it; " if result.half_effect else ""
    return dress(
        figure,
        "Do the neurons of an emotion add up?",
        f"{half}halves together: {result.halves.at():+.2f} nats".replace("-", "−")
        + "<br>below 0: they stand in for each other; above: in line",
        height=sum(heights) + 90 * len(heights),
        below=120,
    )


def _curve(figure: go.Figure, result: Redundancy, table: BySet, name: str, color: str, dash: str) -> None:
    """A mean over the emotions, with its interval as a band where it is known."""
    known = ~np.isnan(table.mean)
    parts = (part[known] for part in (result.sizes, table.mean, table.mean_low, table.mean_high))
    banded(figure, *parts, row=1, name=name, color=color, dash=dash, hovertemplate=_hover(name))


def _hover(name: str) -> str:
    return (
        f"<b>{name}</b>: %{{x}} neurons silenced<br>log-odds %{{y:+.2f}} nats"
        "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
    )


def _halves(
    figure: go.Figure, result: Redundancy, table: BySet, colors: dict[str, str] | None, below: float
) -> None:
    """One mark with its interval for each emotion, and one for their mean."""
    names = [*result.sets, "mean"]
    value = np.append(table.value, table.mean)
    low, high = np.append(table.low, table.mean_low), np.append(table.high, table.mean_high)
    shades = [CONTROL if colors is None else colors.get(name, INK) for name in names]
    for at, name in enumerate(names):
        figure.add_trace(
            go.Scatter(
                x=value[[at]],
                y=[at + below],
                mode="markers",
                showlegend=False,
                marker={"color": shades[at], "size": 9 if colors else 6},
                error_x=bars(value[[at]], low[[at]], high[[at]], thickness=1.5, width=0),
                customdata=[[low[at], high[at]]],
                hovertemplate=(
                    f"<b>{name}</b>, {'halves of the set' if colors else 'halves of random sets'}: %{{x:+.2f}} nats"
                    "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
                ),
            ),
            row=2,
            col=1,
        )
    name_lines(figure, names, row=2, showgrid=False)
    figure.update_xaxes(zeroline=True, zerolinecolor=CONTROL, row=2, col=1)


def _pairs(figure: go.Figure, result: Redundancy) -> None:
    values = np.where(np.eye(len(result.sets), dtype=np.bool_), np.nan, result.pairs)
    extent = reach(values, 0.1)
    figure.add_trace(
        heatmap(
            values,
            result.sets,
            result.sets,
            limits=(-extent, extent),
            colorscale=EFFECTS,
            text=[[_signed(value) for value in row] for row in values],
            customdata=np.stack(
                [result.pairs_low, result.pairs_high, result.shared, result.random_pairs], axis=-1
            ),
            hovertemplate=(
                "clips of <b>%{y}</b>, its neurons and those of <b>%{x}</b>: %{z:+.2f} nats"
                "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}"
                "<br>%{customdata[2]} neurons in both; random sets %{customdata[3]:+.2f}<extra></extra>"
            ),
        ),
        row=3,
        col=1,
    )
    figure.update_yaxes(autorange="reversed", title_text="clips of", showgrid=False, row=3, col=1)
    figure.update_xaxes(title_text="and the neurons of", showgrid=False, row=3, col=1)


def _signed(value: float) -> str:
    """Two decimals with sign and true minus, no sign for zero, nothing for what is unknown."""
    if np.isnan(value):
        return ""
    return "0" if abs(value) < 0.005 else f"{value:+.2f}".replace("-", "−")
