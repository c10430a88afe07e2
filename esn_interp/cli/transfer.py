"""`esn transfer`: steering with the neurons of another corpus."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import (
    CorpusChoice,
    CorpusTreatment,
    Draws,
    ModelChoice,
    OnSplit,
    Split,
    TokenScope,
    Trial,
    positions_of,
)


def transfer(
    *,
    model: ModelChoice,
    corpora: Annotated[
        list[str],
        typer.Option(
            "--corpus",
            metavar="C",
            help="A corpus, as for other commands; give two or more.",
            rich_help_panel="Corpus",
        ),
    ],
    neurons: Annotated[
        list[Path],
        typer.Option("--neurons", metavar="F", help="The neurons found on each corpus, in the same order."),
    ],
    roots: Annotated[
        list[str] | None,
        typer.Option(
            "--root",
            metavar="PATH",
            help="Where each corpus lies, in the same order; - for none.",
            rich_help_panel="Corpus",
        ),
    ] = None,
    treatment: CorpusTreatment,
    split: OnSplit = Split.evaluation,
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, help="Steering: each neuron is multiplied by 1 + alpha.")
    ] = 4.0,
    positions: TokenScope = "all",
    draws: Draws = 20,
    run: Trial,
) -> None:
    r"""Use the neurons of each corpus on the clips of every other.

    Writes what they do there, silenced and turned up, as a share of what the corpus's own neurons do, with
    paired intervals over speakers.

    Example:
        esn transfer --model toy-omni --corpus toy-studio --neurons esns.safetensors \
            --corpus toy-phone --neurons phone-esns.safetensors --out transfer.json
    """
    where = positions_of(positions)
    if len(neurons) != len(corpora) or len(set(corpora)) != len(corpora):
        raise esn.EsnError(
            f"each corpus once, with its neurons: got {len(corpora)} --corpus and {len(neurons)} --neurons"
        )
    if roots is not None and len(roots) != len(corpora):
        raise esn.EsnError(f"{len(corpora)} --corpus need {len(corpora)} --root, not {len(roots)}; - stands for none")
    sets = [esn.NeuronSet.load(file) for file in neurons]
    paths = [None if root == "-" else Path(root) for root in roots or ["-"] * len(corpora)]
    choices = [
        CorpusChoice(corpus=corpus, root=path, **vars(treatment))
        for corpus, path in zip(corpora, paths, strict=True)
    ]
    clips = [choice.clips(split, run, model=model.model) for choice in choices]
    lm = model.loaded(progress=run.progress)
    result = esn.transfer(
        lm,
        {name: (some, found) for name, some, found in zip(corpora, clips, sets, strict=True)},
        alpha=alpha,
        positions=where,
        draws=draws,
        **run.how,
    )
    run.write(result)
