"""Compiled decoding: transformers' static cache, so that the step that writes one token is a graph that stays.

Edits in the weights leave the graph as it is; a trace can't look into it.
"""

from collections.abc import Callable
from typing import Any

from nnsight.intervention.source import Controller
from torch import nn
from transformers import GenerationMixin

from esn_interp.errors import ModelError

_ROOM = 256  # the cache grows by as many tokens, so that prompts of other lengths seldom need another graph


def static_cache(generator: nn.Module, *, prompt: int, max_new_tokens: int) -> dict[str, Any]:
    """What `generate` of transformers is told so that it decodes with a static cache, compiled on an accelerator.

    Raises
    ------
    ModelError
        When the model writes its answers by code of its own.
    """
    if not isinstance(generator, GenerationMixin):
        raise ModelError(
            f"{type(generator).__name__} does not write with transformers' generate, so its decoding can't be compiled"
        )
    rooms = -(-(prompt + max_new_tokens) // _ROOM)
    return {"cache_implementation": "static", "max_cache_len": rooms * _ROOM}


def untraced(model: nn.Module, fn: Callable[..., Any]) -> Callable[..., Any]:
    """``fn`` with nnsight's controllers out of the modules: a compiler would stumble over each of them."""

    def run(**keywords: Any) -> Any:
        held = [
            (module, module.__dict__["forward"])
            for module in model.modules()
            if isinstance(module.__dict__.get("forward"), Controller) and "_hf_hook" not in module.__dict__
        ]
        try:
            for module, _ in held:
                del module.__dict__["forward"]
            return fn(**keywords)
        finally:
            for module, controller in held:
                module.__dict__["forward"] = controller

    return run
