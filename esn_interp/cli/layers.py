"""`esn layers`: where neurons lie, a question to the sets themselves."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Measured, Relabellings, Resamples, names_of, statistics_of


def layers(
    *,
    neurons: Annotated[
        list[Path], typer.Argument(metavar="SET ...", help="Neuron sets, as written by `esn select`.")
    ],
    stats: Annotated[
        Path | None,
        typer.Option("--stats", metavar="S", help="Their statistics, --per-clip: resample the clips, too."),
    ] = None,
    resamples: Resamples = 50,
    relabellings: Relabellings = None,
    permutations: Annotated[
        int, typer.Option("--permutations", min=99, metavar="N", help="Uniform draws behind the p-values.")
    ] = 1999,
    run: Measured,
) -> None:
    """Where in the network each emotion's neurons lie.

    Share of each layer against a uniform spread, bands of layers that hold more than chance, and which
    emotions and layers are alike.

    Example:
        esn layers esns.safetensors --out layers.json
    """
    result = esn.layer_profile(
        {name: esn.NeuronSet.load(path) for name, path in zip(names_of(neurons), neurons, strict=True)},
        statistics_of(stats),
        permutations=permutations,
        resamples=resamples,
        relabellings=relabellings,
        seed=run.seed,
    )
    run.write(result, clusters=result.plot_clusters())
