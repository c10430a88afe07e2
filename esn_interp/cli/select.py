"""`esn select`: from statistics to a set of neurons."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Count, CountedScope, Filter, Run, Top, out_file, table, words
from esn_interp.neurons.catalogue import SELECTORS


def select(
    *,
    statistics: Annotated[
        Path, typer.Argument(metavar="STATS", help="Statistics, as written by `esn collect`.")
    ],
    selector: Annotated[
        str, typer.Option("--selector", metavar="NAME", help=f"How gates are scored: {', '.join(SELECTORS)}.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="F", help="The .safetensors file to write.")],
    top: Top = None,
    count: Count = None,
    threshold: Annotated[float | None, typer.Option("--threshold", metavar="X", help="Least score.")] = None,
    scope: CountedScope = None,
    pooling: Annotated[
        str | None,
        typer.Option(
            "--pooling", metavar="POOLING", help="clip (each clip counts once) or token; lape: token."
        ),
    ] = None,
    filter: Filter = "correct",
    emotions: Annotated[
        str | None,
        typer.Option("--emotions", metavar="E", help="Select for these alone, and leave clips of others out."),
    ] = None,
    per_layer: Annotated[
        bool, typer.Option("--per-layer", help="Cut within each layer, not over the model.")
    ] = False,
    run: Run,
) -> None:
    """Select the neurons that go with each emotion.

    How many is said by exactly one of --top, --count and --threshold.

    Example:
        esn select stats.safetensors --selector mad --top 0.02 --out esns.safetensors
    """
    out_file(out, ".safetensors", kinds=("neurons",))
    found = esn.GateStatistics.load(statistics)
    if filter == "correct" and found.seen == found.kept:
        run.note(f"the filter leaves all {sum(found.seen.values()):,} clips in: they are all {found.success}")
    neurons = esn.select(
        found,
        selector,
        top=top,
        count=count,
        threshold=threshold,
        scope=scope,
        pooling=pooling,
        filter=filter,
        per_layer=per_layer,
        emotions=None if emotions is None else words(emotions),
        seed=run.seed,
    )
    if not len(neurons):
        raise esn.EsnError(f"{selector} selects no neuron at this size; select more, or use another selector")
    if neurons.empty:
        run.note(f"{selector} selects no neuron for {', '.join(neurons.empty)}; nothing will be edited there")
    neurons.save(out)
    sizes = dict(zip(neurons.emotions, neurons.counts().sum(axis=1).tolist(), strict=True))
    content = {
        "out": out,
        "model": neurons.model,
        "selector": selector,
        "parameters": dict(neurons.parameters),
        "gates": neurons.n_gates,
        "neurons": sizes,
        "layers": neurons.counts().sum(axis=0),
    }
    rows = [(emotion, f"{size:,}", f"{size / neurons.n_gates:.2%}") for emotion, size in sizes.items()]
    run.result(content, table(("emotion", "neurons", "of all gates"), rows), out)
