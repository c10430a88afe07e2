"""Acoustic correlates as a figure: a mark per clip, the mean over clips and its bounds."""

import numpy as np
import plotly.graph_objects as go

from esn_interp.analysis.inside.voice import UNITS, AcousticCorrelates
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.theme import INK, SYMBOLS, dress, emotion_colors, translucent


def draw(result: AcousticCorrelates) -> go.Figure:
    """Correlations within clips, coloured by emotion; the black mark is the mean, with bounds over speakers."""
    figure, lanes = go.Figure(), np.arange(len(result.features))
    emotions = tuple(dict.fromkeys(result.emotions))
    colors = emotion_colors(emotions)
    spread = np.random.default_rng(0).uniform(-0.22, 0.22, size=result.by_clip.shape)
    for number, emotion in enumerate(emotions):
        mine = np.array([one == emotion for one in result.emotions])
        figure.add_trace(
            go.Scatter(
                x=result.by_clip[mine].ravel(),
                y=(lanes + spread)[mine].ravel(),
                mode="markers",
                name=emotion,
                marker={
                    **{"color": translucent(colors[emotion], 0.55), "size": 7},
                    "symbol": SYMBOLS[number % len(SYMBOLS)],
                },
                customdata=np.repeat(np.array(result.clips)[mine], len(lanes)),
                hovertemplate="<b>%{customdata}</b>: %{x:.2f}<extra></extra>",
            )
        )
    figure.add_trace(
        go.Scatter(
            x=result.mean,
            y=lanes,
            error_x=known_bars(result.mean, result.low, result.high, thickness=2, width=5),
            mode="markers",
            name="mean, 95 % bounds over speakers",
            marker={"color": INK, "size": 10, "symbol": "line-ns-open", "line": {"width": 3}},
            hovertemplate="mean %{x:+.2f}<extra></extra>",
        )
    )
    names = [f"{name}<br>({UNITS[name]})" for name in result.features]
    figure.update_yaxes(tickvals=lanes, ticktext=names, range=[len(lanes) - 0.5, -0.5], showgrid=False)
    figure.update_xaxes(title_text="rank correlation with the gate, within a clip", range=[-1.02, 1.02], zeroline=True)
    subtitle = f"layer {result.layer}, neuron {result.neuron}; {len(result.clips)} clips of {result.corpus}"
    return dress(figure, "What of the voice it goes with", subtitle, height=70 * len(lanes) + 20, below=92)
