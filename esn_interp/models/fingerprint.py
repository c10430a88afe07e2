"""Telling one set of weights from another without reading gigabytes, and finding weights that are offloaded."""

import hashlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

_SAMPLES = 64


def weights_fingerprint(model: nn.Module) -> str:
    """Sixteen hex digits over every parameter's name, shape and 64 evenly spaced values.

    A fine-tuned or re-initialised copy differs in practically every tensor, so a sample finds it; the digest does
    not depend on device, offloading or precision of storage beyond float32.
    """
    digest, elsewhere = hashlib.sha256(), _offloaded(model)
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        values: Tensor = parameter
        if parameter.is_meta and name in elsewhere:
            weights, local = elsewhere[name]
            values = weights[local]
        if values.is_meta:
            continue
        flat = values.detach().reshape(-1)
        index = torch.linspace(0, flat.numel() - 1, min(_SAMPLES, flat.numel())).round().long()
        digest.update(flat[index.to(flat.device)].float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def compute_device(model: nn.Module) -> torch.device:
    """Where a model expects its inputs: where its first weights are, or go to when they are offloaded."""
    for hook in _hooks(model):
        if (device := getattr(hook, "execution_device", None)) is not None:
            return torch.device(device)
    return next((p.device for p in model.parameters() if not p.is_meta), torch.device("cpu"))


def _offloaded(model: nn.Module) -> dict[str, tuple[Any, str]]:
    """Where accelerate keeps each parameter that it took out of the model, and what it is called there."""
    held: dict[str, tuple[Any, str]] = {}
    for path, module in model.named_modules():
        for hook in _hooks(module, deep=False):
            if (weights := getattr(hook, "weights_map", None)) is not None:
                for name, _ in module.named_parameters(recurse=False):
                    held[f"{path}.{name}".lstrip(".")] = (weights, name)
    return held


def _hooks(model: nn.Module, *, deep: bool = True) -> Iterator[Any]:
    """accelerate's hooks, which move weights in and out."""
    for module in model.modules() if deep else (model,):
        hook = getattr(module, "_hf_hook", None)
        yield from getattr(hook, "hooks", ()) or (() if hook is None else (hook,))
