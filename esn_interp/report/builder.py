"""From the files of a study to one HTML page that needs nothing else: no network, no second file."""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from esn_interp.analysis.dosing.dose import DoseResponse
from esn_interp.analysis.silencing.ablation import Ablation
from esn_interp.errors import EsnError
from esn_interp.files import read_json, write_atomic
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.plots.theme import emotion_colors
from esn_interp.report import wording
from esn_interp.report.captions import captions
from esn_interp.report.players import player
from esn_interp.report.tables import tables

KIND, VERSION = "study", 1
HEIGHT = 420
"""Height in pixels of a figure that does not say its own."""


def build_report(folder: str | Path) -> Path:
    """Write ``report.html`` into the folder of a study, from ``results.json`` and the files beside it.

    Raises
    ------
    EsnError
        When the folder or one of its files is missing or of another version.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise EsnError(f"{folder}: there is no such folder; give the one that `esn demo --out` wrote")
    study = read_json(folder / "results.json", kind=KIND, version=VERSION)
    neurons = NeuronSet.load(folder / "esns.safetensors")
    figures = {
        "map": neurons.plot(),
        "ablation": Ablation.load(folder / "ablation.json").plot(),
        "dose": DoseResponse.load(folder / "dose.json").plot(),
    }
    html = render(study, neurons, figures, folder)
    path = folder / "report.html"
    write_atomic(path, lambda file: _write(file, html))
    return path


def render(
    study: Mapping[str, Any], neurons: NeuronSet, figures: Mapping[str, go.Figure], folder: Path
) -> str:
    """The page as text; the audio of its players is read from ``folder``."""
    environment = Environment(
        loader=PackageLoader("esn_interp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = prose
    drawn = {name: {"data": figure_data(figure), "height": figure_height(figure)} for name, figure in figures.items()}
    colours = emotion_colors(study["emotions"])
    return environment.get_template("article.html.j2").render(
        study=study,
        say=wording,
        **tables(study),
        colours=colours,
        clips=[player(example, study, folder, colours) for example in study["examples"]["clips"]],
        figures=drawn,
        captions=captions(study, neurons),
        style=Markup(asset("style.css")),
        draw=Markup(asset("draw.js")),
        plotly=Markup(get_plotlyjs()),
    )


def prose(text: str) -> Markup:
    """Text as HTML: special characters escaped, words in backticks set as code, units kept to numbers."""
    text = re.sub(r"(?<=\d) (?=%)|(?<=α) (?==)|(?<==) (?=\d)", "\N{NO-BREAK SPACE}", text)
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def figure_data(figure: go.Figure) -> Markup:
    """The figure as JSON that may stand inside a script element: nothing in it can close the element."""
    text = figure.to_json()
    assert text is not None
    return Markup(text.replace("<", "\\u003c"))


def figure_height(figure: go.Figure) -> int:
    """Pixels; the width follows the page."""
    layout: Any = figure.to_plotly_json()["layout"]
    return layout.get("height", HEIGHT)


def asset(name: str) -> str:
    """A file of the report that is set into every page: style or script."""
    return (files("esn_interp.report") / name).read_text(encoding="utf-8")


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
