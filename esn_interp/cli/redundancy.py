"""`esn redundancy`: how do neurons share the work?"""

from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    Draws,
    ModelChoice,
    Neurons,
    OnSplit,
    PromptScope,
    Split,
    Trial,
    positions_of,
)


def redundancy(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    greedy: Annotated[
        int,
        typer.Option(
            "--greedy", min=0, metavar="N", help="Choose N neurons greedily on the validation split (slow)."
        ),
    ] = 0,
    splits: Annotated[
        int, typer.Option("--splits", min=1, metavar="N", help="Random divisions of each set into halves.")
    ] = 4,
    positions: PromptScope = "all",
    draws: Draws = 4,
    run: Trial,
) -> None:
    """Do the neurons of an emotion add up, or stand in for each other?

    Silences each set one more neuron at a time, in halves, and together with another emotion's set, and
    compares the whole with the sum of its parts.

    Example:
        esn redundancy --model toy-omni --corpus toy-studio --neurons esns.safetensors --out redundancy.json
    """
    where = positions_of(positions)
    if greedy and split in (Split.validation, Split.all):
        raise esn.EsnError(f"--greedy chooses on the validation split, so --split {split} would flatter it")
    known = corpus.clips(Split.validation, run, model=model.model) if greedy else None
    lm, clips, esns = run.experiment(model, neurons, corpus, split)
    result = esn.redundancy(
        lm,
        clips,
        esns,
        splits=splits,
        draws=draws,
        validation=known,
        greedy=max(greedy, 1),
        positions=where,
        **run.how,
    )
    run.write(result)
