"""One neuron in figures: its mean over the clips of each emotion, one clip in time, and what editing it does."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.neuron.result import Effect, Example, NeuronPage
from esn_interp.drawing.marks import known_bars
from esn_interp.drawing.over_time import over_time
from esn_interp.drawing.theme import CONTROL, INK, SYMBOLS, dress, emotion_colors, translucent


def draw(result: NeuronPage) -> go.Figure:
    """A mark per clip at the mean of the gate over its recording; black marks are means with bounds over speakers."""
    figure, colors = go.Figure(), emotion_colors(result.emotions)
    spread = np.random.default_rng(0).uniform(-0.3, 0.3, size=len(result.values))
    for row, emotion in enumerate(result.emotions):
        mine = result.emotion == row
        wrong = np.where(result.kept[mine], "", ", labelled wrongly")
        figure.add_trace(
            go.Scatter(
                x=result.values[mine],
                y=(row + spread)[mine],
                mode="markers",
                name=emotion,
                showlegend=False,
                marker={
                    **{"color": translucent(colors[emotion], 0.6), "size": 7},
                    "symbol": SYMBOLS[row % len(SYMBOLS)],
                },
                customdata=np.stack([np.array(result.clips)[mine], np.array(result.speakers)[mine], wrong], axis=1),
                hovertemplate=(
                    f"<b>%{{customdata[0]}}</b> ({emotion}%{{customdata[2]}})<br>speaker %{{customdata[1]}}: %{{x:.4g}}"
                    "<extra></extra>"
                ),
            )
        )
    figure.add_trace(
        go.Scatter(
            x=result.by_emotion,
            y=np.arange(len(result.emotions)),
            error_x=known_bars(result.by_emotion, result.low, result.high, thickness=2, width=5),
            mode="markers",
            name="mean, 95 % bounds over speakers",
            marker={"color": INK, "size": 12, "symbol": "line-ns-open", "line": {"width": 3}},
            hovertemplate="mean %{x:.4g}<extra></extra>",
        )
    )
    rows = len(result.emotions)
    figure.update_yaxes(
        tickvals=list(range(rows)), ticktext=list(result.emotions), range=[rows - 0.5, -0.5], showgrid=False
    )
    figure.update_xaxes(title_text="mean of the gate over the recording")
    subtitle = f"{result.title}; {len(result.clips)} clips of {result.corpus}"
    return dress(figure, "When it fires", subtitle, height=62 * rows + 20, below=84)


def in_time(example: Example, name: str) -> go.Figure:
    """One clip: its outline, and the gate at every token of the recording."""
    return over_time(
        example.envelope,
        example.duration,
        {name: example.gate},
        seconds=example.seconds,
        scopes=np.zeros(len(example.gate), dtype=np.int64),
        tokens=[""] * len(example.gate),
        title=example.clip,
        subtitle=example.emotion,
        height=190,
        text=False,
    )


def effects(result: NeuronPage, effect: Effect) -> go.Figure:
    """Change of each emotion's log-odds by gain; grey lines are the controls', for the preferred emotion."""
    colors, best = emotion_colors(result.emotions), result.emotions.index(result.preferred)
    order = np.argsort(effect.gains)
    gains = np.append(effect.gains[order], 1.0)
    order, where = np.append(order, -1), np.argsort(gains)
    names = [f"{gain:g}" for gain in gains[where]]

    def at(values: np.ndarray) -> np.ndarray:
        """By gain in order, with nothing changed at a gain of 1."""
        return np.where(order >= 0, values[order], 0.0)[where]

    figure = make_subplots(rows=1, cols=1)
    for number, control in enumerate(effect.controls):
        figure.add_trace(
            go.Scatter(
                x=names,
                y=at(control[:, best]),
                mode="lines",
                line={"color": CONTROL, "width": 1.2, "dash": "dot"},
                name=f"others of the layer, {result.preferred}",
                legendgroup="controls",
                showlegend=number == 0,
                hovertemplate=f"neuron {effect.control_neurons[number]}: %{{y:+.3f}}<extra></extra>",
            )
        )
    for row, emotion in enumerate(result.emotions):
        change, low, high = (at(values[:, row]) for values in (effect.change, effect.low, effect.high))
        figure.add_trace(
            go.Scatter(
                x=names,
                y=change,
                error_y=known_bars(change, low, high, thickness=1.2, width=3),
                mode="lines+markers",
                name=emotion,
                line={"color": colors[emotion], "width": 3 if row == best else 1.6},
                marker={"symbol": SYMBOLS[row % len(SYMBOLS)], "size": 8},
                hovertemplate=f"<b>{emotion}</b>, gain %{{x}}: %{{y:+.3f}}<extra></extra>",
            )
        )
    figure.update_xaxes(type="category", title_text="the gate is multiplied by (0 silences it, 1 changes nothing)")
    figure.update_yaxes(title_text="change of log-odds", zeroline=True)
    subtitle = f"{result.title} edited alone, on {effect.clips} clips; bars are 95 % bounds over speakers"
    return dress(figure, "What it does to the answer", subtitle, height=320, below=104)
