"""Whisper's encoder out of a CTranslate2 file, without the engine that usually reads it."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from esn_interp.errors import ModelError

_VERSION = 6
_TYPES: dict[int, Any] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


class _Bytes:
    """Little-endian fields, one after the other."""

    def __init__(self, content: bytes, path: Path) -> None:
        self.content, self.path, self.at = content, path, 0

    def take(self, count: int) -> bytes:
        part = self.content[self.at : self.at + count]
        if len(part) < count:
            raise ModelError(f"{self.path}: the file ends within a weight; get it anew")
        self.at += count
        return part

    def number(self, kind: str) -> int:
        return int(struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0])

    def text(self) -> str:
        return self.take(self.number("H")).rstrip(b"\0").decode()


def read_weights(path: str | Path) -> dict[str, np.ndarray]:
    """Every weight of a CTranslate2 model by its name, in the file's own precision.

    The layout is that of ``ctranslate2.specs.ModelSpec``: version, kind and revision of the specification, the number
    of weights, then for each its name, shape, type and bytes, and at last other names of the same weights.

    Raises
    ------
    ModelError
        When it is no such file, of another version of the format, or cut off.
    """
    path = Path(path)
    file = _Bytes(path.read_bytes(), path)
    if (version := file.number("I")) != _VERSION:
        raise ModelError(f"{path}: not a model of CTranslate2's format {_VERSION} (it says {version})")
    file.text()
    file.number("I")
    weights: dict[str, np.ndarray] = {}
    for _ in range(file.number("I")):
        name = file.text()
        shape = [file.number("I") for _ in range(file.number("B"))]
        kind = file.number("B")
        if kind not in _TYPES:
            raise ModelError(f"{path}: {name} is of type {kind}, which is not known here")
        weights[name] = np.frombuffer(file.take(file.number("I")), _TYPES[kind]).reshape(shape)
    for _ in range(file.number("I")):
        alias = file.text()
        weights[alias] = weights[file.text()]
    return weights


def whisper_encoder(weights: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The encoder's weights in float32, by the names that they have in transformers' ``WhisperEncoder``.

    CTranslate2 keeps queries, keys and values of a layer in one matrix; keys have no bias in Whisper, and zeros there.
    """

    def tensor(name: str) -> Tensor:
        return torch.from_numpy(np.array(weights[name], dtype=np.float32))

    def norm(ours: str, theirs: str) -> dict[str, Tensor]:
        return {f"{ours}.weight": tensor(f"{theirs}/gamma"), f"{ours}.bias": tensor(f"{theirs}/beta")}

    def linear(ours: str, theirs: str) -> dict[str, Tensor]:
        return {f"{ours}.{part}": tensor(f"{theirs}/{part}") for part in ("weight", "bias")}

    state = {"embed_positions.weight": tensor("encoder/position_encodings/encodings")}
    state |= norm("layer_norm", "encoder/layer_norm")
    for name in ("conv1", "conv2"):
        state |= linear(name, f"encoder/{name}")
    layers = sum(name.startswith("encoder/layer_") and name.endswith("ffn/linear_0/weight") for name in weights)
    for layer in range(layers):
        ours, theirs = f"layers.{layer}", f"encoder/layer_{layer}"
        joined = linear("qkv", f"{theirs}/self_attention/linear_0")
        for part, weight, bias in zip("qkv", *(value.chunk(3) for value in joined.values()), strict=True):
            state[f"{ours}.self_attn.{part}_proj.weight"] = weight.contiguous()
            if part != "k":
                state[f"{ours}.self_attn.{part}_proj.bias"] = bias.contiguous()
        state |= linear(f"{ours}.self_attn.out_proj", f"{theirs}/self_attention/linear_1")
        state |= linear(f"{ours}.fc1", f"{theirs}/ffn/linear_0") | linear(f"{ours}.fc2", f"{theirs}/ffn/linear_1")
        state |= norm(f"{ours}.self_attn_layer_norm", f"{theirs}/self_attention/layer_norm")
        state |= norm(f"{ours}.final_layer_norm", f"{theirs}/ffn/layer_norm")
    return state
