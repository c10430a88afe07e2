"""`esn models`: what can be loaded, what each needs, where its gates are."""

from typing import Annotated, Any

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed, table
from esn_interp.cli.options import load_model


def models(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Load this model and print its access points.")
    ] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """What models can be loaded, and where their gates are."""
    console = Console(json=as_json, quiet=quiet)
    if name is not None:
        _access_points(name, console)
        return

    from esn_interp.models.families import FAMILIES
    from esn_interp.models.loading import BUNDLED

    bundled = [
        {
            "name": model,
            "family": "qwen2.5-omni",
            "can": "recognise",
            "needs": "nothing: it comes with esn_interp",
        }
        for model in BUNDLED
    ]
    named = [
        {"name": checkpoint, "family": family.name, "can": family.capability, "needs": family.needs}
        for family in FAMILIES
        for checkpoint in family.checkpoints
    ]
    rows = bundled + named
    content = {"models": rows, "families": {family.name: list(family.model_types) for family in FAMILIES}}
    console.result(
        content, text=table(("name", "family", "can", "needs"), [list(row.values()) for row in rows])
    )


def _access_points(name: str, console: Console) -> None:
    from esn_interp.models.gate_view import find_decoders

    lm = load_model(name, progress=console.progress)
    decoder = lm.family.decoder(lm.model)
    path = next(path for path, module in find_decoders(lm.model).items() if module is decoder)
    points = [
        {
            "layer": layer,
            "gates": width,
            "access": f"lm.layers[{layer}].gate.output",
            "module": f"{path}.layers.{layer}.mlp.act_fn",
        }
        for layer, width in enumerate(lm.widths)
    ]
    content: dict[str, Any] = {
        "name": lm.name,
        "family": lm.family.name,
        "fingerprint": lm.fingerprint,
        "component": lm.component,
        "layers": lm.n_layers,
        "gates": lm.n_gates,
        "access_points": points,
    }
    title = (
        f"{lm.name}: {lm.family.title}, {lm.component}, {lm.n_layers} layers, {lm.n_gates:,} gates, weights "
        f"{lm.fingerprint}"
    )
    rows = [list(point.values()) for point in points]
    console.result(content, text=f"{title}\n\n{table(('layer', 'gates', 'in a trace', 'module'), rows)}")
