"""What every command that takes a model can be told about it; declared once, and given to all of them."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from esn_interp.cli.further_options import with_options

Component = Annotated[
    str | None,
    typer.Option("--component", metavar="C", help="The decoder whose gates are meant (see `esn models NAME`)."),
]
Dtype = Annotated[
    str | None, typer.Option("--dtype", metavar="T", help="Precision, such as bfloat16; else the checkpoint's.")
]
DeviceMap = Annotated[
    str | None, typer.Option("--device-map", metavar="D", help="Where the weights go, such as auto or cuda:0.")
]
System = Annotated[
    str | None, typer.Option("--system", metavar="TEXT", help="A system prompt, put before every question.")
]
Gates = Annotated[
    str | None,
    typer.Option("--gates", metavar="PATH", help="Where gates are, if not found: model.layers[*].mlp.act_fn."),
]
TrustRemoteCode = Annotated[
    bool | None,
    typer.Option("--trust-remote-code", help="Run the code that comes with the model; only if you trust it."),
]
_DECLARED = {
    "component": Component,
    "dtype": Dtype,
    "device_map": DeviceMap,
    "system": System,
    "gates": Gates,
    "trust_remote_code": TrustRemoteCode,
}


@dataclass(frozen=True)
class ModelChoice:
    """What the user said of the model, besides its name."""

    component: str | None = None
    dtype: str | None = None
    device_map: str | None = None
    system: str | None = None
    gates: str | None = None
    trust_remote_code: bool | None = None

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `esn_interp.load`; what was not said is left to it."""
        return {name: value for name, value in vars(self).items() if value is not None}


_CHOSEN: ContextVar[ModelChoice] = ContextVar("esn_model_choice")


def chosen_model() -> ModelChoice:
    """What the running command was told."""
    return _CHOSEN.get(ModelChoice())


def takes_model(command: Callable[..., None]) -> Callable[..., None]:
    """The command, with the options of this page if it takes a model; else the very same command."""
    return with_options(
        command,
        _DECLARED,
        among={"model", "name"},
        before="corpus",
        chosen=_CHOSEN,
        choice=lambda told, _: ModelChoice(**told),
    )
