"""What a neuron writes as a figure: the words that it raises and lowers most, and the labels."""

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inside.writing import Writes
from esn_interp.drawing.theme import EFFECTS, SOFT, dress

UP, DOWN = EFFECTS[-1][1], EFFECTS[0][1]
"""What speaks for something, and what against it."""


def draw(result: Writes) -> go.Figure:
    """Bars, strongest on top; grey lines mark two standard deviations over the vocabulary."""
    panels = [("labels", result.labels, result.label_by)] if result.labels else []
    panels += [("raises most", result.raised, result.raised_by), ("lowers most", result.lowered, result.lowered_by)]
    lines = [len(words) for _, words, _ in panels]
    figure = make_subplots(
        rows=len(panels),
        row_heights=[count / sum(lines) for count in lines],
        shared_xaxes=True,
        vertical_spacing=0.06,
        subplot_titles=[name for name, _, _ in panels],
    )
    for row, (_, words, values) in enumerate(panels, start=1):
        figure.add_trace(
            go.Bar(
                x=values,
                y=list(range(len(words))),
                orientation="h",
                marker={"color": [UP if value > 0 else DOWN for value in values]},
                customdata=list(words),
                hovertemplate="“%{customdata}”: %{x:+.3f}<extra></extra>",
                showlegend=False,
            ),
            row=row,
            col=1,
        )
        ticks = [word.strip() or repr(word) for word in words]
        figure.update_yaxes(tickvals=list(range(len(words))), ticktext=ticks, autorange="reversed", row=row, col=1)
        for side in (-2, 2):
            figure.add_vline(  # pyright: ignore[reportUnknownMemberType]
                x=side * result.typical,
                line={"color": SOFT, "width": 1, "dash": "dot"},
                row=row,  # pyright: ignore[reportArgumentType]
                col=1,  # pyright: ignore[reportArgumentType]
            )
    figure.update_xaxes(title_text="logit, above the mean of all words", row=len(panels), col=1)
    subtitle = f"layer {result.layer}, neuron {result.neuron} of {result.model}; dotted: 2 standard deviations"
    return dress(figure, "What the neuron writes", subtitle, height=22 * sum(lines) + 60)
