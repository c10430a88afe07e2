"""Attribution: where the evidence for the right label is, how few gates hold it, and whether ablation agrees."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.attribution.check import AttributionCheck
from esn_interp.analysis.attribution.result import Attribution
from esn_interp.drawing.marks import bars, heatmap, reach
from esn_interp.drawing.theme import DASHES, EFFECTS, GRID, SOFT, SYMBOLS, dress, emotion_colors

_POINTS = 200  # a curve over half a million gates needs no more


def draw(result: Attribution) -> go.Figure:
    """Summed attribution by layer and emotion, and the share that the strongest gates hold."""
    figure = make_subplots(
        rows=2,
        vertical_spacing=0.2,
        row_heights=[0.55, 0.45],
        subplot_titles=["log-odds from each layer’s gates, in nats", "share held by the strongest gates"],
    )
    extent = reach(result.layers, 1e-9)
    layers = [str(layer) for layer in range(result.layers.shape[1])]
    few = result.layers.shape[1] <= 12  # numbers in the cells as long as they fit
    figure.add_trace(
        heatmap(
            result.layers,
            layers,
            result.emotions,
            limits=(-extent, extent),
            colorscale=EFFECTS,
            showscale=not few,
            colorbar={"len": 0.5, "y": 1, "yanchor": "top", "thickness": 12},
            texttemplate="%{text}" if few else None,
            text=[[_number(value) for value in row] for row in result.layers],
            customdata=np.stack([result.layers_low, result.layers_high], axis=-1),
            hovertemplate=(
                "<b>%{y}</b>, layer %{x}: %{z:+.2f} nats"
                "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
            ),
        ),
        row=1,
        col=1,
    )
    shares, gates = 100 * result.concentration("none"), result.origin.n_gates
    ranks = np.unique(np.geomspace(1, gates, _POINTS).round().astype(np.int64))
    colors = emotion_colors(result.emotions)
    for row, emotion in enumerate(result.emotions):
        figure.add_trace(
            go.Scatter(
                x=100 * ranks / gates,
                y=shares[row, ranks - 1],
                mode="lines",
                name=emotion,
                line={"color": colors[emotion], "width": 2, "dash": DASHES[row % len(DASHES)]},
                customdata=ranks,
                hovertemplate=(
                    f"<b>{emotion}</b>: the strongest %{{customdata}} gates (%{{x:.2f}} %)"
                    "<br>hold %{y:.0f} % of what speaks for it<extra></extra>"
                ),
            ),
            row=2,
            col=1,
        )
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=1)
    figure.update_xaxes(title_text="layer", showgrid=False, row=1, col=1)
    ticks = [tick for tick in (0.01, 0.1, 1, 10, 100) if tick >= 50 / gates]
    figure.update_xaxes(
        type="log",
        tickvals=ticks,
        ticktext=[f"{tick:g} %" for tick in ticks],
        title_text="share of all gates (log scale)",
        row=2,
        col=1,
    )
    figure.update_yaxes(
        range=[-4, 103], tickvals=[0, 50, 100], ticktext=["0 %", "50 %", "100 %"], row=2, col=1
    )
    figure.update_layout(plot_bgcolor="white")
    return dress(
        figure,
        "What speaks for the right label",
        f"gradient × gate, {result.where} tokens"
        f"<br>{len(result.clips)} clips of {result.n_speakers} speakers",
        height=46 * len(result.emotions) + 300,
        below=110,
    )


def _number(value: float) -> str:
    """One decimal with a true minus, none for zero, a dash for what is unknown."""
    text = "–" if np.isnan(value) else f"{value:.1f}".replace("-", "−")
    return text.replace("−0.0", "0.0")


def draw_check(result: AttributionCheck) -> go.Figure:
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
