"""Verification: what each check took, and how it ended."""

import plotly.graph_objects as go

from esn_interp.analysis.verification.result import FAILED, PASSED, SKIPPED, Verification
from esn_interp.drawing.theme import CONTROL, FIT, SERIES, dress

_COLORS = {PASSED: SERIES[0], FAILED: FIT, SKIPPED: CONTROL}


def draw(result: Verification) -> go.Figure:
    """A bar for each check, as long as it took, in the colour of its outcome; figure and bound at its end."""
    figure = go.Figure()
    for outcome, color in _COLORS.items():
        if not (checks := result.of(outcome)):
            continue
        figure.add_trace(
            go.Bar(
                x=[check.seconds for check in checks],
                y=[check.name for check in checks],
                name=outcome,
                orientation="h",
                marker_color=color,
                customdata=[[check.figure, check.bound, check.unit] for check in checks],
                hovertemplate="<b>%{y}</b>: %{x:.2f} s<br>%{customdata[0]:.3g}, bound %{customdata[1]:.3g}"
                " (%{customdata[2]})<extra></extra>",
            )
        )
    names = [check.name for check in result.checks]
    figure.update_yaxes(categoryorder="array", categoryarray=names[::-1], showgrid=False)
    figure.update_xaxes(title_text="seconds", rangemode="tozero")
    ended = f"{len(result.of(PASSED))} passed, {len(result.of(FAILED))} failed, {len(result.of(SKIPPED))} skipped"
    return dress(figure, f"Checks of {result.model}", ended, height=30 * len(names), below=84)
