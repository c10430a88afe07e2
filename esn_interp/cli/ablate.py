"""`esn ablate`: what happens to recognition when neurons are silenced."""

from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    Draws,
    ModelChoice,
    Neurons,
    OnSplit,
    Relabellings,
    Split,
    Statistics,
    TokenScope,
    Trial,
    positions_of,
    statistics_of,
    words,
)


def ablate(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    how: Annotated[
        str, typer.Option("--how", metavar="H", help="What is written: zero, mean or resample.")
    ] = "zero",
    stats: Statistics = None,
    control: Annotated[
        str,
        typer.Option(
            "--control",
            metavar="C",
            help="Compare with random or decile neurons, and with lap, e.g. random,lap.",
        ),
    ] = "random",
    positions: TokenScope = "all",
    draws: Draws = 20,
    relabellings: Relabellings = None,
    run: Trial,
) -> None:
    """Silence each emotion's neurons; see what is still recognised.

    Writes the changes of recall with intervals over speakers, and the same for the controls. Beside --out lie
    two figures, the matrix of changes and the confusions. What needs --stats: --how mean and resample (the
    latter with per-clip values), --control decile and lap, and the p-value that knows of the selection (statistics
    with per-clip values, from which the neurons were selected).

    Example:
        esn ablate --model toy-omni --corpus toy-studio --neurons esns.safetensors --out ablation.json
    """
    where, known = positions_of(positions), statistics_of(stats)
    lm, clips, esns = run.experiment(model, neurons, corpus, split)
    result = esn.ablation(
        lm,
        clips,
        esns,
        how=how,
        stats=known,
        controls=words(control),
        draws=draws,
        relabellings=relabellings,
        positions=where,
        **run.how,
    )
    run.write(result, confusion=result.plot_confusion())
