"""What selectors find of planted neurons when gates differ in scale: the results of ``benchmarks.planted_scales``."""

import json
from typing import Any

import plotly.graph_objects as go
from docutils import nodes
from measured import RESULTS
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import CONTROL, SYMBOLS, dress

FILE = RESULTS / "planted_scales.json"
COLORS = {
    "mad": "#d55e00",
    "cas": "#0072b2",
    "cohen": "#007a5a",
    "welch": "#56b4e9",
    "auroc": "#8c6d1f",
    "lap": "#7a4b9a",
}


def results() -> dict[str, Any]:
    """Everything in the file."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def planted_scales_figure() -> go.Figure:
    """Precision over the spread of scales, a line for each selector."""
    import numpy as np

    figure, found = go.Figure(), results()["precision"]
    for at, (name, by_spread) in enumerate(found.items()):
        where = np.array([float(spread) for spread in by_spread])
        share, error = (np.array([100 * one[key] for one in by_spread.values()]) for key in ("mean", "error"))
        color = COLORS.get(name, CONTROL)
        figure.add_trace(
            go.Scatter(
                x=where,
                y=share,
                mode="lines+markers",
                name=name,
                line={"color": color, "width": 2},
                marker={"symbol": SYMBOLS[at % len(SYMBOLS)], "size": 8},
                error_y=known_bars(share, share - 2 * error, share + 2 * error, width=0),
                hovertemplate=f"<b>{name}</b><br>spread %{{x}}: %{{y:.1f}} %<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="standard deviation of the logarithm of the gates’ scales")
    figure.update_yaxes(title_text="selected neurons that were planted", ticksuffix=" %", range=[-3, 103])
    return dress(
        figure,
        "What selectors find when gates differ in scale",
        "bars are two standard errors over models that were made up",
        height=340,
        below=64,
    )


class Planted(SphinxRole):
    """A number of the design, ``planted``, or a selector's share at one spread, ``mad 1.5``, in a sentence."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.env.note_dependency(str(FILE))
        name, _, spread = self.text.partition(" ")
        content = results()
        if not spread:
            return [nodes.Text(f"{content['design'][name]:,}")], []
        return [nodes.Text(f"{content['precision'][name][spread]['mean']:.0%}".replace("%", " %"))], []


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("planted", Planted())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
