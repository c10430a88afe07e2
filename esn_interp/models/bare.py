"""The model as it is without us, and what its MLPs compute there: what everything of ours can be held against.

Nothing is hooked and nothing replaced: torch tells a mode that is on of every function that is called, and a projection
is known by the weight that it is called with.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from nnsight.intervention.source import Controller
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from esn_interp.models.gate_view import Tap, traced_run, view_gates
from esn_interp.models.opened import Opened
from esn_interp.models.sites import GATE
from esn_interp.models.stacks import Gate, Stack

_LINEAR = torch.nn.functional.linear


@contextmanager
def bare(lm: Opened) -> Generator[nn.Module]:
    """Within the block, modules run what their classes say: what a trace needs is taken out, and put back after it.

    Where accelerate moves weights, its part stays.
    """
    held = {module: module.__dict__["forward"] for module in lm.model.modules() if _ours(module)}
    for module in held:
        del module.__dict__["forward"]
    try:
        with torch.no_grad():
            yield lm.model
    finally:
        for module, forward in held.items():
            module.__dict__["forward"] = forward


def _ours(module: nn.Module) -> bool:
    forward = module.__dict__.get("forward")
    return (
        isinstance(forward, Controller)
        and forward.state.original is type(module).forward
        and "_hf_hook" not in module.__dict__
    )


def bare_logits(lm: Opened, inputs: Mapping[str, Tensor]) -> Float[Tensor, "clip word"]:
    """What the bare model thinks that comes next, for every word of its vocabulary."""
    with bare(lm):
        return lm.family.generator(lm.model)(**inputs).logits[:, -1].float().cpu()


def bare_hidden(lm: Opened, inputs: Mapping[str, Tensor]) -> Float[Tensor, "clip token hidden"]:
    """The last hidden states of a prompt in the bare model."""
    with bare(lm):
        return _hidden(lm.family.backbone(lm.model)(**inputs, use_cache=False))


def read_hidden(
    lm: Opened, inputs: Mapping[str, Tensor], scopes: Int[Tensor, "clip token"], tap: Tap
) -> Float[Tensor, "clip token hidden"]:
    """The same, in a trace that shows every layer's gates to ``tap``."""
    with torch.no_grad():
        return _hidden(_traced(lm, lm.family.backbone(lm.model), {**inputs, "use_cache": False}, scopes, tap))


def bare_tokens(lm: Opened, inputs: Mapping[str, Tensor], *, max_new_tokens: int) -> Int[Tensor, "clip written"]:
    """What the bare model writes, greedily, behind its prompt."""
    with bare(lm):
        write: Any = lm.family.generator(lm.model)
        return write.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)


def read_tokens(
    lm: Opened, inputs: Mapping[str, Tensor], scopes: Int[Tensor, "clip token"], tap: Tap, *, max_new_tokens: int
) -> Int[Tensor, "clip written"]:
    """The same, in a trace that shows every layer's gates at every step to ``tap``."""
    write: Any = lm.family.generator(lm.model)
    arguments = {**inputs, "do_sample": False, "max_new_tokens": max_new_tokens}
    with torch.no_grad():
        return _traced(lm, write.generate, arguments, scopes, tap)


def _traced(
    lm: Opened, fn: Callable[..., Any], batch: Mapping[str, Any], scopes: Int[Tensor, "clip token"], tap: Tap
) -> Any:
    view = view_gates(lm.stacks[lm.component])
    return traced_run(view, fn, batch, scopes=scopes, widths=lm.widths, taps={GATE: tap})


def _hidden(output: Any) -> Tensor:
    return output.last_hidden_state if hasattr(output, "last_hidden_state") else output[0]


# ---------------------------------------------------------------- what an MLP computes


@dataclass(frozen=True, eq=False)
class Product:
    """What a gated MLP computed in one run: ``down`` read the product of ``gate`` and ``other``.

    ``gate`` is the activation module's of what the gate's projection gave, worked out once more. A model may do more
    in between; then only ``read`` says what its gates were, since it is their product with ``other``.
    """

    gate: Float[Tensor, "*position neuron"]
    other: Float[Tensor, "*position neuron"]
    read: Float[Tensor, "*position neuron"]


class _Watch(TorchFunctionMode):
    """Notes what linear projections are given and give, known by their weights."""

    def __init__(self, weights: Mapping[int, tuple[int, str]]) -> None:
        super().__init__()
        self._weights = weights
        self.seen: dict[int, dict[str, Tensor]] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is _LINEAR and len(args) > 1 and (place := self._weights.get(id(args[1]))) is not None:
            layer, name = place
            self.seen.setdefault(layer, {})[name] = args[0] if name == "read" else result
        return result


def products(lm: Opened, inputs: Mapping[str, Tensor]) -> dict[int, Product]:
    """What the MLPs of each layer compute over a prompt in the bare model.

    Layers whose projections are not plain linear ones (experts, quantised or adapted weights) are left out.
    """
    stack = lm.stacks[lm.component]
    weights = {id(weight): (at, name) for at, gate in enumerate(stack.gates) for name, weight in _weights(gate)}
    with bare(lm):
        with _Watch(weights) as watch:
            lm.family.backbone(lm.model)(**inputs, use_cache=False)
        return {layer: made for layer in watch.seen if (made := _product(stack, layer, watch.seen[layer]))}


def _weights(gate: Gate) -> list[tuple[str, Tensor]]:
    if gate.experts or gate.mlp is None or type(gate.reader) is not nn.Linear:
        return []
    names = {"gate_proj": "gate", "up_proj": "other", "gate_up_proj": "both", "fc1": "both"}
    found = [(names[name], getattr(gate.mlp, name, None)) for name in names]
    plain = [(name, one.weight) for name, one in found if type(one) is nn.Linear]
    return [*plain, ("read", gate.reader.weight)]


def _product(stack: Stack, layer: int, seen: Mapping[str, Tensor]) -> Product | None:
    halves = seen["both"].chunk(2, dim=-1) if "both" in seen else (seen.get("gate"), seen.get("other"))
    before, other, read = *halves, seen.get("read")
    if before is None or other is None or read is None:
        return None
    return Product(stack.gates[layer].module(before), other, read)


@contextmanager
def exchanged(lm: Opened, weights: Mapping[str, Tensor]) -> Generator[None]:
    """Within the block, parameters of these names hold other values; they are put back bit for bit."""
    parameters = dict(lm.model.named_parameters())
    before = {name: parameters[name].detach().clone() for name in weights}
    try:
        for name, values in weights.items():
            parameters[name].data.copy_(values)
        yield
    finally:
        for name, values in before.items():
            parameters[name].data.copy_(values)
