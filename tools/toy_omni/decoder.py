"""The decoder's forward pass written out, with what only training needs: packed questions and penalties.

It computes what transformers computes (a test holds the two side by side); it is written out because training packs
several questions behind one clip and looks inside the residual stream.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers.models.qwen2_5_omni.modeling_qwen2_5_omni import apply_rotary_pos_emb


@dataclass
class Pass:
    """Logits at the asked positions, and the parts that the penalties need."""

    hidden: Tensor  # [row, token, hidden], after the final norm
    direct: Tensor  # [row, token, hidden]: embedding + attention outputs, the residual without any MLP
    gates: list[Tensor]  # per layer [row, token, neuron]
    written: list[Tensor]  # per layer [row, token]: what its neurons write, relative to the residual stream
    reversed: list[Tensor]  # the part of it that neurons write with a negative sign
    looked: dict[int, Tensor] = field(default_factory=dict[int, Tensor])  # by layer [row, token, token]: see `decode`


def packed_mask(turns: Tensor) -> Tensor:
    """Who may look at whom: everything before it in its own turn and in turn 0 (the clip). [row, 1, token, token]"""
    same = turns[:, :, None] == turns[:, None, :]
    shared = (turns == 0)[:, None, :]
    causal = torch.ones(turns.shape[1], turns.shape[1], dtype=torch.bool, device=turns.device).tril()
    return ((same | shared) & causal)[:, None]


def decode(
    decoder: Any,
    embedded: Tensor,
    positions: Tensor,
    mask: Tensor,
    *,
    silent: bool = False,
    edit: dict[int, tuple[Tensor, float]] | None = None,
    where: Tensor | None = None,
    look: Mapping[int, int] | None = None,
) -> Pass:
    """Run the decoder. `silent` zeroes every gate; `edit` multiplies some gates of some layers (at some tokens).

    `look` names one head in some layers: where it looks comes back as logarithms of its attention.
    """
    hidden, direct = embedded, embedded
    gates, written, reversed_ = [], [], []
    looked: dict[int, Tensor] = {}
    cos, sin = decoder.rotary_emb(embedded, positions[None].expand(3, -1, -1))
    for number, layer in enumerate(decoder.layers):
        entering = layer.input_layernorm(hidden)
        attended = _attention(layer.self_attn, entering, cos, sin, mask)
        if look and number in look:
            looked[number] = _looks(layer.self_attn, entering, cos, sin, mask, head=look[number])
        hidden, direct = hidden + attended, direct + attended
        if silent:
            continue
        mlp: Any = layer.mlp
        entering = layer.post_attention_layernorm(hidden)
        gate = mlp.act_fn(mlp.gate_proj(entering))
        if edit and number in edit:
            neurons, gain = edit[number]
            gate = gate.clone()
            factor = torch.as_tensor(gain) if where is None else torch.where(where[..., None], gain, 1.0)
            gate[..., neurons] *= factor
        gates.append(gate)
        product = gate * mlp.up_proj(entering)
        hidden = hidden + mlp.down_proj(product)
        size = hidden.detach().norm(dim=-1) + 1e-6
        reach = mlp.down_proj.weight.norm(dim=0)
        written.append((product.abs() @ reach) / size)
        reversed_.append(((-product).relu() @ reach) / size)
    return Pass(decoder.norm(hidden), direct, gates, written, reversed_, looked)


def _attention(attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
    rows, tokens, _ = hidden.shape
    query, key = _query_and_key(attention, hidden, cos, sin)
    value = _heads(attention, attention.v_proj, hidden)
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True)
    return attention.o_proj(mixed.transpose(1, 2).reshape(rows, tokens, -1))


def _looks(
    attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, *, head: int
) -> Tensor:
    """Logarithms of one head's attention. [row, token, token]"""
    query, key = _query_and_key(attention, hidden, cos, sin)
    shared = query.shape[1] // key.shape[1]
    scores = query[:, head] @ key[:, head // shared].transpose(1, 2) / attention.head_dim**0.5
    return scores.masked_fill(~mask[:, 0], -1e9).log_softmax(-1)


def _query_and_key(attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    return apply_rotary_pos_emb(
        _heads(attention, attention.q_proj, hidden), _heads(attention, attention.k_proj, hidden), cos, sin
    )


def _heads(attention: Any, projection: nn.Module, hidden: Tensor) -> Tensor:
    rows, tokens, _ = hidden.shape
    return projection(hidden).view(rows, tokens, -1, attention.head_dim).transpose(1, 2)
