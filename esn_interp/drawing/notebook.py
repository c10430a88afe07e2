"""What notebooks show of our things: small tables and players, in the colours of the notebook, light or dark."""

import base64
from collections.abc import Sequence
from html import escape

import pandas as pd

from esn_interp.drawing.numbers import count

MOST = 10
"""Rows of a table that are shown; the whole is in ``to_frame()``."""
_LINE = "1px solid rgba(128, 128, 128, 0.4)"
_TABLE = "border-collapse: collapse; background: none; color: inherit; font-variant-numeric: tabular-nums"
_CELL = f"padding: 0.15em 1em 0.15em 0; border: 0; border-bottom: {_LINE}; background: none; color: inherit"


def sentence(text: str) -> str:
    """A sentence above a table; no colour of its own."""
    return f'<p style="margin: 0.2em 0 0.5em; max-width: 46em">{escape(text)}</p>' if text else ""


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, of: int | None = None) -> str:
    """A table of text and numbers; ``of`` says how many rows there are where only some are given."""
    head = "".join(_cell("th", name, number=bool(at), more=' scope="col"') for at, name in enumerate(header))
    body = "".join(
        f"<tr style='background: none'>"
        f"{''.join(_cell('td', value, number=bool(at)) for at, value in enumerate(row))}</tr>"
        for row in rows
    )
    rest = (of or 0) - len(rows)
    more = f"<p><small>and {count(rest, 'row')} more: to_frame()</small></p>" if rest > 0 else ""
    return (
        f'<table style="{_TABLE}">'
        f"<thead><tr style='background: none'>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
    )


def frame_table(frame: pd.DataFrame) -> str:
    """The first rows of a frame, numbers to four digits."""
    shown = frame.head(MOST)
    rows = [[_short(value) for value in row] for row in shown.itertuples(index=False)]
    return table([str(name) for name in frame.columns], rows, of=len(frame))


def player(sound: bytes, kind: str, label: str) -> str:
    """A player for an encoded sound, its kind such as ``audio/ogg``, with what is said of it, to screen readers too."""
    data, told = base64.b64encode(sound).decode("ascii"), escape(label)
    return (
        f'<figure style="margin: 0.3em 0"><figcaption>{told}</figcaption>'
        f'<audio controls preload="metadata" aria-label="{told}" src="data:{kind};base64,{data}"></audio></figure>'
    )


def _cell(tag: str, value: object, *, number: bool, more: str = "") -> str:
    side = "right" if number else "left"
    return f'<{tag}{more} style="text-align: {side}; {_CELL}">{escape(str(value))}</{tag}>'


def _short(value: object) -> object:
    if isinstance(value, float):
        return "–" if value != value else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
    return value
