"""Going on behind a prompt, one token at a time, for labels of several tokens."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from esn_interp.models.families.inputs import PER_TOKEN, Inputs

# What a decoder may be given for every token of the prompt beside its embeddings; anything else can't be continued.
_KNOWN = {"inputs_embeds", "attention_mask", "position_ids", "past_key_values", "use_cache", "cache_position"}


def can_continue(inputs: Mapping[str, Any]) -> bool:
    """Whether a decoder with these inputs can go on from its cache: mask and positions are the usual ones."""
    unknown = [name for name, value in inputs.items() if name not in _KNOWN and isinstance(value, (Tensor, Mapping))]
    mask, positions = inputs.get("attention_mask"), inputs.get("position_ids")
    plain = mask is None or (isinstance(mask, Tensor) and mask.ndim == 2)
    # Of a release that calls the cache by another name than we do, and would not find ours.
    plain = plain and "cache" not in inputs
    return plain and not unknown and (positions is None or isinstance(positions, Tensor))


def continued(inputs: Mapping[str, Any], embedded: Float[Tensor, "clip 1 hidden"]) -> dict[str, Any]:
    """The decoder's inputs one token later. The cache is copied, so that the inputs can be continued again."""
    longer = {**inputs, "inputs_embeds": embedded, "past_key_values": copy.deepcopy(inputs["past_key_values"])}
    if isinstance(mask := inputs.get("attention_mask"), Tensor):
        longer["attention_mask"] = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
    for name in ("position_ids", "cache_position"):
        if isinstance(positions := inputs.get(name), Tensor):
            longer[name] = positions[..., -1:] + 1
    return longer


def append_token(inputs: Inputs, token: int) -> Inputs:
    """The whole model's inputs with a token of the answer behind the prompt."""
    tensors = dict(inputs.tensors)
    clips = len(tensors["input_ids"])
    for name in set(PER_TOKEN) & set(tensors):
        last = tensors[name][:, -1:]
        one = torch.full_like(last, token) if name == "input_ids" else last
        tensors[name] = torch.cat([tensors[name], one], dim=1)
    audio = torch.cat([inputs.audio, inputs.audio.new_zeros(clips, 1)], dim=1)
    return Inputs(tensors, audio)
