"""The figures of the documentation: drawn by the package from the bundled model when the docs are built.

They show a small version of the study, fifty clips and two random draws, so that a build takes seconds.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go
from docutils import nodes
from plotly.offline import get_plotlyjs
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics
    from esn_interp.speech.clips import Clips


class World(NamedTuple):
    """What every figure is drawn from; ``some`` are few evaluation clips, so that a build takes seconds."""

    lm: "AudioLM"
    identification: "Clips"
    evaluation: "Clips"
    some: "Clips"
    statistics: "GateStatistics"
    neurons: "NeuronSet"


@cache
def _world() -> World:
    import torch
    from transformers.utils.logging import disable_progress_bar

    import esn_interp as esn

    disable_progress_bar()
    torch.set_num_threads(1)  # faster than two for a model this small, the more so on a busy machine
    lm = esn.load("toy-omni")
    _, identification, evaluation = esn.corpus("toy-studio").split()
    statistics = esn.collect(lm, identification, progress=False)
    neurons = esn.select(statistics, "mad", top=0.02)
    return World(lm, identification, evaluation, evaluation.limit(50), statistics, neurons)


def _neuron_map(world: World) -> go.Figure:
    return world.neurons.plot()


def _ablation(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.ablation(world.lm, world.some, world.neurons, draws=2, progress=False).plot()


def _dose(world: World) -> go.Figure:
    import esn_interp as esn

    alphas = [0, 1, 4, 16]
    return esn.dose_response(
        world.lm, world.some, world.neurons, alphas=alphas, draws=1, progress=False
    ).plot()


FIGURES: dict[str, Callable[[World], go.Figure]] = {
    "neuron-map": _neuron_map,
    "ablation": _ablation,
    "dose": _dose,
}
"""By the name that a page gives to the ``drawn`` directive; each is drawn once, when a page asks for it."""


@cache
def _figure(name: str) -> go.Figure:
    return FIGURES[name](_world())


class Figure(SphinxDirective):
    """One of the figures, alive: it answers to the pointer."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        figure = _figure(self.arguments[0])
        html = figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False})
        return [nodes.raw("", f'{self._library()}<div class="figure">{html}</div>', format="html")]

    def _library(self) -> str:
        """The library that draws, loaded by the first figure of a page: themes load scripts after the body."""
        if self.env.current_document.get("plotly"):
            return ""
        self.env.current_document["plotly"] = True
        up = "../" * self.env.docname.count("/")
        return f'<script src="{up}_static/plotly.min.js"></script>'


def _write_plotly(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        Path(app.outdir, "_static", "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("drawn", Figure)
    app.connect("build-finished", _write_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
