"""The access points of a model: every stack, where its gates are, what they compute and how large they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby

from esn_interp.models.stacks import Gate, Stack


@dataclass(frozen=True)
class AccessPoints:
    """Neighbouring layers of one stack whose gates are alike.

    ``path`` is the activation module in the model, with ``*`` for the number of the layer; ``shape`` that of the gates
    in a trace.
    """

    component: str
    role: str
    first: int
    last: int
    path: str
    gate: str
    shape: str
    gates: int

    @property
    def layers(self) -> str:
        """The layers' numbers, as a range."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def access(self) -> str:
        """How the gates are reached in a trace."""
        return "lm.layers[i].gate.output"


def access_points(stacks: Mapping[str, Stack], roles: Mapping[str, str]) -> list[AccessPoints]:
    """One row per run of layers with like gates, for every stack."""
    rows: list[AccessPoints] = []
    for name, stack in stacks.items():
        kinds = [_kind(stack, gate) for gate in stack.gates]
        for (path, expression, shape), run in groupby(range(len(stack)), kinds.__getitem__):
            layers = list(run)
            gates = stack.gates[layers[0]].count
            rows.append(
                AccessPoints(name, roles.get(name, ""), layers[0], layers[-1], path, expression, shape, gates)
            )
    return rows


def _kind(stack: Stack, gate: Gate) -> tuple[str, str, str]:
    below = gate.path.removeprefix(stack.path).lstrip(".").split(".")
    generic = ".".join("*" if part.isdigit() else part for part in below)
    path = f"{stack.path}.{generic}".lstrip(".")
    if gate.experts:
        return path, gate.expression, f"[clip, token, choice, {gate.width}], {gate.experts} experts"
    return path, gate.expression, f"[clip, token, {gate.width}]"
