"""Whether attribution is true: predicted effects of single neurons against those of ablation."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.attribution.check import AttributionCheck
from esn_interp.drawing.marks import bars
from esn_interp.drawing.theme import GRID, SOFT, SYMBOLS, dress, emotion_colors


def draw(result: AttributionCheck) -> go.Figure:
    """True change of the log-odds against the predicted one, with intervals over speakers and the diagonal."""
    figure, colors = go.Figure(), emotion_colors(result.emotions)
    known = np.concatenate([result.predicted.ravel(), result.effect.ravel(), [0.0]])
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    figure.add_trace(
        go.Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            line={"color": SOFT, "width": 1, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    for row, emotion in enumerate(result.emotions):
        correlation = result.spearman[row]
        effect = result.effect[row]
        figure.add_trace(
            go.Scatter(
                x=result.predicted[row],
                y=effect,
                error_y=bars(effect, result.effect_low[row], result.effect_high[row], thickness=1, width=0),
                mode="markers",
                name=f"{emotion} ({'–' if np.isnan(correlation) else f'{correlation:.2f}'})",
                marker={"color": colors[emotion], "size": 6, "symbol": SYMBOLS[row % len(SYMBOLS)]},
                customdata=np.stack(
                    [result.layer, result.neuron, result.effect_low[row], result.effect_high[row]], axis=1
                ),
                hovertemplate=(
                    f"<b>{emotion}</b>: layer %{{customdata[0]:.0f}}, neuron %{{customdata[1]:.0f}}"
                    "<br>predicted %{x:+.3f} nats, true %{y:+.3f}"
                    "<br>95 % interval %{customdata[2]:+.3f} to %{customdata[3]:+.3f}<extra></extra>"
                ),
            )
        )
    figure.update_xaxes(title_text="predicted: minus attribution, in nats", zeroline=True, zerolinecolor=GRID)
    figure.update_yaxes(title_text="true change of log-odds, in nats", zeroline=True, zerolinecolor=GRID)
    return dress(
        figure,
        "Attribution against true ablation",
        f"{len(result.neuron)} neurons silenced one by one"
        f"<br>rank correlation {result.agreement:.2f} (by emotion below)",
        height=420,
        below=130,
    )
