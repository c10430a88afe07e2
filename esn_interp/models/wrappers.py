"""Models inside wrappers: what others put around a model is taken off, since gates are found by structure."""

from typing import Any

from torch import nn
from transformers import PreTrainedModel

from esn_interp.errors import ModelError

# DataParallel and its kin, torch.compile, peft. What peft adds to linear layers stays there.
_INSIDE = (("module", nn.parallel.DataParallel), ("module", nn.parallel.DistributedDataParallel))


def unwrapped(model: nn.Module) -> nn.Module:
    """The model that is inside of known wrappers, or the model itself.

    Raises
    ------
    ModelError
        When the wrapper is of another kind; the module that is to be handed over is named.
    """
    while (inside := _inside(model)) is not None:
        model = inside
    if isinstance(model, PreTrainedModel):
        return model
    held = [(name, part) for name, part in model.named_children() if isinstance(part, PreTrainedModel)]
    if len(held) == 1 and getattr(model, "config", held[0][1].config) is held[0][1].config:
        name, part = held[0]
        raise ModelError(
            f"{type(model).__name__} wraps a {type(part).__name__}; hand over the inner model:"
            f" load(model.{name}, processor=...)"
        )
    return model


def _inside(model: nn.Module) -> nn.Module | None:
    for name, kind in _INSIDE:
        if isinstance(model, kind):
            return getattr(model, name)
    if isinstance(compiled := getattr(model, "_orig_mod", None), nn.Module):
        return compiled
    adapted: Any = getattr(model, "get_base_model", None)
    if callable(adapted) and hasattr(model, "peft_config"):
        base = adapted()
        return base if isinstance(base, nn.Module) and base is not model else None
    return None
