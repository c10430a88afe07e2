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
    Statistics,
    TokenScope,
    clips_of,
    layer_bands,
    load_model,
    numbers,
    out_file,
    positions_of,
    statistics_of,
    words,
)
from esn_interp.cli.results import ResultOut, write_result
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.models.audio_lm import AudioLM
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.speech.clips import Clips

OnSplit = Annotated[Split, typer.Option("--split", help="Which speakers to measure on.")]


@dataclass(frozen=True)
class Experiment:
    """The three things that every effect is measured with, already checked against each other."""

    lm: "AudioLM"
    clips: "Clips"
    neurons: "NeuronSet"


def ablate(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    how: Annotated[
        str, typer.Option("--how", metavar="H", help="What is written: zero, mean or resample.")
    ] = "zero",
    stats: Statistics = None,
    control: Annotated[
        str,
        typer.Option(
            "--control",
            metavar="C",
            help="Compare with random or decile neurons, and with lap, e.g. random,lap.",
        ),
    ] = "random",
    positions: TokenScope = "all",
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

    Writes the changes of recall with intervals over speakers, and the same for the controls. Beside --out lie
    two figures, the matrix of changes and the confusions. What needs --stats: --how mean and resample (the
    latter with per-clip values), --control decile and lap.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    where, known = positions_of(positions), statistics_of(stats)
    experiment = prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.ablation.measure import ablation

    result = ablation(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        how=how,
        stats=known,
        controls=words(control),
        draws=draws,
        positions=where,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console, confusion=result.plot_confusion())


def dose(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    alphas: Annotated[
        str,
        typer.Option(
            "--alphas", metavar="A", help="Gains: each neuron is multiplied by 1 + alpha; -1 silences."
        ),
    ] = "0,0.5,1,2,4",
    tops: Annotated[
        str | None,
        typer.Option(
            "--tops", metavar="T", help="Instead, fractions of gates: 0.005,0.01,0.05; see --stats."
        ),
    ] = None,
    scopes: Annotated[
        str | None,
        typer.Option("--scopes", metavar="P", help="Instead, token scopes: some of audio,text,last,all."),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option("--bands", metavar="B", help="Instead, layer bands: 3 for thirds, or e.g. 0-3,4-7."),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, help="The gain with --tops, --scopes and --bands.")
    ] = 4.0,
    stats: Annotated[
        Path | None,
        typer.Option(
            "--stats", metavar="S", help="Statistics that --tops selects from, as the neurons were."
        ),
    ] = None,
    side_clips: Annotated[
        int,
        typer.Option(
            "--side-clips",
            min=0,
            metavar="N",
            help="Ask N clips freely, to see where the model breaks (slow).",
        ),
    ] = 0,
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

    Writes the share of clips of other emotions that are heard as the target, over the dose, with intervals
    over speakers, and the same for layer-matched random neurons. The dose is the gain, or one of --tops,
    --scopes and --bands.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    others = [name for name, value in (("tops", tops), ("scopes", scopes), ("bands", bands)) if value]
    if len(others) > 1:
        raise EsnError(f"doses differ in one thing at a time: give one of --{' and --'.join(others)}")
    gains = numbers(alphas, "--alphas", least=-1.0)
    sizes = numbers(tops, "--tops") if tops else None
    ranges = layer_bands(bands, "--bands") if bands else None
    if bool(tops) != bool(stats):
        raise EsnError("--tops and --stats go together: sizes are selected from statistics")
    experiment = prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.dose.measure import dose_response

    result = dose_response(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        alphas=None if others else gains,
        tops=sizes,
        scopes=words(scopes) if scopes else None,
        bands=ranges,
        alpha=alpha,
        stats=statistics_of(stats),
        side_clips=side_clips,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)


def prepare(
    model: str,
    neurons: Path,
    corpus: str,
    root: Path | None,
    *,
    split: Split,
    limit: int | None,
    seed: int,
    console: Console,
) -> Experiment:
    """Load what is quick to refuse first: the neurons, then the clips, then the model."""
    from esn_interp.neurons.neuron_set import NeuronSet

    chosen = NeuronSet.load(neurons)
    clips = clips_of(corpus, root, split=split, limit=limit, seed=seed)
    lm = load_model(model, progress=console.progress)
    chosen.check(lm)
    return Experiment(lm, clips, chosen)
