"""Planted or grown, drawn from ``docs/results/planted.json``: what silencing costs in either model."""

import json
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.drawing.theme import CONTROL, INK, PATTERNS, SERIES, dress

FILE = Path(__file__).parents[1] / "results" / "planted.json"
MODELS = {"planted": "planted, with the penalties", "grown": "without the penalties"}
KINDS = {"self": "own emotion", "cross": "other emotions", "random": "own, random neurons"}
COLORS = (SERIES[1], SERIES[0], CONTROL)


def planted_figure() -> go.Figure:
    """Change of recall under each selector's neurons, a panel a model; below, recall with every gate silent."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    titles = [f"{words}: recall {found[name]['uar']:.2f}" for name, words in MODELS.items()]
    figure = make_subplots(rows=2, shared_xaxes=True, vertical_spacing=0.16, subplot_titles=titles)
    for row, name in enumerate(MODELS, start=1):
        of = found[name]["selectors"]
        for at, (kind, words) in enumerate(KINDS.items()):
            figure.add_trace(
                go.Bar(
                    x=list(of),
                    y=[100 * one[kind] for one in of.values()],
                    name=words,
                    legendgroup=kind,
                    showlegend=row == 1,
                    marker={"color": COLORS[at], "pattern": {"shape": PATTERNS[at]}},
                    hovertemplate=f"{MODELS[name]}, %{{x}}<br>{words}: %{{y:+.1f}} points<extra></extra>",
                ),
                row=row,
                col=1,
            )
        lost = 100 * (found[name]["uar_without_gates"] - found[name]["uar"])
        every = f"all gates silent: {lost:+.0f}"
        figure.add_hline(y=lost, line={"color": INK, "width": 1, "dash": "dot"}, row=row, col=1)  # pyright: ignore
        figure.add_annotation(
            **{"x": 1, "xref": "x domain", "xanchor": "right", "y": lost, "yanchor": "top", "text": every},
            showarrow=False,
            row=row,
            col=1,
        )
    figure.update_yaxes(range=[-75, 8], title_text="points of recall")
    return dress(
        figure,
        "What silencing costs: planted or grown",
        f"the {100 * found['top']:g} % of gates that a selector ranks highest"
        "<br>on four voices that neither model heard",
        height=420,
        below=90,
    )
