"""The overlap of two neuron sets, emotion by emotion, and over the fraction of gates that is selected."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.overlap.pair import PairOverlap
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.drawing.marks import bars, doublings, heatmap, outline, permuted
from esn_interp.drawing.theme import CONTROL, COUNTS, EFFECTS, GRID, INK, SOFT, SYMBOLS, dress, emotion_colors

_CELL = 46
"""Height of a row of a matrix, in pixels."""
_OTHERS = "different emotions"


def draw(result: Overlap, at: int = 0) -> go.Figure:
    """Fold enrichment of equal emotions with bounds, then fold enrichment and Jaccard index of all pairs.

    Different emotions, the control, are one mark in the first panel and all cells without an outline below.
    """
    pair = result.pairs[at]
    rows = len(pair.emotions_a)
    equal = [(row, emotion) for row, emotion in enumerate(pair.emotions_a) if emotion in pair.emotions_b]
    heights = [34 * (len(equal) + 1) + 20, _CELL * rows, _CELL * rows]
    figure = make_subplots(
        rows=3,
        row_heights=heights,
        vertical_spacing=84 / (sum(heights) + 168),
        subplot_titles=[
            "same emotion in both: shared neurons / expected",
            "shared / expected (* p 0.05 or less by layers alone, Holm)",
            "Jaccard index: shared / joint neurons",
        ],
    )
    _forest(figure, pair, equal)
    strength, extent = doublings(pair.fold)
    low, high = result.jaccard_range(at)
    hover = _hover(pair, low, high)
    stars = np.where(pair.p_holm <= 0.05, "*", "")
    for row, (values, scale, limits, text) in enumerate(
        (
            (strength, EFFECTS, (-extent, extent), _words(pair.fold, 1, stars)),
            (pair.jaccard, COUNTS, (0, 1), _words(pair.jaccard, 2)),
        ),
        start=2,
    ):
        figure.add_trace(
            heatmap(
                values,
                pair.emotions_b,
                pair.emotions_a,
                limits=limits,
                colorscale=scale,
                text=text,
                customdata=hover,
                hovertemplate="%{customdata}<extra></extra>",
            ),
            row=row,
            col=1,
        )
        outline(figure, [(pair.emotions_b.index(emotion), line) for line, emotion in equal], row=row)
        figure.update_xaxes(title_text=f"neurons of {pair.b}", showgrid=False, row=row, col=1)
        figure.update_yaxes(title_text=f"of {pair.a}", autorange="reversed", showgrid=False, row=row, col=1)
    figure.update_layout(plot_bgcolor="white")
    for row in (2, 3):
        figure.update_xaxes(linecolor=GRID, row=row, col=1)
    return dress(
        figure,
        "Which neurons the two sets share",
        f"{pair.a} and {pair.b}, among {result.among}"
        "<br>expected: independent sets with as many in each layer",
        height=sum(heights) + 168,
        below=96,
    )


def _forest(figure: go.Figure, pair: PairOverlap, equal: list[tuple[int, str]]) -> None:
    colors = emotion_colors(pair.emotions_a)
    names = [emotion for _, emotion in equal]
    cells = [(row, pair.emotions_b.index(emotion)) for row, emotion in equal]
    figure.add_trace(
        go.Scatter(
            x=[float(pair.global_fold[cell]) for cell in cells],
            y=names,
            mode="markers",
            name="as if all layers were one",
            marker={"symbol": "diamond-open", "size": 10, "color": SOFT},
            customdata=[float(pair.global_p[cell]) for cell in cells],
            hovertemplate=(
                "<b>%{y}</b>, layers ignored: %{x:.1f} times chance, p %{customdata:.2g}<extra></extra>"
            ),
        ),
        row=1,
        col=1,
    )
    if (null := pair.fold_null) is not None:
        given = [name for name in null.tests for _ in range(null.draws)]
        hover = "permuted labels, %{y}: %{x:.2f} times chance<extra></extra>"
        drawn = permuted(null.drawn.T.ravel(), given, permutations=null.draws, hovertemplate=hover)
        figure.add_trace(drawn, row=1, col=1)
    others = pair.other_emotion
    for name, value, low, high, p, color in (
        *(
            (
                emotion,
                float(pair.fold[cell]),
                float(pair.fold_low[cell]),
                float(pair.fold_high[cell]),
                _p(pair, emotion, cell),
                colors[emotion],
            )
            for emotion, cell in zip(names, cells, strict=True)
        ),
        (_OTHERS, others.fold, others.low, others.high, f"p {others.p:.2g} by layers alone", CONTROL),
    ):
        figure.add_trace(
            go.Scatter(
                x=[value],
                y=[name],
                error_x=bars(*np.array([[value], [low], [high]]), thickness=1.6, width=4),
                mode="markers",
                name="within layers, exact 95 % bounds",
                legendgroup="within",
                showlegend=name == names[0] if names else name == _OTHERS,
                marker={"size": 9, "color": color},
                hovertemplate=(
                    f"<b>{name}</b>: {value:.2f} times chance within layers"
                    f"<br>95 % bounds {low:.2f} to {high:.2f}<br>{p}<extra></extra>"
                ),
            ),
            row=1,
            col=1,
        )
    figure.add_shape(
        **{"type": "line", "x0": 1, "x1": 1, "y0": 0, "y1": 1, "xref": "x", "yref": "y domain"},
        line={"color": INK, "width": 1, "dash": "dot"},
    )
    figure.update_xaxes(title_text="times chance (1: no more than chance)", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[_OTHERS, *reversed(names)], showgrid=False, row=1, col=1
    )


def _p(pair: PairOverlap, emotion: str, cell: tuple[int, int]) -> str:
    """By layers alone, and what the selection leaves of it, where that is known."""
    told = f"p {pair.p_values[cell]:.2g} by layers alone"
    return told if pair.fold_null is None else f"{told}; selection: {pair.fold_null.told_p(emotion)}"


def _hover(pair: PairOverlap, low: np.ndarray, high: np.ndarray) -> list[list[str]]:
    """What a cell tells: everything that is known of it."""

    def words(i: int, j: int) -> str:
        lines = [
            f"<b>{pair.emotions_a[i]}</b> of {pair.a}, <b>{pair.emotions_b[j]}</b> of {pair.b}",
            f"{pair.shared[i, j]} shared of {pair.size_a[i]} and {pair.size_b[j]}",
            f"Jaccard {pair.jaccard[i, j]:.2f}, overlap coefficient {pair.coefficient[i, j]:.2f}",
            f"within layers: expected {pair.expected[i, j]:.2f}, {pair.fold[i, j]:.2f} times"
            f" [{pair.fold_low[i, j]:.2f}, {pair.fold_high[i, j]:.2f}], p {pair.p_values[i, j]:.2g}"
            f" (Holm {pair.p_holm[i, j]:.2g})",
            f"layers ignored: expected {pair.global_expected[i, j]:.2f}, {pair.global_fold[i, j]:.2f} times,"
            f" p {pair.global_p[i, j]:.2g}",
        ]
        if not np.isnan(low[i, j]):
            lines.append(f"Jaccard over resampled clips {low[i, j]:.2f} to {high[i, j]:.2f}")
        if not np.isnan(pair.rbo[i, j]):
            lines.append(
                f"rank-biased overlap {pair.rbo[i, j]:.2f}, Spearman {pair.spearman[i, j]:.2f}"
                f" (within layers {pair.spearman_within[i, j]:.2f})"
            )
        return "<br>".join(lines)

    return [[words(i, j) for j in range(len(pair.emotions_b))] for i in range(len(pair.emotions_a))]


def _words(values: np.ndarray, digits: int, after: np.ndarray | None = None) -> list[list[str]]:
    marks = np.full(values.shape, "") if after is None else after
    return [
        ["–" if np.isnan(value) else f"{value:.{digits}f}{mark}" for value, mark in zip(*line, strict=True)]
        for line in zip(values, marks, strict=True)
    ]


def draw_curve(result: Overlap, at: int = 0) -> go.Figure:
    """Fold enrichment within layers and Jaccard index of each emotion with itself; different ones in grey."""
    first = result.pairs[at]
    steps = sorted(
        (pair for pair in result.curve if (pair.a, pair.b) == (first.a, first.b)), key=lambda pair: pair.top
    )
    where = 100 * np.array([pair.top for pair in steps])
    figure = make_subplots(
        rows=2,
        shared_xaxes=True,
        vertical_spacing=0.12,
        subplot_titles=["shared neurons / expected, exact 95 % bounds", "Jaccard index"],
    )
    colors = emotion_colors(first.emotions_a)
    for row, emotion in enumerate(first.emotions_a):
        if emotion not in first.emotions_b:
            continue
        # Side by side, so that the whiskers of one emotion do not hide those of another.
        beside = where * 1.035 ** (row + 1 - len(first.emotions_a) / 2)
        cell = (row, first.emotions_b.index(emotion))
        fold = np.array([pair.fold[cell] for pair in steps])
        bounds = np.array([(pair.fold_low[cell], pair.fold_high[cell]) for pair in steps])
        look: dict[str, Any] = {"name": emotion, "color": colors[emotion], "symbol": SYMBOLS[row % len(SYMBOLS)]}
        _curve(figure, beside, fold, bounds=bounds, panel=1, **look)
        shared = np.array([pair.jaccard[cell] for pair in steps])
        _curve(figure, beside, shared, panel=2, **look)
    aside = where / 1.035 ** (len(first.emotions_a) / 2)
    others = np.array([(pair.other_emotion.low, pair.other_emotion.high) for pair in steps])
    pooled = np.array([pair.other_emotion.fold for pair in steps])
    _curve(figure, aside, pooled, name=_OTHERS, color=CONTROL, bounds=others, panel=1, dash="dash")
    apart = np.array([float(nan_mean(pair.jaccard[~pair.same])) for pair in steps])
    _curve(figure, aside, apart, name=_OTHERS, color=CONTROL, panel=2, dash="dash")
    figure.add_shape(
        **{"type": "line", "x0": 0, "x1": 1, "y0": 1, "y1": 1, "xref": "x domain", "yref": "y"},
        line={"color": INK, "width": 1, "dash": "dot"},
    )
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(range=[-0.02, 1.02], row=2, col=1)
    figure.update_xaxes(
        type="log", tickvals=where.tolist(), ticktext=[f"{top:g} %" for top in where], tickangle=0
    )
    figure.update_xaxes(title_text="gates selected per emotion (log scale)", row=2, col=1)
    return dress(
        figure,
        "Overlap over the size of the sets",
        f"{first.a} and {first.b}<br>expected: independent sets with as many in each layer",
        height=440,
        below=140,
    )


def _curve(
    figure: go.Figure,
    where: np.ndarray,
    values: np.ndarray,
    *,
    name: str,
    color: str,
    panel: int,
    bounds: np.ndarray | None = None,
    dash: str = "solid",
    symbol: str = "circle",
) -> None:
    error = None
    if bounds is not None:
        error = bars(values, *bounds.T, thickness=1.2, width=3)
    figure.add_trace(
        go.Scatter(
            x=where,
            y=values,
            error_y=error,
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=panel == 1,
            line={"color": color, "width": 1.6, "dash": dash},
            marker={"size": 6, "symbol": symbol},
            customdata=None if bounds is None else bounds,
            hovertemplate=(
                f"<b>{name}</b>: %{{y:.2f}}"
                + ("" if bounds is None else " times chance [%{customdata[0]:.2f}, %{customdata[1]:.2f}]")
                + "<extra></extra>"
            ),
        ),
        row=panel,
        col=1,
    )
