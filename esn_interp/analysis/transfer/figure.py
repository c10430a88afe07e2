"""Transfer: what own, foreign and random neurons do on each corpus, and the ratio of their effects."""

import re

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.transfer.carried_over import RANDOM, CarriedOver
from esn_interp.analysis.transfer.result import EFFECTS, OnTarget, Transfer
from esn_interp.drawing.marks import known_bars, name_lines
from esn_interp.drawing.theme import CONTROL, SERIES, SOFT, dress

_TITLES = {
    "ablation": "silenced: change of recall, in points",
    "steering": "turned up (alpha {alpha:g}): change of flip rate, in points",
}
_STEP = 0.17


def draw(result: Transfer) -> go.Figure:
    """One panel for each effect, one line for each target and source.

    Full marks are the effect on the neurons' own emotion, hollow ones that on the other emotions, which is
    the control; bars are 95 % intervals over the target's speakers. The transfer ratio stands on the right.
    """
    figure = make_subplots(
        rows=len(EFFECTS),
        vertical_spacing=0.16,
        subplot_titles=[_TITLES[effect].format(alpha=result.alpha) for effect in EFFECTS],
    )
    lines = [(on, k) for on in result.targets for k in _order(result, on)]
    labels = [_label(result, on, k) for on, k in lines]
    for row, effect in enumerate(EFFECTS, start=1):
        for at, (on, k) in enumerate(lines):
            measured = on.of(effect)
            first = row == 1 and at == 0
            color = _color(result, k)
            for estimates, name, symbol, offset in (
                (measured.own_emotion, "on the neurons’ own emotion", "circle", -_STEP),
                (measured.other_emotions, "on the other emotions", "circle-open", _STEP),
            ):
                trace = _point(estimates, k, at + offset, color, name, symbol, labels[at], first=first)
                figure.add_trace(trace, row=row, col=1)
        figure.add_vline(x=0, line_color=SOFT, line_width=1, row=row, col=1)  # pyright: ignore[reportArgumentType]
    name_lines(figure, labels, room=(0.5, 0.5), showgrid=False)
    ratios = [
        f"{source} → {target}: {_ratio_text(result.target(target).of(EFFECTS[0]), result.sources.index(source))}"
        for source in result.corpora
        for target in result.corpora
        if source != target
    ]
    dress(
        figure,
        "Neurons of one corpus, used on another",
        "ratio to the corpus’s own effect, on the right; silenced:<br>" + "<br>".join(ratios[:4]),
        height=len(EFFECTS) * (46 * len(lines) + 30),
        below=90,
    )
    # After `dress`, which sends all annotations to the left: the titles of the panels belong there.
    for row, effect in enumerate(EFFECTS, start=1):
        for at, (on, k) in enumerate(lines):
            figure.add_annotation(
                **{"x": 1.01, "xref": "x domain", "xanchor": "left", "y": at, "showarrow": False},
                text="1" if result.sources[k] == on.corpus else _ratio_text(on.of(effect), k),
                font={"size": 12, "color": _color(result, k)},
                row=row,
                col=1,
            )
    figure.update_layout(margin={"r": 150})
    return figure


def _order(result: Transfer, on: OnTarget) -> list[int]:
    """The target's own neurons first, then those of the other corpora, random ones last."""
    own = result.corpora.index(on.corpus)
    others = [k for k in range(len(result.corpora)) if k != own]
    return [own, *others, *([len(result.corpora)] if result.draws else [])]


def _label(result: Transfer, on: OnTarget, k: int) -> str:
    source = result.sources[k]
    if source == on.corpus:
        return f"<b>{on.corpus}</b>: own"
    return "random" if source == RANDOM else f"from {source}"


def _color(result: Transfer, k: int) -> str:
    return CONTROL if result.sources[k] == RANDOM else SERIES[k % len(SERIES)]


def _ratio_text(measured: CarriedOver, k: int) -> str:
    ratio = measured.interval(measured.ratio, k)
    # A true minus, and none before a zero.
    text = re.sub(r"-(?=0\.00)", "", f"{ratio:.2f}").replace("-", "−")
    return "undefined" if np.isnan(ratio.value) else text


def _point(
    estimates: Estimates, k: int, y: float, color: str, name: str, symbol: str, label: str, *, first: bool
) -> go.Scatter:
    value, low, high = (100 * bound[[k]] for bound in (estimates.value, estimates.low, estimates.high))
    return go.Scatter(
        x=value,
        y=[y],
        error_x=known_bars(value, low, high, width=4, thickness=1.5, color=color),
        mode="markers",
        name=name,
        legendgroup=name,
        showlegend=first,
        marker={"symbol": symbol, "size": 9, "color": color, "line": {"width": 2, "color": color}},
        customdata=[[label, *low, *high]],
        hovertemplate=(
            f"<b>%{{customdata[0]}}</b><br>{name}: %{{x:+.1f}} points"
            "<br>95 % interval %{customdata[1]:+.1f} to %{customdata[2]:+.1f}<extra></extra>"
        ),
    )
