"""The decoder's forward pass written out, with what only training needs: packed questions and penalties.

It computes what transformers computes (a test holds the two side by side); it is written out because training packs
several questions behind one clip and looks inside the residual stream.
"""

from dataclasses import dataclass
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
) -> Pass:
    """Run the decoder. `silent` zeroes every gate; `edit` multiplies some gates of some layers (at some tokens)."""
    hidden, direct = embedded, embedded
    gates, written, reversed_ = [], [], []
    cos, sin = decoder.rotary_emb(embedded, positions[None].expand(3, -1, -1))
    for number, layer in enumerate(decoder.layers):
        attended = _attention(layer.self_attn, layer.input_layernorm(hidden), cos, sin, mask)
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
    return Pass(decoder.norm(hidden), direct, gates, written, reversed_)


def _attention(attention: Any, hidden: Tensor, cos: Tensor, sin: Tensor, mask: Tensor) -> Tensor:
    rows, tokens, _ = hidden.shape

    def heads(projection: nn.Module) -> Tensor:
        return projection(hidden).view(rows, tokens, -1, attention.head_dim).transpose(1, 2)

    query, key = apply_rotary_pos_emb(heads(attention.q_proj), heads(attention.k_proj), cos, sin)
    mixed = scaled_dot_product_attention(query, key, heads(attention.v_proj), attn_mask=mask, enable_gqa=True)
    return attention.o_proj(mixed.transpose(1, 2).reshape(rows, tokens, -1))
