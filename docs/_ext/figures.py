"""The figures of the documentation: drawn by the package from the bundled model when the docs are built.

They show a small version of the study, fifty clips and two random draws, so that a build takes seconds.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import plotly.graph_objects as go
from docutils import nodes
from plotly.offline import get_plotlyjs
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

if TYPE_CHECKING:
    from esn_interp.analysis.attribution.result import Attribution
    from esn_interp.analysis.overlap.result import Overlap
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics
    from esn_interp.speech.clips import Clips


class World(NamedTuple):
    """What every figure is drawn from; ``some`` are few evaluation clips, so that a build takes seconds."""

    lm: "AudioLM"
    validation: "Clips"
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
    validation, identification, evaluation = esn.corpus("toy-studio").split()
    statistics = esn.collect(lm, identification, per_clip=True, progress=False)
    neurons = esn.select(statistics, "mad", top=0.02)
    return World(lm, validation, identification, evaluation, evaluation.limit(50), statistics, neurons)


def _neuron_map(world: World) -> go.Figure:
    return world.neurons.plot()


def _ablation(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.ablation(
        world.lm, world.some, world.neurons, stats=world.statistics, draws=2, relabellings=20, progress=False
    ).plot()


def _confusion(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.ablation(world.lm, world.some, world.neurons, draws=0, progress=False).plot_confusion()


def _selectors(world: World) -> go.Figure:
    import esn_interp as esn

    tops = [0.005, 0.01, 0.02, 0.05]
    return esn.compare_selectors(
        world.lm, world.validation.limit(40), world.statistics, tops=tops, draws=1, progress=False
    ).plot()


def _side_effects(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.side_effects(world.lm, world.some, world.neurons, draws=1, progress=False).plot()


def _coverage(world: World) -> go.Figure:
    from interval_coverage import coverage_figure

    return coverage_figure()


def _layer_profile(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.layer_profile(world.neurons, world.statistics).plot()


def _layer_clusters(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.layer_profile(world.neurons).plot_clusters()


def _efficiency(world: World) -> go.Figure:
    import esn_interp as esn

    measured = {"lm": world.lm, "clips": world.evaluation.limit(30), "effect_resamples": 2}
    return esn.efficiency(world.statistics, top=0.02, sizes=[2, 5, 10, 20], progress=False, **measured).plot()


@cache
def _overlap() -> "Overlap":
    import esn_interp as esn

    world = _world()
    phone = esn.collect(world.lm, esn.corpus("toy-phone").split()[1], per_clip=True, progress=False)
    both, tops = [world.statistics, phone], [0.005, 0.01, 0.02, 0.05, 0.1]
    sets = [esn.select(one, "mad", top=0.02) for one in both]
    return esn.overlap(*sets, statistics=both, tops=tops, resamples=30)


def _overlap_matrix(_: World) -> go.Figure:
    return _overlap().plot()


def _overlap_curve(_: World) -> go.Figure:
    return _overlap().plot_curve()


def _upset(world: World) -> go.Figure:
    import esn_interp as esn

    selectors = ("mad", "cas", "lap")
    return esn.overlap(*(esn.select(world.statistics, name, top=0.02) for name in selectors)).plot()


def _dose(world: World) -> go.Figure:
    import esn_interp as esn

    alphas = [-1, 0, 1, 2, 4, 8, 16, 32]
    how = {"stats": world.statistics, "relabellings": 20, "null_alpha": 16}
    return esn.dose_response(
        world.lm, world.some, world.neurons, alphas=alphas, draws=1, progress=False, **how
    ).plot()


def _dose_scope(world: World) -> go.Figure:
    import esn_interp as esn

    scopes = ["audio", "text", "last", "all"]
    return esn.dose_response(
        world.lm, world.some, world.neurons, scopes=scopes, alpha=16, draws=1, side_clips=10, progress=False
    ).plot()


def _injection(world: World) -> go.Figure:
    import esn_interp as esn

    return esn.injection(world.lm, world.some, world.neurons, draws=2, progress=False).plot()


def _transfer(world: World) -> go.Figure:
    import esn_interp as esn

    _, identification, evaluation = esn.corpus("toy-phone").split()
    statistics = esn.collect(world.lm, identification, progress=False)
    there = (evaluation.limit(50), esn.select(statistics, "mad", top=0.02))
    corpora = {"toy-studio": (world.some, world.neurons), "toy-phone": there}
    return esn.transfer(world.lm, corpora, alpha=16, draws=2, progress=False).plot()


def _grounding(world: World) -> go.Figure:
    import esn_interp as esn

    result = esn.grounding(world.lm, world.evaluation, world.neurons, limit=15, draws=1, progress=False)
    return result.plot()


@cache
def _attributed() -> "Attribution":
    import esn_interp as esn

    world = _world()
    return esn.attribution(world.lm, world.identification.limit(100), progress=False)


def _attribution(world: World) -> go.Figure:
    return _attributed().plot()


def _attribution_check(world: World) -> go.Figure:
    return _attributed().check(world.lm, world.some, neurons=40, progress=False).plot()


def _redundancy(world: World) -> go.Figure:
    import esn_interp as esn

    validation, _, _ = esn.corpus("toy-studio").split()
    return esn.redundancy(
        world.lm,
        world.some,
        world.neurons,
        draws=1,
        splits=2,
        validation=validation.limit(15),
        greedy=2,
        progress=False,
    ).plot()


def _look(name: str) -> Callable[[World], go.Figure]:
    """A look into one clip, or one neuron."""

    def draw(world: World) -> go.Figure:
        import looks_inside

        return looks_inside.figure(name, world)

    return draw


def _of(module: str, figure: str = "") -> Callable[[World], go.Figure]:
    """A figure that a module of its own draws, from results that come with the repository."""

    def draw(_: World) -> go.Figure:
        return getattr(import_module(module), figure or f"{module}_figure")()

    return draw


def _protocols(part: str, model: str) -> Callable[[World], go.Figure]:
    """A figure of what was measured of a bundled model, which takes too long for a build."""

    def draw(_: World) -> go.Figure:
        import protocol_results

        return protocol_results.figure(part, model)

    return draw


FIGURES: dict[str, Callable[[World], go.Figure]] = {
    "neuron-map": _neuron_map,
    "ablation": _ablation,
    "confusion": _confusion,
    "selectors": _selectors,
    "planted-scales": _of("planted_scales"),
    "planted-silenced": _of("planted_results", "planted_figure"),
    "side-effects": _side_effects,
    "coverage": _of("interval_coverage", "coverage_figure"),
    "layer-profile": _layer_profile,
    "layer-clusters": _layer_clusters,
    "efficiency": _efficiency,
    "overlap": _overlap_matrix,
    "overlap-curve": _overlap_curve,
    "upset": _upset,
    "shared-profile": _of("shared_profile"),
    "dose": _dose,
    "dose-scope": _dose_scope,
    "injection": _injection,
    "transfer": _transfer,
    "grounding": _grounding,
    "attribution": _attribution,
    "attribution-check": _attribution_check,
    "redundancy": _redundancy,
    "preference": _of("made_up_listeners", "preference_figure"),
    **{name: _look(name) for name in ("gates", "lens", "direct", "writes", "attention", "patching")},
    **{name: _look(name) for name in ("acoustics", "neuron")},
    "reading": _of("grown_results", "reading_figure"),
    "probes": _of("grown_results", "probes_figure"),
    "planted": _of("grown_results", "planted_figure"),
    "grown-null": _of("grown_results", "null_figure"),
    **{
        f"{part}-{model}": _protocols(part, model)
        for part in ("asking", "baselines", "sites")
        for model in ("toy-omni", "toy-emodb", "smol-audio")
    },
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


class ClipPlayer(SphinxDirective):
    """A recording of the bundled corpus to be heard: ``SPLIT EMOTION NUMBER``."""

    required_arguments = 3

    def run(self) -> list[nodes.Node]:
        import esn_interp as esn

        split, emotion, number = self.arguments
        parts = dict(zip(("validation", "identification", "evaluation"), esn.corpus("toy-studio").split(), strict=True))
        clip = parts[split].where(emotion=emotion)[int(number)]
        return [nodes.raw("", clip._repr_html_(), format="html")]


def _write_plotly(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        Path(app.outdir, "_static", "plotly.min.js").write_text(get_plotlyjs(), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("drawn", Figure)
    app.add_directive("clip", ClipPlayer)
    app.connect("build-finished", _write_plotly)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
