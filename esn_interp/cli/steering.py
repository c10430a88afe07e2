"""`esn inject` and `esn transfer`: steering without labels, and with the neurons of another corpus."""

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
    numbers,
    out_file,
    positions_of,
    words,
)
from esn_interp.cli.results import ResultOut, write_result


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

    from esn_interp.analysis.injection import injection

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
