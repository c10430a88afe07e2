"""What several figures draw alike: intervals as bars and bands, matrices with outlined cells, named lines, scales."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Float, Num

from esn_interp.drawing.theme import CONTROL, INK, translucent


def bars(
    value: Num[np.ndarray, " mark"],
    low: Num[np.ndarray, " mark"],
    high: Num[np.ndarray, " mark"],
    **look: Any,
) -> dict[str, Any]:
    """Error bars from the bounds of an interval."""
    return {"type": "data", "symmetric": False, "array": high - value, "arrayminus": value - low, **look}


def known_bars(
    value: Num[np.ndarray, " mark"],
    low: Num[np.ndarray, " mark"],
    high: Num[np.ndarray, " mark"],
    **look: Any,
) -> dict[str, Any]:
    """`bars` that have no length where a bound is not known."""
    up, down = np.nan_to_num(high - value), np.nan_to_num(value - low)
    return {"type": "data", "symmetric": False, "array": up, "arrayminus": down, **look}


def band(
    where: Num[np.ndarray, " mark"],
    low: Num[np.ndarray, " mark"],
    high: Num[np.ndarray, " mark"],
    color: str,
    *,
    opacity: float = 0.14,
    **about: Any,
) -> go.Scatter:
    """An interval as a surface, out of reach of the pointer; ``about`` says how it stands in the legend."""
    return go.Scatter(
        x=np.concatenate([where, where[::-1]]),
        y=np.concatenate([high, low[::-1]]),
        fill="toself",
        fillcolor=translucent(color, opacity),
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        **{"showlegend": False, **about},
    )


def banded(
    figure: go.Figure,
    where: Num[np.ndarray, " mark"],
    value: Num[np.ndarray, " mark"],
    low: Num[np.ndarray, " mark"],
    high: Num[np.ndarray, " mark"],
    *,
    row: int,
    name: str,
    color: str,
    dash: str,
    width: float = 3,
    **about: Any,
) -> None:
    """A mean as a thick line over its interval as a surface, where that is known; ``about`` is the line's.

    The pointer is told of the bounds as ``customdata``, unless ``about`` says otherwise.
    """
    known = ~np.isnan(low)
    if known.any():
        surface = band(where[known], low[known], high[known], color, legendgroup=name)
        figure.add_trace(surface, row=row, col=1)
    line = go.Scatter(
        x=where,
        y=value,
        mode="lines",
        name=name,
        legendgroup=name,
        line={"color": color, "width": width, "dash": dash},
        **{"customdata": np.stack([low, high], axis=1), **about},
    )
    figure.add_trace(line, row=row, col=1)


def permuted(
    along: Sequence[Any] | Num[np.ndarray, " draw"],
    values: Sequence[Any] | Num[np.ndarray, " draw"],
    *,
    permutations: int,
    **about: Any,
) -> go.Scatter:
    """What neurons selected by permuted labels do, a grey mark a permutation, to be drawn behind what is observed."""
    name = f"neurons by permuted labels ({permutations})"
    return go.Scatter(
        x=along,
        y=values,
        mode="markers",
        **{"name": name, "legendgroup": name},
        marker={"size": 7, "color": translucent(CONTROL, 0.45), "line": {"width": 0}},
        **about,
    )


def heatmap(
    values: Num[np.ndarray, "line column"],
    columns: Sequence[Any],
    lines: Sequence[Any],
    *,
    limits: tuple[float, float],
    gap: int = 2,
    **about: Any,
) -> go.Heatmap:
    """A matrix with its colours between these limits, and its texts in the cells.

    Both limits are needed: with one of them plotly takes neither, and spreads the colours over the values.
    """
    return go.Heatmap(
        z=values,
        x=list(columns),
        y=list(lines),
        zmin=limits[0],
        zmax=limits[1],
        xgap=gap,
        ygap=gap,
        **{"showscale": False, "texttemplate": "%{text}", **about},
    )


def outline(
    figure: go.Figure, cells: Iterable[tuple[float, float]], *, row: int, col: int = 1, across: int = 1
) -> None:
    """A frame around each of these cells, given by column and line; ``across`` columns wide."""
    for column, line in cells:
        figure.add_shape(
            **{"type": "rect", "x0": column - 0.5, "x1": column + across - 0.5, "y0": line - 0.5, "y1": line + 0.5},
            line={"color": INK, "width": 1.5},
            row=row,
            col=col,
        )


def name_lines(
    figure: go.Figure,
    names: Sequence[str],
    *,
    row: int | None = None,
    room: tuple[float, float] = (0.6, 0.6),
    **look: Any,
) -> None:
    """A name at each line of a panel (or of all), the first one on top, with so much room above and below."""
    figure.update_yaxes(
        tickvals=list(range(len(names))),
        ticktext=list(names),
        range=[len(names) - 1 + room[1], -room[0]],
        row=row,
        col=None if row is None else 1,
        **look,
    )


def reach(values: Num[np.ndarray, "..."], least: float) -> float:
    """How far a scale around zero goes to either side: as far as the values, and ``least`` at least."""
    return max(least, float(np.nanmax(np.abs(values), initial=0.0)))


def doublings(fold: Num[np.ndarray, "line column"], least: float = 4.0) -> tuple[np.ndarray, float]:
    """Multiples of chance as logarithms, and how far their scale goes to either side; nothing is the farthest down.

    The scale spans ``least`` at least, up and down, so that noise does not look strong.
    """
    with np.errstate(divide="ignore"):
        logarithms = np.log2(fold)
    extent = max(float(np.log2(least)), float(np.max(logarithms[np.isfinite(logarithms)], initial=0.0)))
    return np.clip(logarithms, -extent, extent), extent


def log_position(alphas: Float[np.ndarray, " alpha"]) -> Float[np.ndarray, " alpha"]:
    """Where an alpha stands on the axis: ``sign(alpha) * log2(1 + |alpha|)``."""
    return np.sign(alphas) * np.log2(1 + np.abs(alphas))
