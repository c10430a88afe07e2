"""`esn compare` and `esn side-effects`: is it the right selector, and what else do its neurons do?"""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.options import (
    BatchSize,
    Corpus,
    Draws,
    Limit,
    Model,
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


def compare(
    model: Model,
    stats: Annotated[
        Path, typer.Option("--stats", metavar="S", help="Statistics, as written by `esn collect`.")
    ],
    corpus: Corpus,
    out: ResultOut,
    selectors: Annotated[
        str, typer.Option("--selectors", metavar="N", help="Selectors, separated by commas.")
    ] = "lap,lape,mad,cas",
    tops: Annotated[
        str, typer.Option("--tops", metavar="T", help="Sizes, as fractions of all gates for each emotion.")
    ] = "0.001,0.002,0.005,0.01,0.02,0.05",
    how: Annotated[str, typer.Option("--how", metavar="H", help="What is written: zero or mean.")] = "zero",
    positions: TokenScope = "all",
    root: Root = None,
    split: Annotated[
        Split, typer.Option("--split", help="Which speakers to measure on: validation, to choose.")
    ] = Split.validation,
    limit: Limit = None,
    draws: Draws = 3,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Ablate what each selector finds, at each size, side by side.

    On the validation speakers unless told otherwise: the best of a grid looks better than it is on the clips
    that it was the best on.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    where, sizes = positions_of(positions), numbers(tops, "--tops")

    from esn_interp.neurons.statistics import GateStatistics

    statistics = GateStatistics.load(stats)
    clips = clips_of(corpus, root, split=split, limit=limit, seed=seed)
    lm = load_model(model, progress=console.progress)

    from esn_interp.analysis.selector_comparison import compare_selectors

    result = compare_selectors(
        lm,
        clips,
        statistics,
        selectors=words(selectors),
        tops=sizes,
        how=how,
        draws=draws,
        positions=where,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)
