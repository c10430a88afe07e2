"""`esn asking`: decision or perception?"""

from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    CountedScope,
    Filter,
    ModelChoice,
    Split,
    Trial,
)
from esn_interp.neurons.catalogue import SELECTORS


def asking(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    selector: Annotated[
        str, typer.Option("--selector", metavar="NAME", help=f"How gates are scored: {', '.join(SELECTORS)}.")
    ] = "mad",
    top: Annotated[float, typer.Option("--top", metavar="F", help="Fraction of all gates per emotion.")] = 0.02,
    scope: CountedScope = None,
    filter: Filter = "correct",
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, metavar="A", help="Gain by which neurons are turned up; -1: silenced.")
    ] = -1.0,
    relabellings: Annotated[
        int,
        typer.Option("--relabellings", min=0, metavar="N", help="Selections from permuted labels, for p (slow)."),
    ] = 0,
    run: Trial,
) -> None:
    """Do neurons hear an emotion, or do they serve the answer?

    Neurons are found on the identification split under each way of asking (words, letters in order, letters shuffled,
    an open question), and edited on the evaluation split under all of these, yes or no, and valence.

    Example:
        esn asking --model toy-omni --corpus toy-studio --limit 50 --out asking.json
    """
    identification = corpus.clips(Split.identification, run, model=model.model)
    clips = corpus.clips(Split.evaluation, run, model=model.model)
    result = esn.asking(
        model.loaded(progress=run.progress),
        clips,
        identification,
        selector=selector,
        top=top,
        scope=scope,
        filter=filter,
        alpha=alpha,
        relabellings=relabellings,
        **run.how,
    )
    run.write(result)
