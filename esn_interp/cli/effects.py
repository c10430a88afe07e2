"""`esn ablate` and `esn dose`: what happens to recognition when neurons are silenced or turned up."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.options import (
    BatchSize,
    Corpus,
    Draws,
    Limit,
    Model,
    Neurons,
    Root,
    Split,
    clips_of,
    load_model,
    numbers,
    out_file,
)

if TYPE_CHECKING:
    from esn_interp.analysis.ablation import Ablation
    from esn_interp.analysis.dose import DoseResponse
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.speech.clips import Clips

ResultOut = Annotated[
    Path, typer.Option("--out", metavar="R", help="The .json file to write; the figure goes beside it.")
]
OnSplit = Annotated[Split, typer.Option("--split", help="Which speakers to measure on.")]


@dataclass(frozen=True)
class _Experiment:
    """The three things that every effect is measured with, already checked against each other."""

    lm: "AudioLM"
    clips: "Clips"
    neurons: "NeuronSet"


def ablate(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    root: Root = None,
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 20,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Silence each emotion's neurons; see what is still recognised.

    Writes the changes of recall with intervals over speakers, and the same for layer-matched random neurons.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    experiment = _prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.ablation import ablation

    result = ablation(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    _write(result, out, console)


def dose(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    alphas: Annotated[
        str, typer.Option("--alphas", metavar="A", help="Gains: each neuron is multiplied by 1 + alpha.")
    ] = "0,0.5,1,2,4",
    root: Root = None,
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 20,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Turn each emotion's neurons up; see which clips follow.

    Writes the share of clips of other emotions that are heard as the target, over alpha, with intervals over
    speakers, and the same for layer-matched random neurons.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    gains = numbers(alphas, "--alphas")
    experiment = _prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.dose import dose_response

    result = dose_response(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        alphas=gains,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    _write(result, out, console)


def _prepare(
    model: str,
    neurons: Path,
    corpus: str,
    root: Path | None,
    *,
    split: Split,
    limit: int | None,
    seed: int,
    console: Console,
) -> _Experiment:
    """Load what is quick to refuse first: the neurons, then the clips, then the model."""
    from esn_interp.neurons.neuron_set import NeuronSet

    chosen = NeuronSet.load(neurons)
    clips = clips_of(corpus, root, split=split, limit=limit, seed=seed)
    lm = load_model(model, progress=console.progress)
    chosen.check(lm)
    return _Experiment(lm, clips, chosen)


def _write(result: "Ablation | DoseResponse", out: Path, console: Console) -> None:
    """The result as JSON, its figure beside it, and its summary for the reader."""
    from esn_interp.files import write_atomic

    result.save(out)
    figure, page = result.plot(), out.with_suffix(".html")
    write_atomic(page, lambda path: figure.write_html(path, include_plotlyjs=True, full_html=True))
    content = {"out": out, "figure": page, "summary": result.summary(), "notes": list(result.notes)}
    console.result(
        {**content, "result": result.to_dict()},
        text="\n".join((result.summary(), *result.notes, str(out), str(page))),
    )
