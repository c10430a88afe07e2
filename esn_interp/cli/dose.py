"""`esn dose`: what happens to recognition when neurons are turned up."""

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
    Relabellings,
    Split,
    Trial,
    gains,
    layer_bands,
    numbers,
    statistics_of,
    words,
)


def dose(
    *,
    model: ModelChoice,
    corpus: CorpusChoice,
    split: OnSplit = Split.evaluation,
    neurons: Neurons,
    alphas: Annotated[
        str,
        typer.Option(
            "--alphas", metavar="A", help="Gains: each neuron is multiplied by 1 + alpha; -1 silences."
        ),
    ] = "0,0.5,1,2,4",
    tops: Annotated[
        str | None,
        typer.Option(
            "--tops", metavar="T", help="Instead, fractions of gates: 0.005,0.01,0.05; see --stats."
        ),
    ] = None,
    scopes: Annotated[
        str | None,
        typer.Option("--scopes", metavar="P", help="Instead, token scopes: some of audio,text,last,all."),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option("--bands", metavar="B", help="Instead, layer bands: 3 for thirds, or e.g. 0-3,4-7."),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, help="The gain with --tops, --scopes and --bands.")
    ] = 4.0,
    stats: Annotated[
        Path | None,
        typer.Option(
            "--stats", metavar="S", help="Statistics that the neurons were selected from, and --tops selects from."
        ),
    ] = None,
    side_clips: Annotated[
        int,
        typer.Option(
            "--side-clips",
            min=0,
            metavar="N",
            help="Ask N clips freely, to see where the model breaks (slow).",
        ),
    ] = 0,
    draws: Draws = 20,
    relabellings: Relabellings = None,
    run: Trial,
) -> None:
    """Turn each emotion's neurons up; see which clips follow.

    Writes the share of clips of other emotions that are recognised as the target, over the dose, with intervals
    over speakers, and the same for layer-matched random neurons. The dose is the gain, or one of --tops,
    --scopes and --bands.

    Example:
        esn dose --model toy-omni --corpus toy-studio --neurons esns.safetensors --out dose.json
    """
    others = [name for name, value in (("tops", tops), ("scopes", scopes), ("bands", bands)) if value]
    if len(others) > 1:
        raise esn.EsnError(f"doses differ in one thing at a time: give one of --{' and --'.join(others)}")
    doses = gains(alphas, "--alphas")
    sizes = numbers(tops, "--tops") if tops else None
    ranges = layer_bands(bands, "--bands") if bands else None
    if tops and not stats:
        raise esn.EsnError("--tops needs --stats: sizes are selected from statistics")
    lm, clips, esns = run.experiment(model, neurons, corpus, split)
    result = esn.dose_response(
        lm,
        clips,
        esns,
        alphas=None if others else doses,
        tops=sizes,
        scopes=words(scopes) if scopes else None,
        bands=ranges,
        alpha=alpha,
        stats=statistics_of(stats),
        side_clips=side_clips,
        draws=draws,
        relabellings=relabellings,
        **run.how,
    )
    run.write(result)
