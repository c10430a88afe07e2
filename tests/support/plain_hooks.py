"""The independent reference of every traced result: gates read and edited by plain PyTorch forward hooks."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

from esn_interp.models.edits import Edit

NAMES = ("audio", "text", "last", "generated")


@contextmanager
def reading(lm: Any) -> Iterator[dict[int, list[torch.Tensor]]]:
    """Every gate that a run computes, by layer, one tensor a step, as the activation module gives it."""
    seen: dict[int, list[torch.Tensor]] = {layer: [] for layer in range(len(lm.widths))}
    with ExitStack() as hooks:
        for layer, gate in enumerate(lm.stacks[lm.component].gates):

            def hook(module, inputs, output, layer=layer):
                seen[layer].append(output.detach().clone())

            hooks.callback(gate.module.register_forward_hook(hook).remove)
        yield seen


@contextmanager
def editing(lm: Any, edits: Sequence[Edit], scopes: np.ndarray | None = None) -> Iterator[None]:
    """Edits as the formula says, token by token and neuron by neuron; ``scopes`` of the prompt where they matter."""
    with ExitStack() as hooks:
        for layer, gate in enumerate(lm.stacks[lm.component].gates):
            here = [edit for edit in edits if edit.layer == layer]
            if not here:
                continue
            routed: list[torch.Tensor] = []
            if gate.router is not None:

                def remember(module, inputs, routed=routed):
                    routed.append(inputs[1])

                hooks.callback(gate.router.register_forward_pre_hook(remember).remove)
            step = [0]

            def hook(module, inputs, output, here=here, gate=gate, routed=routed, step=step):
                result = output.clone()
                ids = routed[-1] if routed else None
                for edit in here:
                    _apply(edit, gate, result, ids, scopes, step[0])
                step[0] += 1
                return result

            hooks.callback(gate.module.register_forward_hook(hook).remove)
        yield


def _apply(edit, gate, output, ids, scopes, step):
    constants = [np.broadcast_to(np.asarray(v, np.float32), edit.neurons.shape) for v in (edit.gain, edit.shift)]
    for at, neuron in enumerate(edit.neurons.tolist()):
        expert, unit = divmod(neuron, gate.width) if ids is not None else (0, neuron)
        old = output[..., unit]
        new = float(constants[0][at]) * old + float(constants[1][at])
        if edit.floor is not None:
            new = new.clamp_min(float(np.broadcast_to(edit.floor, edit.neurons.shape)[at]))
        where = torch.ones_like(old, dtype=torch.bool)
        if scopes is not None:
            if step == 0:
                chosen = np.isin(scopes, [NAMES.index(name) for name in edit.positions])
            else:
                chosen = np.full((len(scopes), 1), "generated" in edit.positions)
            chosen = torch.from_numpy(chosen)
            if ids is not None:
                chosen = chosen.reshape(-1, 1).expand(-1, ids.shape[-1]).reshape(-1)
            where = chosen.reshape(old.shape)
        if ids is not None:
            where = where & (ids.reshape(-1) == expert)
        output[..., unit] = torch.where(where, new, old)
