"""`esn baselines`: why neurons?"""

from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    Filter,
    ModelChoice,
    Neurons,
    Split,
    Trial,
    numbers,
)


def baselines(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    neurons: Neurons,
    strengths: Annotated[
        str,
        typer.Option("--strengths", metavar="S", help="Gains of neurons; lengths of directions in their own units."),
    ] = "0.5,1,2,4,8",
    filter: Filter = "correct",
    equal_cost: Annotated[
        float, typer.Option("--equal-cost", metavar="C", help="Loss in side tasks at which methods are compared.")
    ] = 0.05,
    side_clips: Annotated[
        int, typer.Option("--side-clips", min=1, metavar="N", help="Clips that are asked for transcripts (slow).")
    ] = 20,
    adapter_rank: Annotated[
        int,
        typer.Option("--adapter-rank", min=0, metavar="R", help="Fit low-rank adapters, too; needs peft. 0: none."),
    ] = 0,
    run: Trial,
) -> None:
    """What would a direction, a probe, or asking for it do, at the same cost?

    Turns every emotion up, and takes it away, by its neurons, by the difference of means in the stream, by a linear
    probe, by words before the question, and at random; and sees what that costs in transcripts and the speaker's sex.

    Example:
        esn baselines --model toy-omni --corpus toy-studio --neurons esns.safetensors --limit 20 --out b.json
    """
    tried = numbers(strengths, "--strengths")
    lm, clips, esns = run.experiment(model, neurons, corpus, Split.evaluation)
    result = esn.baselines(
        lm,
        clips,
        esns,
        identification=corpus.clips(Split.identification, run, model=model.model),
        validation=corpus.clips(Split.validation, run, model=model.model),
        alphas=tried,
        strengths=tried,
        filter=filter,
        equal_cost=equal_cost,
        side_clips=side_clips,
        adapter_rank=adapter_rank,
        **run.how,
    )
    run.write(result)
