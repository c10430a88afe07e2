"""Compiled decoding: transformers' static cache, so that the step that writes one token is a graph that stays.

Edits in the weights leave the graph as it is; a trace can't look into it.
"""

from collections.abc import Callable
from typing import Any

from nnsight.intervention.source import Controller
from torch import Tensor, nn
from transformers import GenerationConfig, GenerationMixin, LogitsProcessor, LogitsProcessorList

from esn_interp.errors import EditError, ModelError

# What a checkpoint may say of how answers are chosen, and how it is unsaid. Which tokens can't be part of an answer,
# and with which it ends, is the checkpoint's to say.
_GREEDY: dict[str, Any] = {
    **{"do_sample": False, "num_beams": 1, "num_return_sequences": 1, "num_beam_groups": None},
    **{"return_dict_in_generate": False, "output_scores": False, "output_logits": False},
    **{"output_attentions": False, "output_hidden_states": False},
    **{"temperature": None, "top_k": None, "top_p": None, "min_p": None, "top_h": None, "typical_p": None},
    **{"epsilon_cutoff": None, "eta_cutoff": None, "penalty_alpha": None, "dola_layers": None},
    **{"repetition_penalty": None, "encoder_repetition_penalty": None, "no_repeat_ngram_size": None},
    **{"encoder_no_repeat_ngram_size": None, "diversity_penalty": None, "length_penalty": None},
    **{"exponential_decay_length_penalty": None, "early_stopping": False, "guidance_scale": None},
    **{
        "min_length": None,
        "min_new_tokens": None,
        "max_time": None,
        "stop_strings": None,
        "sequence_bias": None,
    },
    **{"token_healing": False, "watermarking_config": None, "prompt_lookup_num_tokens": None},
    **{"renormalize_logits": False, "constraints": None, "force_words_ids": None, "use_mtp": None},
}
_ROOM = 256  # the cache grows by as many tokens, so that prompts of other lengths seldom need another graph


def greedy(generator: nn.Module) -> dict[str, Any]:
    """What `generate` is told so that answers are greedy, one per clip, whatever a checkpoint's settings are."""
    if not isinstance(generator, GenerationMixin) and not getattr(
        generator, "written_by_transformers", False
    ):
        return {"do_sample": False}  # it has a way of its own, without such settings
    known = vars(GenerationConfig())
    return {name: value for name, value in _GREEDY.items() if name in known}


class Watched(LogitsProcessor):
    """Sees the scores of every step, changes none, and says afterwards whether all were numbers.

    Of scores that are none, some token is the greatest all the same, and ends as an answer or as an empty one.
    """

    def __init__(self) -> None:
        self._bad: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        # Minus infinity rules a token out. Nothing waits for the device.
        bad = (scores.isnan() | scores.isposinf()).any()
        self._bad = bad if self._bad is None else self._bad | bad
        return scores

    def require_numbers(self, name: str, *, edited: bool) -> None:
        """Refuse what was written by such scores.

        Raises
        ------
        EditError
            When gates were edited.
        ModelError
            When none was.
        """
        if self._bad is None or not bool(self._bad):
            return
        if edited:
            raise EditError(
                f"{name}: the model's scores are not finite while it writes; edit less strongly, or run it in float32"
            )
        raise ModelError(f"{name}: the model's scores are not finite while it writes; run it in float32")


def watched(generator: nn.Module) -> tuple[Watched, dict[str, Any]]:
    """Who watches the scores of an answer, and what `generate` of transformers is told for it; others are not."""
    watch = Watched()
    if not isinstance(generator, GenerationMixin) and not getattr(generator, "written_by_transformers", False):
        return watch, {}
    return watch, {"logits_processor": LogitsProcessorList([watch])}


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
