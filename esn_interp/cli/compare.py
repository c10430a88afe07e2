"""`esn compare`: is it the right selector?"""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    CountedScope,
    Draws,
    Filter,
    ModelChoice,
    Split,
    TokenScope,
    Trial,
    numbers,
    positions_of,
    words,
)
from esn_interp.neurons.catalogue import contenders


def compare(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: Annotated[
        Split,
        typer.Option(
            "--split", help="Which speakers to measure on: validation, to choose.", rich_help_panel="Corpus"
        ),
    ] = Split.validation,
    stats: Annotated[
        Path, typer.Option("--stats", metavar="S", help="Statistics, as written by `esn collect`.")
    ],
    selectors: Annotated[
        str, typer.Option("--selectors", metavar="N", help="Selectors, separated by commas.")
    ] = ",".join(contenders()),
    tops: Annotated[
        str, typer.Option("--tops", metavar="T", help="Sizes, as fractions of all gates for each emotion.")
    ] = "0.001,0.002,0.005,0.01,0.02,0.05",
    scope: CountedScope = None,
    filter: Filter = "correct",
    how: Annotated[str, typer.Option("--how", metavar="H", help="What is written: zero or mean.")] = "zero",
    positions: TokenScope = "all",
    draws: Draws = 3,
    run: Trial,
) -> None:
    """Ablate what each selector finds, at each size, side by side.

    On the validation speakers unless told otherwise: the best of many settings looks better than it is on the
    clips that it was the best on.

    Example:
        esn compare --model toy-omni --corpus toy-studio --stats stats.safetensors --out selectors.json
    """
    where, sizes = positions_of(positions), numbers(tops, "--tops")
    statistics = esn.GateStatistics.load(stats)
    clips = corpus.clips(split, run, model=model.model)
    lm = model.loaded(progress=run.progress)
    result = esn.compare_selectors(
        lm,
        clips,
        statistics,
        selectors=words(selectors),
        tops=sizes,
        scope=scope,
        filter=filter,
        how=how,
        draws=draws,
        positions=where,
        **run.how,
    )
    run.write(result)
