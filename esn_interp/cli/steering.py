"""`esn inject` and `esn transfer`: steering without labels, and with the neurons of another corpus."""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.effects import OnSplit, prepare
from esn_interp.cli.options import (
    BatchSize,
    Corpus,
    Draws,
    Limit,
    Model,
    Neurons,
    Root,
    Split,
    TokenScope,
    clips_of,
    load_model,
    numbers,
    out_file,
    positions_of,
    words,
)
from esn_interp.cli.results import ResultOut, write_result
from esn_interp.errors import EsnError


def inject(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    methods: Annotated[
        str, typer.Option("--methods", metavar="N", help="Ways of injecting, separated by commas.")
    ] = "two_pass,mix,union",
    alphas: Annotated[
        str, typer.Option("--alphas", metavar="A", help="Gains: a neuron is multiplied by up to 1 + alpha.")
    ] = "0.5,1,2,4",
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
    """Steer every clip without being told its label; see whether more are recognised.

    Writes the gain in accuracy and mean recall over no injection, with intervals over speakers, beside the
    oracle that is told the label and layer-matched random neurons.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    gains, where = numbers(alphas, "--alphas", least=-1.0), positions_of(positions)
    experiment = prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.injection.measure import injection

    result = injection(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        methods=words(methods),
        alphas=gains,
        positions=where,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)


def transfer(
    model: Model,
    corpora: Annotated[
        list[str],
        typer.Option("--corpus", metavar="C", help="A corpus, as for other commands; give two or more."),
    ],
    neurons: Annotated[
        list[Path],
        typer.Option("--neurons", metavar="F", help="The neurons found on each corpus, in the same order."),
    ],
    out: ResultOut,
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="PATH", help="Where each corpus lies, in the same order; - for none."),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, help="Steering: each neuron is multiplied by 1 + alpha.")
    ] = 4.0,
    positions: TokenScope = "all",
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 20,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Use the neurons of each corpus on the clips of every other.

    Writes what they do there, silenced and turned up, as a share of what the corpus's own neurons do, with
    paired intervals over speakers.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    where = positions_of(positions)
    if len(neurons) != len(corpora) or len(set(corpora)) != len(corpora):
        raise EsnError(
            f"each corpus once, with its neurons: got {len(corpora)} --corpus and {len(neurons)} --neurons"
        )
    if roots is not None and len(roots) != len(corpora):
        raise EsnError(f"{len(corpora)} --corpus need {len(corpora)} --root, not {len(roots)}; - stands for none")

    from esn_interp.neurons.neuron_set import NeuronSet

    sets = [NeuronSet.load(file) for file in neurons]
    paths = [None if root == "-" else Path(root) for root in roots or ["-"] * len(corpora)]
    clips = [
        clips_of(corpus, path, split=split, limit=limit, seed=seed)
        for corpus, path in zip(corpora, paths, strict=True)
    ]
    lm = load_model(model, progress=console.progress)

    from esn_interp.analysis.transfer.measure import transfer as transfer_between

    result = transfer_between(
        lm,
        {name: (some, esns) for name, some, esns in zip(corpora, clips, sets, strict=True)},
        alpha=alpha,
        positions=where,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)
