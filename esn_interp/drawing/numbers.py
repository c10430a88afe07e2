"""Numbers as readers want them, in figures and in pages: percentages, points, signs."""

from collections.abc import Sequence

import numpy as np

MINUS = "\N{MINUS SIGN}"


def percent(share: float | None) -> str:
    """A share of 0 to 1 as a percentage; one decimal under 10 %, so that small shares stay apart."""
    if share is None or not np.isfinite(share):
        return "–"
    value = 100 * share
    return f"{value:.1f} %" if 0 < value < 9.95 else f"{value:.0f} %"


def points(change: float | None, *, unit: bool = True) -> str:
    """A signed change of a share, in percentage points."""
    if change is None or not np.isfinite(change):
        return "–"
    value = round(100 * change, 1) or 0.0
    sign = "+" if value > 0 else MINUS if value < 0 else ""
    return f"{sign}{abs(value):.1f}" + (" points" if unit else "")


def interval(low: float | None, high: float | None) -> str:
    """An interval of changes, in percentage points."""
    if low is None or high is None or not np.isfinite([low, high]).all():
        return "–"
    return f"{points(low, unit=False)} to {points(high, unit=False)}"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)


def count(number: int, noun: str) -> str:
    """``1 clip``, ``2 clips``, ``4,096 neurons``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def signed(value: float, digits: int = 0) -> str:
    """A number with its sign, a true minus, and no sign for zero."""
    if np.isnan(value):
        return "–"
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else ("+" if value > 0 else "−") + text
