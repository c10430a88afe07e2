"""Grounding: what gates from another recording or prompt change, how audio-driven they are, and where they act."""

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float
from plotly.subplots import make_subplots

from esn_interp.analysis.grounding.result import ALL, AUDIO, OTHERS, OWN, Grounding
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.drawing.marks import bars, name_lines
from esn_interp.drawing.theme import CONTROL, INK, SYMBOLS, dress, emotion_colors, translucent

_GROUPS = {OWN: "own clips", OTHERS: "others"}
_LOOKS = {"own": ("mean, 95 % interval", INK, 0.0), "random": ("random neurons", CONTROL, 0.3)}


def draw(result: Grounding) -> go.Figure:
    """Effects of exchanged gates at all tokens; audio shares; recall when neurons are silenced in one scope."""
    donors = ["audio", *result.kinds[1:]]
    rows = [(kind, group) for kind in range(len(donors)) for group in _GROUPS]
    names = [f"{donors[kind]}, {_GROUPS[group]}" for kind, group in rows]
    heights = [26 * len(rows), 30 * len(result.sets), 30 * len(result.scopes)]
    figure = make_subplots(
        rows=3,
        row_heights=heights,
        vertical_spacing=0.11,
        subplot_titles=[
            "change of log-odds, in nats",
            "audio share of sets and neurons (small)",
            "silenced: change of recall, in points",
        ],
    )
    kinds, groups = (list(each) for each in zip(*rows, strict=True))
    effect, control = result.effect, result.random_effect
    _dots(figure, 1, result, names, effect.value[kinds, groups, ALL])
    _means(figure, 1, names, effect.over_sets[kinds, groups, ALL], "own")
    if result.draws:
        _means(figure, 1, names, control.over_sets[kinds, groups], "random")
    _shares(figure, result)
    loss, random_loss = result.ablation, result.random_ablation
    where = [f"{scope} tokens" if scope != "last" else "last token" for scope in result.scopes]
    _dots(figure, 3, result, where, 100 * loss.value)
    _means(figure, 3, where, loss.over_sets.mapped(lambda change: 100 * change), "own")
    if result.draws:
        _means(figure, 3, where, random_loss.over_sets.mapped(lambda change: 100 * change), "random")
    for row in (1, 3):
        figure.update_xaxes(zeroline=True, zerolinecolor=CONTROL, row=row, col=1)
    figure.update_xaxes(range=[-0.03, 1.03], tickvals=[0, 0.5, 1], row=2, col=1)
    figure.update_xaxes(ticktext=["prompt 0", "½", "1 audio"], row=2, col=1)
    figure.update_yaxes(showgrid=False)
    own = result.effect.at(AUDIO, OWN, ALL)
    return dress(
        figure,
        "Driven by the audio or by the prompt?",
        f"another recording’s gates: {own.value:+.2f} nats on own clips".replace("-", "−")
        + f"<br>audio share {result.share.at():.2f}, {len(result.clips)} clips of {result.n_speakers} speakers",
        height=sum(heights) + 190,
        below=110,
    )


def _dots(
    figure: go.Figure, row: int, result: Grounding, names: list[str], values: Float[np.ndarray, "name set"]
) -> None:
    """One mark for each emotion in every line."""
    colors = emotion_colors(result.sets)
    for at, emotion in enumerate(result.sets):
        figure.add_trace(
            go.Scatter(
                x=values[:, at],
                y=np.arange(len(names)),
                text=names,
                mode="markers",
                name=emotion,
                legendgroup=emotion,
                showlegend=row == 1,
                marker={"color": colors[emotion], "size": 8, "symbol": SYMBOLS[at % len(SYMBOLS)]},
                hovertemplate=f"<b>{emotion}</b>, %{{text}}: %{{x:+.2f}}<extra></extra>",
            ),
            row=row,
            col=1,
        )


def _means(figure: go.Figure, row: int, names: list[str], means: Estimates, whose: str) -> None:
    """A value in every line with its interval, as a stroke with whiskers; random neurons a little below."""
    (name, color, below), value, low, high = _LOOKS[whose], means.value, means.low, means.high
    figure.add_trace(
        go.Scatter(
            x=value,
            y=np.arange(len(names)) + below,
            text=names,
            mode="markers",
            name=name,
            legendgroup=name,
            showlegend=row == 1,
            marker={"color": color, "size": 12, "symbol": "line-ns", "line": {"width": 3, "color": color}},
            error_x=bars(value, low, high, color=color, thickness=1.5, width=0),
            customdata=np.stack([low, high], axis=1),
            hovertemplate=(
                f"<b>{name}</b>, %{{text}}: %{{x:+.2f}}"
                "<br>95 % interval %{customdata[0]:+.2f} to %{customdata[1]:+.2f}<extra></extra>"
            ),
        ),
        row=row,
        col=1,
    )
    name_lines(figure, names, row=row)


def _shares(figure: go.Figure, result: Grounding) -> None:
    """Each set's audio share with its interval, that of random neurons, and a small mark for every neuron."""
    colors = emotion_colors(result.sets)
    for at, emotion in enumerate(result.sets):
        mine = result.emotion == at
        figure.add_trace(
            go.Scatter(
                x=result.neuron_share[mine],
                y=np.full(mine.sum(), at),
                mode="markers",
                showlegend=False,
                legendgroup=emotion,
                marker={"color": translucent(colors[emotion], 0.45), "size": 5},
                customdata=np.stack(
                    [
                        each[mine]
                        for each in (result.layer, result.neuron, result.neuron_low, result.neuron_high)
                    ],
                    axis=1,
                ),
                hovertemplate=(
                    f"<b>{emotion}</b>: layer %{{customdata[0]:.0f}}, neuron %{{customdata[1]:.0f}}"
                    "<br>its gate’s audio share %{x:.2f}"
                    "<br>95 % interval %{customdata[2]:.2f} to %{customdata[3]:.2f}<extra></extra>"
                ),
            ),
            row=2,
            col=1,
        )
    _means(figure, 2, list(result.sets), result.share.each, "own")
    if result.draws:
        _means(figure, 2, list(result.sets), result.random_share.each, "random")
