"""Target accuracy over alpha on the validation speakers: selectors, filter on and off, and random neurons."""

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.conversion.settings_result import RANDOM_SELECTOR, ConversionGrid
from esn_interp.drawing.marks import band, log_position
from esn_interp.drawing.theme import CONTROL, INK, SERIES, SYMBOLS, dress

_PANELS = (("accuracy", "heard as the target"), ("wer", "word error rate"))


def draw(result: ConversionGrid) -> go.Figure:
    """Means over the targets, at the chosen number of neurons; every curve begins at the unsteered conversions.

    Lines are selectors, dashed where the filter is off, and grey for random neurons. The chosen selector and the
    random neurons have their 95 % intervals over speakers as bands; a ring marks the choice.
    """
    chosen = result.setting
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        row_heights=[0.62, 0.38],
        subplot_titles=[title for _, title in _PANELS],
    )
    curves: dict[tuple[str, bool], list[int]] = {}
    for at, one in enumerate(result.settings):
        if one.top == chosen.top:
            curves.setdefault((one.selector, one.filtered), []).append(at)
    selectors = [name for name in dict.fromkeys(name for name, _ in curves) if name != RANDOM_SELECTOR]
    # Random neurons lie under all other lines.
    for (selector, filtered), rows in sorted(curves.items(), key=lambda curve: curve[0][0] != RANDOM_SELECTOR):
        random = selector == RANDOM_SELECTOR
        color = CONTROL if random else SERIES[selectors.index(selector) % len(SERIES)]
        name = "random neurons" if random else selector + ("" if filtered else ", filter off")
        rows = sorted(rows, key=lambda at: result.settings[at].alpha)
        alphas = np.array([0.0, *(result.settings[at].alpha for at in rows)])
        banded = random or (selector, filtered) == (chosen.selector, chosen.filtered)
        for panel, (measure, title) in enumerate(_PANELS, start=1):
            m = result.measures.index(measure)
            value, low, high = (
                100 * np.append(getattr(result.unsteered, part)[m], getattr(result.level, part)[rows, m])
                for part in ("value", "low", "high")
            )
            if banded and np.isfinite([low, high]).all():
                surface = band(log_position(alphas), low, high, color, opacity=0.13)
                figure.add_trace(surface, row=panel, col=1)
            figure.add_trace(
                go.Scatter(
                    x=log_position(alphas),
                    y=value,
                    mode="lines+markers",
                    name=name,
                    legendgroup=name,
                    showlegend=panel == 1,
                    line={
                        "color": color,
                        "width": 2.6 if banded and not random else 1.5,
                        "dash": "dash" if random else "solid" if filtered else "dot",
                    },
                    marker={
                        "symbol": "diamond" if random else SYMBOLS[selectors.index(selector) % len(SYMBOLS)],
                        "size": 6,
                    },
                    customdata=np.stack([alphas, low, high], axis=1),
                    hovertemplate=(
                        f"<b>{name}</b>, alpha %{{customdata[0]:g}}<br>{title}: %{{y:.1f}} %"
                        "<br>95 % interval %{customdata[1]:.1f} to %{customdata[2]:.1f}<extra></extra>"
                    ),
                ),
                row=panel,
                col=1,
            )
    for panel, (measure, _) in enumerate(_PANELS, start=1):
        figure.add_trace(
            go.Scatter(
                x=log_position(np.array([chosen.alpha])),
                y=[100 * result.level_of(measure, result.chosen).value],
                mode="markers",
                name="chosen",
                legendgroup="chosen",
                showlegend=panel == 1,
                hoverinfo="skip",
                marker={"symbol": "circle-open", "size": 17, "color": INK, "line": {"width": 2}},
            ),
            row=panel,
            col=1,
        )
    ticks = sorted({0.0, *(one.alpha for one in result.settings)})
    figure.update_xaxes(tickvals=log_position(np.array(ticks)), ticktext=[f"{alpha:g}" for alpha in ticks])
    figure.update_xaxes(title_text="alpha (gates × (1 + alpha), log scale)", row=2, col=1)
    figure.update_yaxes(ticksuffix=" %", rangemode="tozero")
    figure.update_yaxes(range=[0, 102], row=1, col=1)
    return dress(
        figure,
        "Conversions heard as their target",
        f"{len(result.clips)} clips of {len(result.speakers)} validation speakers, {len(result.targets)} targets"
        f"<br>chosen: {chosen.selector}, {chosen.top:.1%} of the gates, alpha {chosen.alpha:g}",
        height=440,
        below=130,
    )
