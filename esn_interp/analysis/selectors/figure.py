"""Selectors side by side: what ablating their neurons does, over how many there are."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.selectors.result import SelectorComparison
from esn_interp.drawing.marks import bars
from esn_interp.drawing.theme import CONTROL, SERIES, SOFT, SYMBOLS, dress

_DODGE = 0.012
"""Share of a tenfold by which curves are set apart, so that their intervals do not hide one another."""
_PANELS = {
    "specificity": "own minus others",
    "self_change": "recall of the own emotion",
    "cross_change": "recall of the other emotions",
}


def draw(result: SelectorComparison) -> go.Figure:
    """Changes of recall in percentage points over the share of gates, with their intervals.

    One curve a selector; grey are random neurons, as many and of the same layers, one mark for each curve's.
    """
    figure = make_subplots(
        rows=3,
        shared_xaxes=True,
        vertical_spacing=0.09,
        row_heights=[0.4, 0.3, 0.3],
        subplot_titles=list(_PANELS.values()),
    )
    percent = 100 * result.tops
    middle = (len(result.selectors) - 1) / 2
    for row, name in enumerate(_PANELS, start=1):
        for at, selector in enumerate(result.selectors):
            where = percent * 10 ** (_DODGE * (at - middle))
            counts = result.neurons[at]
            for kind, effects in (("random", result.random), ("own", result.own)):
                estimates, own = getattr(effects, name), kind == "own"
                if np.isnan(estimates.value[at]).all():
                    continue
                label = selector if own else "random, same layers"
                value, low, high = (100 * v[at] for v in (estimates.value, estimates.low, estimates.high))
                figure.add_trace(
                    go.Scatter(
                        x=where,
                        y=value,
                        mode="lines+markers" if own else "markers",
                        name=label,
                        legendgroup=label,
                        showlegend=row == 1 and (own or at == 0),
                        legendrank=1000 if own else 1001,
                        line={"color": SERIES[at % len(SERIES)], "width": 2},
                        marker={
                            "symbol": SYMBOLS[at % len(SYMBOLS)],
                            "size": 8 if own else 6,
                            "color": SERIES[at % len(SERIES)] if own else CONTROL,
                        },
                        error_y=bars(value, low, high, width=0, thickness=1.2) if own else None,
                        customdata=np.stack(
                            [percent, low, high, counts.min(axis=1), counts.max(axis=1)], axis=1
                        ),
                        hovertemplate=(
                            f"<b>{selector if own else f'random neurons like those of {selector}'}</b>"
                            "<br>top %{customdata[0]:g} %, %{customdata[3]:d} to %{customdata[4]:d} neurons an emotion"
                            f"<br>{_PANELS[name]}: %{{y:+.1f}} points"
                            "<br>95 % interval %{customdata[1]:+.1f} to %{customdata[2]:+.1f}<extra></extra>"
                        ),
                    ),
                    row=row,
                    col=1,
                )
    figure.update_xaxes(type="log", tickvals=percent, ticktext=[f"{p:g} %" for p in percent], tickangle=0)
    figure.update_xaxes(title_text="gates an emotion, share of all (log scale)", row=3, col=1)
    figure.update_yaxes(title_text="points", zeroline=True, zerolinecolor=SOFT)
    selector, top = result.best
    return dress(
        figure,
        "Which selector finds causal neurons",
        "change of recall under ablation, in percentage points"
        f"<br>most specific, chosen on these clips: {selector} at {100 * top:g} %",
        height=620,
        below=120,
    )
