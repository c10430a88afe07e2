"""`esn models`: what can be loaded, what each needs, where its gates are."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

import esn_interp as esn
from esn_interp.cli.shared import ModelOptions, Run, table
from esn_interp.errors import ModelError


def models(
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="A family, or a model to load: print its access points."),
    ] = None,
    options: ModelOptions,
    run: Run,
) -> None:
    """What models can be loaded, and where their gates are.

    Example:
        esn models toy-omni
    """
    if name is not None:
        _access_points(name, options, run)
        return

    from esn_interp.models.loading import ASSEMBLED, BUNDLED, speaks

    rows = [
        {
            **{"name": model, "family": "qwen2.5-omni", "can": "speak" if speaks(model) else "recognise"},
            **{"tested": "itself", "needs": "nothing"},
        }
        for model in BUNDLED
        if model not in ASSEMBLED
    ]
    rows += [
        {
            "name": model,
            "family": "audio-flamingo-3",
            "can": "recognise",
            "tested": "itself",
            "needs": f"esn fetch {model}, or the hub",
        }
        for model in ASSEMBLED
    ]
    rows += [
        {
            "name": checkpoint,
            "family": family.name,
            "can": family.info.capability,
            "tested": family.info.tested,
            "needs": family.info.needs_of.get(checkpoint, family.info.needs),
        }
        for family in esn.FAMILIES
        for checkpoint in family.info.checkpoints or (family.name,)
    ]
    families = [
        {
            "name": family.name,
            "title": family.title,
            "can": family.info.capability,
            "tested": family.info.tested,
            "needs": family.info.needs,
            "model_types": list(family.info.model_types),
            "notes": list(family.info.notes),
        }
        for family in esn.FAMILIES
    ]
    text = table(("name", "family", "can", "tested on", "needs"), [list(row.values()) for row in rows])
    other = "\n\nAny other speech model of transformers is tried by its structure; `esn models NAME` shows the gates."
    run.result({"models": rows, "families": families}, text + other)


def _access_points(name: str, options: ModelOptions, run: Run) -> None:
    """The access points of a family, from its default configuration, or of a model that is loaded for it."""
    from esn_interp.models.access import access_points
    from esn_interp.models.memory import collecting_memory

    family = next((family for family in esn.FAMILIES if family.name == name), None)
    content: dict[str, Any]
    if family is not None:
        skeleton = family.skeleton()
        if skeleton is None:
            raise ModelError(
                f"{family.title} is not a class of transformers, so its structure shows only in a loaded model: give a"
                f" checkpoint, such as {family.info.checkpoints[0]}"
            )
        model, stacks, notes = skeleton, family.stacks(skeleton), family.info.notes
        title = f"{family.title}, in the default configuration of transformers"
        content = {"name": name, "family": name}
    else:
        lm = options.load(name, progress=run.progress)
        model, family, stacks, notes = lm.model, lm.family, lm.stacks, lm.family.info.notes
        size = f"{lm.n_layers} layers, {lm.n_gates:,} gates"
        title = f"{lm.name}: {family.title}, {lm.component}, {size}, weights {lm.fingerprint}"
        content = {
            "name": lm.name,
            "family": family.name,
            "fingerprint": lm.fingerprint,
            "component": lm.component,
            "layers": lm.n_layers,
            "gates": lm.n_gates,
        }
    points = access_points(stacks, family.info.roles)
    content["access_points"] = [
        {**asdict(point), "access": point.access, "module": point.path} for point in points
    ]
    content["notes"] = list(notes)
    lines = [title, ""]
    if family.answering:
        component = family.answering[0]
        size = {"batch_size": 8, "tokens": 300, "emotions": 5, "bytes_per_value": 2}
        memory = collecting_memory(
            family.generator(model),
            stacks[component],
            hidden=int(family.head(model).in_features),
            **size,
        )
        content["memory"] = {**asdict(memory), "total": memory.total, **size}
        notes = (
            f"collecting from the {component} takes {memory} in bfloat16, for batches of 8 prompts of 300 tokens",
            *notes,
        )
    header = ("component", "layers", "module", "gate", "shape in a trace")
    rows = [(p.component, p.layers, p.path, p.gate, p.shape) for p in points]
    roles = [f"{name}: {role}" for name, role in family.info.roles.items() if role and name in stacks]
    lines += [table(header, rows), "", f"in a trace: {points[0].access}", *roles, *notes]
    run.result(content, *lines)
