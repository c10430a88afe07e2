"""`esn overlap`: do sets hold the same neurons?"""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Measured, Relabellings, Resamples, names_of, numbers


def overlap(
    *,
    neurons: Annotated[
        list[Path], typer.Argument(metavar="A B ...", help="Two or more neuron sets of one model.")
    ],
    stats: Annotated[
        list[Path] | None,
        typer.Option("--stats", metavar="S", help="Statistics of each set, in order; once for each."),
    ] = None,
    tops: Annotated[
        str | None,
        typer.Option("--tops", metavar="T", help="Further fractions of gates to compare; needs --stats."),
    ] = None,
    resamples: Resamples = 50,
    relabellings: Relabellings = None,
    across_models: Annotated[
        bool, typer.Option("--across-models", help="Allow other weights of the same shape, place by place.")
    ] = False,
    run: Measured,
) -> None:
    """Whether two or more sets hold the same neurons.

    Every emotion of one against every emotion of the other, within layers and as if these were one; different
    emotions are the control. Sets are called by their file names.

    Example:
        esn overlap esns.safetensors phone-esns.safetensors --out overlap.json
    """
    fractions = () if tops is None else numbers(tops, "--tops")
    result = esn.overlap(
        *(esn.NeuronSet.load(path) for path in neurons),
        names=names_of(neurons),
        statistics=[esn.GateStatistics.load(path) for path in stats] if stats else None,
        tops=fractions,
        resamples=resamples,
        relabellings=relabellings,
        across_models=across_models,
        seed=run.seed,
    )
    further = {"sparsity": result.plot_curve()} if result.curve else {}
    if len(neurons) > 2:
        further |= {f"pair-{pair.a}-{pair.b}": result.plot_pair(at) for at, pair in enumerate(result.pairs)}
    run.write(result, **further)
