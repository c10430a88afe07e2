"""`esn inject`: steering without labels."""

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
    TokenScope,
    Trial,
    gains,
    positions_of,
    words,
)


def inject(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    methods: Annotated[
        str, typer.Option("--methods", metavar="N", help="Ways of injecting, separated by commas.")
    ] = "two_pass,mix,union",
    alphas: Annotated[
        str, typer.Option("--alphas", metavar="A", help="Gains: a neuron is multiplied by up to 1 + alpha.")
    ] = "0.5,1,2,4",
    positions: TokenScope = "all",
    draws: Draws = 20,
    run: Trial,
) -> None:
    """Steer every clip without being told its label; see whether more are recognised.

    Writes the gain in accuracy and mean recall over no injection, with intervals over speakers, beside the
    oracle that is told the label and layer-matched random neurons.

    Example:
        esn inject --model toy-omni --corpus toy-studio --neurons esns.safetensors --out injection.json
    """
    doses, where = gains(alphas, "--alphas"), positions_of(positions)
    lm, clips, esns = run.experiment(model, neurons, corpus, split)
    result = esn.injection(
        lm,
        clips,
        esns,
        methods=words(methods),
        alphas=doses,
        positions=where,
        draws=draws,
        **run.how,
    )
    run.write(result)
