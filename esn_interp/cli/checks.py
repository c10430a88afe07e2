"""`esn compare` and `esn side-effects`: is it the right selector, and what else do its neurons do?"""

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
    scope: Annotated[
        str, typer.Option("--scope", metavar="SCOPE", help="Tokens that the selectors count.")
    ] = "all",
    filter: Annotated[
        str,
        typer.Option("--filter", metavar="FILTER", help="Clips that they count: correct, or none for all."),
    ] = "correct",
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

    from esn_interp.analysis.selectors.measure import compare_selectors

    result = compare_selectors(
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
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)


def side_effects(
    model: Model,
    neurons: Neurons,
    corpus: Corpus,
    out: ResultOut,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="A", help="Gates are multiplied by 1 + alpha; -1 silences.")
    ] = -1.0,
    tasks: Annotated[
        str, typer.Option("--tasks", metavar="T", help="What is asked, separated by commas.")
    ] = "transcription,sex,valence,arousal,text",
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="An unrelated text of your own to read.")
    ] = None,
    root: Root = None,
    split: OnSplit = Split.evaluation,
    limit: Limit = None,
    draws: Draws = 5,
    batch_size: BatchSize = 32,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """See what editing the neurons costs in other tasks.

    Transcription, the speaker's sex, valence and arousal, and the perplexity of an unrelated text; with
    intervals, and beside the same edit of random neurons.
    """
    console = Console(json=as_json, quiet=quiet)
    out_file(out, ".json")
    passage = read_words(text, "--text") if text else None
    experiment = prepare(model, neurons, corpus, root, split=split, limit=limit, seed=seed, console=console)

    from esn_interp.analysis.side_effects.measure import side_effects as measure
    from esn_interp.tasks.unrelated_text import PASSAGE

    result = measure(
        experiment.lm,
        experiment.clips,
        experiment.neurons,
        alpha=alpha,
        tasks=words(tasks),
        text=passage or PASSAGE,
        draws=draws,
        seed=seed,
        batch_size=batch_size,
        progress=console.progress,
    )
    write_result(result, out, console)


def read_words(path: Path, option: str) -> str:
    """The text in a file.

    Raises
    ------
    EsnError
        When it can't be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EsnError(f"{option} {path}: this can't be read as text ({error})") from None
