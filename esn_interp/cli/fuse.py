"""`esn fuse`: from the statistics of several corpora to neurons that they share."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Count, CountedScope, Filter, Run, Top, out_file, table
from esn_interp.neurons.catalogue import SELECTORS


def fuse(
    *,
    statistics: Annotated[
        list[Path], typer.Argument(metavar="STATS...", help="Statistics, one a corpus, as written by `esn collect`.")
    ],
    selector: Annotated[
        str, typer.Option("--selector", metavar="NAME", help=f"How gates are scored: {', '.join(SELECTORS)}.")
    ] = "mad",
    how: Annotated[
        str, typer.Option("--how", metavar="WAY", help="overlap, zscore (mean less 0.3 sd), or pooled.")
    ] = "zscore",
    out: Annotated[Path, typer.Option("--out", metavar="F", help="The .safetensors file to write.")],
    top: Top = None,
    count: Count = None,
    scope: CountedScope = None,
    filter: Filter = "correct",
    run: Run,
) -> None:
    """Select the neurons that several corpora share.

    Example:
        esn fuse stats.safetensors phone.safetensors --how zscore --top 0.02 --out shared.safetensors
    """
    out_file(out, ".safetensors", kinds=("neurons",))
    parts = [esn.GateStatistics.load(path) for path in statistics]
    neurons = esn.fuse(parts, selector, how=how, top=top, count=count, scope=scope, filter=filter, seed=run.seed)
    if not len(neurons):
        raise esn.EsnError(f"{how} leaves no neuron that all of these corpora share; select more")
    neurons.save(out)
    sizes = dict(zip(neurons.emotions, neurons.counts().sum(axis=1).tolist(), strict=True))
    content = {"out": out, "corpora": [part.corpus for part in parts], "how": how, "neurons": sizes}
    rows = [(emotion, f"{size:,}") for emotion, size in sizes.items()]
    run.result(content, table(("emotion", "neurons"), rows), out)
