"""The sites of a decoder layer: where in it something can be read, edited, collected and kept.

A *site* is the input or the output of one module of the layer. Three of them have a value for every gate, so that
neurons can be found there; the others are as wide as the stream of hidden states that runs through the layers.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from esn_interp.errors import EditError

if TYPE_CHECKING:
    from torch import Tensor

GATE = "gate"
"""The default: the gate after its activation, as the papers mean it."""


@dataclass(frozen=True)
class Site:
    """One place of a layer.

    ``neurons`` says whether it has one value per gate. ``part`` is the module of the layer whose ``side`` it is, input
    or output; ``formula`` tells its value in words of a gated MLP ``down(act(gate_proj(x)) * up(x))``. A ``shared``
    value is somebody else's as well, so it is copied before it is edited. ``item`` is its place in a tuple.
    """

    name: str
    title: str
    formula: str
    part: str
    side: str
    neurons: bool = False
    shared: bool = False
    item: int = 0

    def read(self, block: Any) -> "Tensor":
        """Its value in a trace; ``block`` is the layer there.

        Raises
        ------
        EditError
            When the module is given no hidden states by position or under their usual name, or does not give the value.
        """
        module = getattr(block, self.part)
        if self.side == "output":
            value = module.output
            value = value[self.item] if isinstance(value, tuple) else None if self.item else value
            if value is None:
                raise EditError(f"site {self.name}: the {self.part} of this model does not give it")
            return value
        positional, named = module.inputs
        value = positional[0] if positional else named.get("hidden_states")
        if value is None:
            raise EditError(f"site {self.name}: this model calls its {self.part} in a way of its own")
        return value

    def write(self, block: Any, new: "Tensor") -> None:
        """Put another value in its place."""
        module = getattr(block, self.part)
        if self.side == "output":
            old = module.output
            module.output = (new, *old[1:]) if isinstance(old, tuple) else new
            return
        positional, named = module.inputs
        if positional:
            module.inputs = ((new, *positional[1:]), named)
        else:
            module.inputs = (positional, {**named, "hidden_states": new})


SITES: dict[str, Site] = {
    one.name: one
    for one in (
        Site("resid_pre", "the stream before the layer", "h", "whole", "input", shared=True),
        Site("attn_out", "what attention gives", "attention(norm(h))", "attention", "output"),
        Site("pre", "the gate before its activation", "gate_proj(x)", "gate", "input", neurons=True),
        Site(GATE, "the gate after its activation", "act(gate_proj(x))", "gate", "output", neurons=True),
        Site("gated", "the gate times up", "act(gate_proj(x)) * up(x)", "reader", "input", neurons=True),
        Site("mlp_out", "what the MLP gives", "down(act(gate_proj(x)) * up(x))", "mlp", "output"),
        Site("resid_post", "the stream behind the layer", "h of the next layer", "whole", "output"),
    )
}
"""Every site by name, in the order in which a layer comes to them."""

KEPT: dict[str, Site] = {
    **{"resid_pre": SITES["resid_pre"]},
    "z": Site("z", "what each head gives", "attention weights @ values", "attention_out", "input"),
    "pattern": Site("pattern", "attention weights", "softmax(query @ key)", "attention", "output", item=1),
    **SITES,
}
"""Every site, and what can be kept but not edited, in the order in which a layer comes to them."""

NEURON_SITES = tuple(name for name, site in SITES.items() if site.neurons)
"""The sites at which neurons are found."""


def checked_site(name: str, *, neurons: bool = False) -> str:
    """The name of a site, with ``neurons`` of one that has a value per gate.

    Raises
    ------
    EditError
        When there is none of that name.
    """
    known = NEURON_SITES if neurons else tuple(SITES)
    if name not in known:
        raise EditError(f"no site {name!r}{' with neurons' if neurons else ''}; choose from {', '.join(known)}")
    return name


def in_order(sites: Iterable[str]) -> list[str]:
    """Sites in the order in which a layer comes to them, each once."""
    wanted = set(sites)
    return [name for name in KEPT if name in wanted]


def parts_of(sites: Iterable[str]) -> frozenset[str]:
    """The modules that a view must hold for these sites, beside the gate that it always holds."""
    return frozenset(KEPT[site].part for site in sites) - {GATE}
