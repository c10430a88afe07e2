"""Independent sets that prefer the same layers: how much they seem to share, simulated when the docs are built."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.inference.enrichment import SharedCount
from esn_interp.drawing.theme import CONTROL, INK, dress

WIDTH, LAYERS = 400, 8
PROFILE = np.array([2, 4, 40, 60, 30, 4, 2, 2])
REPETITIONS = 500


def shared_profile_figure() -> go.Figure:
    """Fold enrichment and share of small p-values of independent sets, within layers and over all at once."""
    rng = np.random.default_rng(0)
    widths, members = np.full(LAYERS, WIDTH), int(PROFILE.sum())
    nulls = {
        "within layers": SharedCount(widths, PROFILE, PROFILE),
        "as if all layers were one": SharedCount(
            *(np.array([n]) for n in (WIDTH * LAYERS, members, members))
        ),
    }
    shared = sum(rng.hypergeometric(n, WIDTH - n, n, size=REPETITIONS) for n in PROFILE.tolist())
    figure = go.Figure()
    for (name, null), color in zip(nulls.items(), ("#0072b2", CONTROL), strict=True):
        p_values = {count: null.p_value(count) for count in set(shared.tolist())}
        small = np.mean([p_values[count] <= 0.05 for count in shared.tolist()])
        figure.add_trace(
            go.Histogram(
                x=shared / null.expected,
                xbins={"start": -0.5 / null.expected, "size": 1 / null.expected},
                name=f"{name}: p at most 0.05 in {100 * small:.0f} %",
                marker={"color": color},
                opacity=0.75,
                hovertemplate=f"{name}: %{{x}} times chance, %{{y}} of {REPETITIONS}<extra></extra>",
            )
        )
    figure.add_vline(x=1, line={"color": INK, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="overlay")
    figure.update_xaxes(title_text="shared neurons / expected", rangemode="tozero")
    figure.update_yaxes(title_text=f"of {REPETITIONS} pairs of sets")
    return dress(
        figure,
        "Two sets that know nothing of each other",
        f"{members} of {WIDTH * LAYERS:,} neurons each, most in layers 2 to 4",
        height=280,
        below=110,
    )
