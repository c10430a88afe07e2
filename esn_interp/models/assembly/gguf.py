"""A Llama decoder out of a GGUF file: the weights that llama.cpp runs, as transformers names them."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from esn_interp.errors import ModelError

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


def require_gguf() -> None:
    """Refuse to go on without the library that knows how GGUF packs numbers.

    Raises
    ------
    ModelError
        When it is not installed.
    """
    if find_spec("gguf") is None:
        raise ModelError("the decoder is a GGUF file, which takes one more library: pip install gguf")


def llama_weights(path: str | Path, *, heads: int, key_value_heads: int) -> dict[str, Tensor]:
    """The weights of a Llama decoder, unpacked to float32, by their names in ``LlamaForCausalLM``.

    transformers reads the same file to the same numbers, in four times the time: it looks every name up anew.

    Parameters
    ----------
    heads, key_value_heads
        Of attention. llama.cpp turns pairs of neighbours where transformers turns the halves of a head, so rows of
        queries and keys stand in another order in its files.

    Raises
    ------
    ModelError
        When ``gguf`` is not installed, or the file is none of this kind.
    """
    require_gguf()
    from gguf import GGUFReader, dequantize

    try:
        tensors: Any = GGUFReader(str(path)).tensors
    except (OSError, ValueError, IndexError) as error:
        raise ModelError(f"{path}: not a whole GGUF file; get it anew") from error
    turned: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "attn_q": lambda rows: _halves(rows, heads),
        "attn_k": lambda rows: _halves(rows, key_value_heads),
    }
    state: dict[str, Tensor] = {}
    for tensor in tensors:
        *where, part, kind = tensor.name.split(".")
        if part not in _NAMES:
            raise ModelError(f"{path}: {tensor.name} is no weight of a Llama decoder")
        values = np.array(dequantize(tensor.data, tensor.tensor_type), dtype=np.float32)
        values = turned.get(part, lambda rows: rows)(values)
        layer = f"model.layers.{where[1]}." if where else ""
        state[f"{layer}{_NAMES[part]}.{kind}"] = torch.from_numpy(np.ascontiguousarray(values))
    return state


def _halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of every head, from neighbouring pairs to halves."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)
