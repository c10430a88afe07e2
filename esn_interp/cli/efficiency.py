"""`esn efficiency`: how many clips does it take?"""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusOptions,
    Count,
    CountedScope,
    Filter,
    ModelOptions,
    OnSplit,
    Split,
    Top,
    Trial,
    numbers,
)


def efficiency(
    *,
    stats: Annotated[
        Path, typer.Argument(metavar="STATS", help="Statistics, as written by `esn collect --per-clip`.")
    ],
    selector: Annotated[str, typer.Option("--selector", metavar="NAME", help="As for `esn select`.")] = "mad",
    top: Top = None,
    count: Count = None,
    scope: CountedScope = None,
    filter: Filter = "correct",
    sizes: Annotated[
        str, typer.Option("--sizes", metavar="N", help="Clips per emotion, separated by commas.")
    ] = "2,5,10,20,50,100",
    resamples: Annotated[
        int, typer.Option("--resamples", min=1, metavar="N", help="How often clips of each number are drawn.")
    ] = 20,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="M", help="Ablate the sets, too: in this model.", rich_help_panel="Model"
        ),
    ] = None,
    model_options: ModelOptions,
    corpus: Annotated[
        str | None,
        typer.Option(
            "--corpus", metavar="C", help="Ablate the sets, too: on these clips.", rich_help_panel="Corpus"
        ),
    ] = None,
    corpus_options: CorpusOptions,
    split: OnSplit = Split.evaluation,
    run: Trial,
) -> None:
    """How many clips it takes to find the neurons.

    Sets from few clips against the set from all, from what each clip added to the statistics; the model is
    run only where --model and --corpus ask for the effect of ablation.

    Example:
        esn efficiency stats.safetensors --top 0.02 --out efficiency.json
    """
    numbered = [int(size) for size in numbers(sizes, "--sizes") if size == int(size)]
    if len(numbered) < len(sizes.split(",")):
        raise esn.EsnError(f"--sizes {sizes}: these are whole numbers of clips")
    if (model is None) != (corpus is None):
        raise esn.EsnError("--model and --corpus belong together: give both to measure effects, or none")
    statistics = esn.GateStatistics.load(stats)
    clips = None if corpus is None else corpus_options.clips_of(corpus, split, run, model=model)
    result = esn.efficiency(
        statistics,
        selector,
        sizes=numbered,
        resamples=resamples,
        lm=None if model is None else model_options.load(model, progress=run.progress),
        clips=clips,
        **run.how,
        top=top,
        count=count,
        scope=scope,
        filter=filter,
    )
    run.write(result)
