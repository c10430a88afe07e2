"""What every page of a report is made of: a template in the house's style, figures that draw themselves, prose."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from esn_interp.files import write_text

HEIGHT = 420
"""Height in pixels of a figure that does not say its own."""


@dataclass(frozen=True, eq=False)
class Plate:
    """A figure with what it says in one sentence, and what a reader must know about it.

    A click on a neuron that it shows leads to one of ``pages``, which are named by layer and neuron: ``"5/31"``.
    """

    heading: str
    figure: go.Figure
    summary: str
    notes: tuple[str, ...] = ()
    pages: Mapping[str, str] = field(default_factory=dict[str, str])

    def content(self, name: str) -> dict[str, Any]:
        """What a template draws it from; the name is that of its place on the page."""
        told = {"heading": self.heading, "summary": self.summary, "notes": self.notes, "pages": self.pages}
        return {"kind": "figure", "name": name, **told, **drawn(self.figure)}


GENERATOR = '<meta name="generator" content="esn-interp">'
"""By which pages of ours are known."""
POLICY = (
    f"{GENERATOR}<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline'; media-src data: blob:; img-src data: blob:; font-src data:\">"
)
"""What pages say before all else: what wrote them, and that nothing may be had from a network."""
STYLE = "report/style.css"
"""The style of the house."""


def fill(template: str, *, styles: tuple[str, ...] = (STYLE,), **content: Any) -> str:
    """A template as text, everything that it holds escaped; templates and styles are named by their path in the
    package, since each lies beside what it shows."""
    environment = Environment(
        loader=PackageLoader("esn_interp", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = prose
    return environment.get_template(template).render(
        style=Markup("".join(asset(style) for style in styles)), policy=Markup(POLICY), **content
    )


def fill_with_figures(template: str, **content: Any) -> str:
    """A template whose figures draw themselves: plotly is part of the page."""
    return fill(template, draw=Markup(asset("report/draw.js")), plotly=Markup(get_plotlyjs()), **content)


def write_page(path: str | Path, html: str) -> Path:
    """Write a page; a folder that is missing is made."""
    write_text(path, html)
    return Path(path)


def prose(text: str) -> Markup:
    """Text as HTML: special characters escaped, words in backticks set as code, units kept to numbers."""
    text = re.sub(r"(?<=\d) (?=%)|(?<=α) (?==)|(?<==) (?=\d)", "\N{NO-BREAK SPACE}", text)
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def drawn(figure: go.Figure) -> dict[str, Any]:
    """A figure as JSON that may stand inside a script element (nothing in it can close the element), and its height in
    pixels; the width follows the page."""
    text = figure.to_json()
    assert text is not None
    layout: Any = figure.to_plotly_json()["layout"]
    return {"data": Markup(text.replace("<", "\\u003c")), "height": layout.get("height", HEIGHT)}


def asset(name: str) -> str:
    """A file of the package that is set into a page: style or script."""
    return (files("esn_interp") / name).read_text(encoding="utf-8")


def figure_page(figure: go.Figure, *, plotly: bool = True, script: str = "", title: str = "") -> str:
    """A figure as a page of its own that needs no network, with a title, a language and room on a phone.

    Parameters
    ----------
    plotly
        Whether plotly is part of the page; else it lies beside it, as ``plotly.min.js``.
    script
        What else the page does, as JavaScript.
    title
        What the page is called, where the figure has no title.
    """
    shown: Any = figure
    title = title or (shown.layout.title.text or "Figure").partition("<br>")[0]
    drawing = f"<script>{get_plotlyjs()}</script>" if plotly else '<script src="plotly.min.js"></script>'
    inside: str = figure.to_html(
        full_html=False, include_plotlyjs=False, config={"displaylogo": False, "responsive": True}
    )
    policy = POLICY if plotly else GENERATOR
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{policy}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>{drawing}</head>"
        f'<body style="margin: 0"><main aria-label="{escape(title)}">{inside}</main>'
        f"{f'<script>{script}</script>' if script else ''}</body></html>\n"
    )
