"""`esn ground`: what drives neurons, the audio or the prompt?"""

from dataclasses import replace
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    Draws,
    ModelChoice,
    Neurons,
    OnSplit,
    Split,
    Trial,
)


def ground(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt", metavar="TEXT", help="Another prompt to compare with; repeat it for several."
        ),
    ] = None,
    draws: Draws = 4,
    run: Trial,
) -> None:
    """Are the neurons driven by the audio, or by the prompt?

    Gives the neurons of a clip the gates that they have for another emotion of the same speaker and words, or
    for the same recording under another prompt. Without --prompt these are the options in another order, the
    question in other words, and another task. --limit takes clips in whole groups of speaker and sentence.

    Example:
        esn ground --model toy-omni --corpus toy-studio --neurons esns.safetensors --out grounding.json
    """
    prompts = {f"prompt {at}": text for at, text in enumerate(prompt, start=1)} if prompt else None
    lm, clips, esns = run.experiment(model, neurons, replace(corpus, limit=None), split)
    result = esn.grounding(
        lm,
        clips,
        esns,
        prompts=prompts,
        limit=corpus.limit,
        draws=draws,
        **run.how,
    )
    run.write(result)
