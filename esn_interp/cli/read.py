"""`esn read`: are heard emotions' neurons those of read ones?"""

from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import BatchSize, CorpusChoice, Measured, ModelChoice, Neurons, OnSplit, Split


def read(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    permutations: Annotated[
        int, typer.Option("--permutations", min=1, metavar="N", help="How often the sentences' labels are exchanged.")
    ] = 199,
    silencing: Annotated[
        bool, typer.Option("--silencing/--no-silencing", help="Silence each set where the other works (slow).")
    ] = True,
    batch_size: BatchSize = 8,
    run: Measured,
) -> None:
    """Whether the neurons of heard emotions are those of the same emotions on paper.

    Selects neurons while the model reads forty sentences that express an emotion without naming it, compares them with
    the heard ones, and silences each set while the model does the other thing. The model must know the words.

    Example:
        esn read --model toy-omni --corpus toy-studio --neurons esns.safetensors --out reading.json
    """
    lm, clips, esns = run.experiment(model, neurons, corpus, split)
    result = esn.reading(
        lm,
        clips,
        esns,
        permutations=permutations,
        silencing=silencing,
        batch_size=batch_size,
        seed=run.seed,
    )
    run.write(result)
