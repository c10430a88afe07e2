"""Effect against side cost: a line a method, the cost at which they are compared marked."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.baselines.result import Baselines, Points
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import CONTROL, INK, SERIES, SOFT, SYMBOLS, dress


def draw(result: Baselines) -> go.Figure:
    """Steering above: flipped clips over the cost; silencing below: change of the own recall over the cost."""
    figure = make_subplots(
        rows=2,
        vertical_spacing=0.16,
        subplot_titles=["turned up: other clips heard as the target, %", "silenced: change of own recall, points"],
    )
    looks = _looks(result)
    for row, points in ((1, result.steered), (2, result.silenced)):
        for name in dict.fromkeys(points.methods):
            figure.add_trace(_line(points, name, looks[name], first=row == 1), row=row, col=1)
        figure.add_vline(
            x=100 * result.equal_cost,
            line={"color": SOFT, "width": 1, "dash": "dot"},
            row=row,  # pyright: ignore[reportArgumentType]
            col=1,  # pyright: ignore[reportArgumentType]
        )
    figure.update_yaxes(ticksuffix=" ")
    figure.update_xaxes(title_text="loss in transcription and the speaker's sex, in points", row=2, col=1)
    return dress(
        figure,
        "Neurons, and what else there is",
        f"dotted: equal cost, {100 * result.equal_cost:g} points<br>best there: {result.best}",
        height=520,
        below=150,
    )


def _looks(result: Baselines) -> dict[str, tuple[str, str, str]]:
    """Colour, dashes and symbol of every method."""
    hues = iter((INK, *SERIES))
    looks: dict[str, tuple[str, str, str]] = {}
    for at, name in enumerate(result.methods):
        color, dash = (CONTROL, "dot") if "random" in name else (next(hues), "solid")
        looks[name] = (color, dash, SYMBOLS[at % len(SYMBOLS)])
    return looks


def _line(points: Points, name: str, look: tuple[str, str, str], *, first: bool) -> go.Scatter:
    at, (color, dash, symbol) = points.of(name), look
    effect, cost = (100 * part.value[at] for part in (points.effect, points.cost))
    bounds = [100 * bound[at] for bound in (points.effect.low, points.effect.high)]
    return go.Scatter(
        x=cost,
        y=effect,
        error_y=known_bars(effect, *bounds, color=color, thickness=1, width=0),
        mode="lines+markers",
        name=name,
        legendgroup=name,
        showlegend=first,
        line={"color": color, "dash": dash, "width": 2},
        marker={"size": 8, "symbol": symbol},
        customdata=points.strengths[at],
        hovertemplate=f"{name}, strength %{{customdata:g}}: %{{y:.0f}} at a cost of %{{x:.1f}}<extra></extra>",
    )
