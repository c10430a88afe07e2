"""`esn bake`: a steered model as a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import ModelChoice, Neurons, Run, out_folder


def bake(
    *,
    model: ModelChoice,
    neurons: Neurons,
    emotion: Annotated[
        str | None,
        typer.Option("--emotion", metavar="E", help="Only the neurons of this emotion; else those of all."),
    ] = None,
    alpha: Annotated[
        float, typer.Option("--alpha", min=-1, help="Each neuron is multiplied by 1 + alpha; -1 silences it.")
    ] = 1.0,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="Who does it, for the card.")] = "",
    patch: Annotated[bool, typer.Option("--patch", help="Write the changed tensors alone.")] = False,
    out: Annotated[Path, typer.Option("--out", metavar="D", help="The folder to write: a new one, or one of its own.")],
    run: Run,
) -> None:
    """Write a steered model as an ordinary checkpoint, at no cost when it runs.

    Gains are multiplied into the weights that read the gates, so that whatever serves the base model serves this one. A
    card says what was done, and by whom; `steered.json` lists every neuron with its gain.

    Example:
        esn bake --model toy-omni --neurons esns.safetensors --emotion angry --alpha 2 --out angrier
    """
    out_folder(out, marks=_as_written, what="a steered model of esn as it was written")
    chosen = esn.NeuronSet.load(neurons)
    if emotion is not None:
        chosen = chosen[emotion]
    lm = model.loaded(progress=run.progress)
    baked = lm.bake(chosen, out, alpha=alpha, by=by, patch=patch, overwrite=True)
    content = {
        "out": out,
        "base": baked.base,
        "base_fingerprint": baked.base_fingerprint,
        "component": baked.component,
        "gates": baked.count,
        "alpha": alpha,
        "patch": patch,
    }
    run.result(content, f"{out}: {baked.summary()}")


def _as_written(folder: Path) -> bool:
    """Whether a folder holds a steered model, and nothing that was added or changed since: its card comes last."""
    card = folder / "README.md"
    if not (card.is_file() and (folder / "steered.json").is_file()):
        return False
    last = card.stat().st_mtime_ns
    return all(path.stat().st_mtime_ns <= last for path in folder.rglob("*"))
