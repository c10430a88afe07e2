"""The figures of the documentation: drawn by the package from the bundled model when the docs are built.

They show a small version of the study, fifty clips and two random draws, so that a build takes seconds.
"""

from functools import cache
from pathlib import Path

import plotly.graph_objects as go
from docutils import nodes
from plotly.offline import get_plotlyjs
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


@cache
def _figures() -> dict[str, go.Figure]:
    import torch
    from transformers.utils.logging import disable_progress_bar

    import esn_interp as esn

    disable_progress_bar()
    torch.set_num_threads(1)  # faster than two for a model this small, the more so on a busy machine
    lm = esn.load("toy-omni")
    _, identification, evaluation = esn.corpus("toy-studio").split()
    some = evaluation.limit(50)
    neurons = esn.select(esn.collect(lm, identification, progress=False), "mad", top=0.02)
    ablation = esn.ablation(lm, some, neurons, draws=2, progress=False)
    doses = esn.dose_response(lm, some, neurons, alphas=[0, 1, 4, 16], draws=1, progress=False)
    return {"neuron-map": neurons.plot(), "ablation": ablation.plot(), "dose": doses.plot()}


class Figure(SphinxDirective):
    """One of the figures, alive: it answers to the pointer."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        figure = _figures()[self.arguments[0]]
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
