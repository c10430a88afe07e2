"""Where the work is done: in this process, or on replicas that Ray starts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

import esn_interp as esn

if TYPE_CHECKING:
    from esn_interp.scale.on_ray import OnRay


class EngineName(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


@dataclass(frozen=True, kw_only=True)
class EngineChoice:
    """Who does the work, and how many of them.

    Raises
    ------
    EsnError
        When replicas are described for a local run.
    """

    TITLE: ClassVar = "Engine"

    engine: Annotated[
        EngineName, typer.Option("--engine", help="local: this process. ray: replicas of the model, by Ray.")
    ] = EngineName.local
    address: Annotated[
        str | None,
        typer.Option("--address", metavar="A", help="A Ray cluster: auto, or ray://HOST:10001; else this machine."),
    ] = None
    replicas: Annotated[
        int | None,
        typer.Option("--replicas", min=1, metavar="N", help="Replicas at most; else one a card, or one a machine."),
    ] = None
    gpus: Annotated[
        int | None, typer.Option("--gpus", min=0, metavar="G", help="Cards of each replica; 0: processors.")
    ] = None

    def __post_init__(self) -> None:
        described = {"--address": self.address, "--replicas": self.replicas, "--gpus": self.gpus}
        if self.engine is EngineName.local:
            for option, value in described.items():
                if value is not None:
                    raise esn.EsnError(f"{option} goes with --engine ray")

    def replicated(self) -> "OnRay | None":
        """Ray; None where this process does it all."""
        if self.engine is EngineName.local:
            return None
        from esn_interp.scale.on_ray import OnRay

        return OnRay(self.address, replicas=self.replicas, gpus=self.gpus or 0)
