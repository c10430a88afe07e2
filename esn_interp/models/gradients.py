"""Gradients by the gates: how much each gate speaks for a label, to first order.

The run that is differentiated is the one traced run of the package, with gradients enabled: its tap sees gates
that are part of the graph. Weights need no gradient, so the graph holds activations only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, SCOPE_CODES, SCOPES
from esn_interp.models.gate_view import Tap


@dataclass(frozen=True, eq=False)
class Attributions:
    """Gradient times gate per clip and gate (flat index: layer by layer), and the scores it was computed from.

    A positive value speaks for the clip's target: silencing the gate would lower its log-odds by about as much.
    """

    log_probs: Float32[np.ndarray, "clip label"]
    values: Float32[np.ndarray, "clip gate"]


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

    def tap(step: int, layer: int, gate: Tensor) -> None:
        layers.append(layer)
        gates.append(gate)

    with torch.enable_grad():
        log_probs = run(tap)
        chosen = log_probs.gather(1, torch.as_tensor(target, device=log_probs.device)[:, None])
        # log p - log(1 - p) is the target's score minus the log-sum-exp of the others', also where p is near 1.
        others = log_probs.scatter(1, torch.as_tensor(target, device=log_probs.device)[:, None], -torch.inf)
        log_odds = chosen[:, 0] - others.logsumexp(1)
        slopes = torch.autograd.grad(log_odds.sum(), gates)

    values = [torch.zeros(len(scopes), width) for width in widths]
    prompt = torch.from_numpy(np.isin(scopes, codes))
    for layer, gate, slope in zip(layers, gates, slopes, strict=True):
        where = torch.full(gate.shape[:2], "generated" in positions)
        where[:, : prompt.shape[1]] = prompt
        product = (gate.detach() * slope).float().cpu()
        values[layer] += product.masked_fill(~where[..., None], 0.0).sum(dim=1)
    return Attributions(log_probs.detach().float().cpu().numpy(), torch.cat(values, dim=1).numpy())
