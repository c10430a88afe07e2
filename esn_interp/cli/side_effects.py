"""`esn side-effects`: what else do neurons do?"""

from pathlib import Path
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
    words,
)


def side_effects(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    alpha: Annotated[
        float, typer.Option("--alpha", metavar="A", help="Gates are multiplied by 1 + alpha; -1 silences.")
    ] = -1.0,
    tasks: Annotated[
        str, typer.Option("--tasks", metavar="T", help="What is asked, separated by commas.")
    ] = "transcription,sex,valence,arousal,text",
    text: Annotated[
        Path | None, typer.Option("--text", metavar="FILE", help="An unrelated text of your own to read.")
    ] = None,
    draws: Draws = 5,
    run: Trial,
) -> None:
    """See what editing the neurons costs in other tasks.

    Transcription, the speaker's sex, valence and arousal, and the perplexity of an unrelated text; with
    intervals, and beside the same edit of random neurons.

    Example:
        esn side-effects --model toy-omni --corpus toy-studio --neurons esns.safetensors --out side.json
    """
    if alpha == 0:
        raise esn.EsnError("--alpha 0 changes nothing; gates are multiplied by 1 + alpha, give e.g. 1")
    passage = _read(text, "--text") if text else None
    lm, clips, esns = run.experiment(model, neurons, corpus, split)

    from esn_interp.tasks.unrelated_text import PASSAGE

    result = esn.side_effects(
        lm,
        clips,
        esns,
        alpha=alpha,
        tasks=words(tasks),
        text=passage or PASSAGE,
        draws=draws,
        **run.how,
    )
    run.write(result)


def _read(path: Path, option: str) -> str:
    """The text in a file.

    Raises
    ------
    EsnError
        When it can't be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise esn.EsnError(f"{option} {path}: this can't be read as text ({error})") from None
