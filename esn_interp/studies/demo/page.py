"""From the files of a study to one HTML page that needs nothing else: no network, no second file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from esn_interp.analysis.ablation.measure import Ablation
from esn_interp.analysis.dose.measure import DoseResponse
from esn_interp.drawing.theme import emotion_colors
from esn_interp.errors import EsnError
from esn_interp.files import read_json
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.report.page import drawn, fill_with_figures, write_page
from esn_interp.report.players import player
from esn_interp.studies.demo import wording
from esn_interp.studies.demo.captions import captions
from esn_interp.studies.demo.tables import tables

KIND, VERSION = "study", 1


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
    return write_page(folder / "report.html", render(study, neurons, figures, folder))


def render(
    study: Mapping[str, Any], neurons: NeuronSet, figures: Mapping[str, go.Figure], folder: Path
) -> str:
    """The page as text; the audio of its players is read from ``folder``."""
    colours = emotion_colors(study["emotions"])
    return fill_with_figures(
        "article.html.j2",
        study=study,
        say=wording,
        **tables(study),
        colours=colours,
        clips=[player(example, study, folder, colours) for example in study["examples"]["clips"]],
        figures={name: drawn(figure) for name, figure in figures.items()},
        captions=captions(study, neurons),
    )
