"""Telling one set of weights from another without reading gigabytes, and finding weights that are offloaded."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from esn_interp.errors import ModelError

_SAMPLES = 64
_LARGE = 2**24
"""From so many elements on, float32 can't name every position of a tensor."""


def weights_fingerprint(model: nn.Module) -> str:
    """Hex digits over every parameter's name, shape and 64 evenly spaced values.

    A fine-tuned or re-initialised copy differs in practically every tensor, so a sample finds it; the digest does
    not depend on device, offloading or precision of storage beyond float32. There are two schemes, which differ in
    where tensors of 2^24 elements and more are sampled: fingerprints of models that have such tensors begin with
    ``2-``, all others are the same under both.
    """
    digest = _digest(model, sample_positions)
    return f"2-{digest}" if _has_large(model) else digest


def earlier_fingerprints(model: nn.Module) -> tuple[str, ...]:
    """What files of earlier releases may call these weights: the first scheme, where it differs and was possible.

    It spaced positions in float32, which may lie behind the end of a large tensor.
    """
    if not _has_large(model):
        return ()
    try:
        return (_digest(model, _float_positions),)
    except IndexError:
        return ()


def weights_signature(model: nn.Module) -> int:
    """A number that changes when a weight is replaced or written in place; quick, and good within one process only.

    What is written behind torch's back (through ``.data``) does not change it.
    """
    return hash(tuple((id(one), one.data_ptr() if not one.is_meta else 0, _version(one)) for one in model.parameters()))


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def require_finite(model: nn.Module, name: str) -> None:
    """Refuse weights that are no numbers: every answer would be one.

    Raises
    ------
    ModelError
        When a weight is infinite or not a number; it is named.
    """
    for path, parameter in model.named_parameters():
        if parameter.is_meta or not parameter.numel() or not parameter.is_floating_point():
            continue
        values = parameter.detach()
        if values.element_size() < 2:  # float8 can't be compared
            values = values.float()
        low, high = torch.aminmax(values)
        if not bool(low.isfinite() & high.isfinite()):
            raise ModelError(
                f"{name}: the weight {path} holds values that are no finite numbers, so the checkpoint is damaged; get"
                " it again"
            )


def sample_positions(count: int) -> Int[Tensor, " sample"]:
    """64 positions, evenly spaced from the first to the last of ``count`` elements; all of them if there are fewer."""
    if count < _LARGE:
        return _float_positions(count)
    return torch.tensor([(at * (count - 1) + _SAMPLES // 2) // (_SAMPLES - 1) for at in range(_SAMPLES)])


def _float_positions(count: int) -> Int[Tensor, " sample"]:
    return torch.linspace(0, count - 1, min(_SAMPLES, count), dtype=torch.float32).round().long()


def _has_large(model: nn.Module) -> bool:
    return any(parameter.numel() >= _LARGE for parameter in model.parameters())


def _digest(model: nn.Module, positions: Callable[[int], Int[Tensor, " sample"]]) -> str:
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
        index = positions(flat.numel())
        if len(index) and int(index[-1]) >= flat.numel():
            raise IndexError(f"{name}: position {int(index[-1])} of {flat.numel()}")
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
