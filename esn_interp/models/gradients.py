"""Gradients by the gates: how much each gate speaks for a label, to first order.

The run that is differentiated is the one traced run of the package, with gradients enabled: its tap sees gates
that are part of the graph. Weights need no gradient, so the graph holds activations only.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar, cast

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from esn_interp.drawing.brief import brief
from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, SCOPE_CODES, SCOPES
from esn_interp.models.gate_view import Tap
from esn_interp.models.routing import by_expert


@dataclass(frozen=True, eq=False)
class Attributions:
    """Gradient times gate per clip and gate (flat index: layer by layer), and the scores it was computed from.

    A positive value speaks for the clip's target: silencing the gate would lower its log-odds by about as much.
    """

    log_probs: Float32[np.ndarray, "clip label"]
    values: Float32[np.ndarray, "clip gate"]

    __repr__ = brief


AnyBatch = TypeVar("AnyBatch")


@contextmanager
def differentiable(model: nn.Module, batch: AnyBatch) -> Generator[AnyBatch]:
    """Within the block, gradients can be taken, and ``batch`` (a dataclass) holds nothing that forbids them.

    Raises
    ------
    EditError
        When the model was loaded within ``torch.inference_mode()``, whose tensors never have gradients.
    """
    if any(weight.is_inference() for weight in model.parameters()):
        raise EditError(
            "the model was loaded within torch.inference_mode(), so it has no gradients; load it outside"
        )
    with torch.inference_mode(False):
        yield _copied(batch)


def _copied(value: Any) -> Any:
    """The same, with copies in the place of tensors that were made in inference mode."""
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, tuple | list):
        return type(value)(_copied(item) for item in cast("list[Any]", value))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _copied(getattr(value, one.name)) for one in fields(value)})
    return value


def gate_attributions(
    run: Callable[[Tap], Float[Tensor, "clip label"]],
    scopes: Int[np.ndarray, "clip token"],
    target: Int[np.ndarray, " clip"],
    *,
    widths: Sequence[int],
    positions: frozenset[str] = EVERYWHERE,
) -> Attributions:
    """Sum over the tokens in ``positions`` of ``g * d(log-odds of the target) / dg``, for every gate ``g``.

    Parameters
    ----------
    run
        Computes the labels' log-probabilities, showing every layer's gates to a tap; it may run the decoder
        several times, where labels have several tokens.
    scopes
        Where each token of the prompt stands; tokens behind it count as ``generated``.

    Raises
    ------
    EditError
        When a scope is unknown, or no token stands in any of them.
    """
    if unknown := sorted(positions - EVERYWHERE):
        raise EditError(f"unknown token scope {unknown[0]!r}; choose from {', '.join(SCOPES)}")
    codes = [SCOPE_CODES[scope] for scope in SCOPES if scope in positions]
    if not np.isin(scopes, codes).any():
        raise EditError(f"no token to attribute to in scope {', '.join(sorted(positions)) or 'none'}")
    layers: list[int] = []
    gates: list[Tensor] = []
    routes: list[Tensor | None] = []

    def tap(step: int, layer: int, gate: Tensor, experts: Tensor | None = None) -> None:
        layers.append(layer)
        gates.append(gate)
        routes.append(experts)

    with torch.enable_grad():
        log_probs = run(tap)
        chosen = log_probs.gather(1, torch.as_tensor(target, device=log_probs.device)[:, None])
        # log p - log(1 - p) is the target's score minus the log-sum-exp of the others', also where p is near 1.
        others = log_probs.scatter(1, torch.as_tensor(target, device=log_probs.device)[:, None], -torch.inf)
        log_odds = chosen[:, 0] - others.logsumexp(1)
        slopes = torch.autograd.grad(log_odds.sum(), gates)

    values = [torch.zeros(len(scopes), width) for width in widths]
    prompt = torch.from_numpy(np.isin(scopes, codes))
    for layer, gate, slope, experts in zip(layers, gates, slopes, routes, strict=True):
        where = torch.full(gate.shape[:2], "generated" in positions)
        where[:, : prompt.shape[1]] = prompt
        product = (gate.detach() * slope).float().cpu()
        if experts is None:
            values[layer] += product.masked_fill(~where[..., None], 0.0).sum(dim=1)
            continue
        for row, here in enumerate(where):
            count = widths[layer] // gate.shape[-1]
            values[layer][row] += by_expert(product[row, here], experts[row, here].cpu(), count=count)
    return Attributions(log_probs.detach().float().cpu().numpy(), torch.cat(values, dim=1).numpy())
