"""Keeping activations by name: which there are, what they take, and the one run that fills them."""

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from esn_interp.errors import ModelError
from esn_interp.models.gate_view import Tap
from esn_interp.models.sites import KEPT, NEURON_SITES
from esn_interp.models.stacks import Gate, Stack

Sizes = dict[str, int]
"""By name, how many numbers an activation holds."""

RESID_FINAL, FINAL_NORM = "resid_final", "final_norm"
_FLOAT32 = 4


def heads_of(gate: Gate) -> int:
    """Attention heads of a layer.

    Raises
    ------
    ModelError
        When the layer does not tell.
    """
    attention: Any = gate.layer.self_attn
    for place, name in ((getattr(attention, "config", None), "num_attention_heads"), (attention, "num_heads")):
        if isinstance(heads := getattr(place, name, None), int):
            return heads
    raise ModelError(f"{gate.path}: the attention of this layer does not tell how many heads it has")


def names_and_sizes(stack: Stack, encoder: Sequence[nn.Module], *, tokens: int, frames: int) -> Sizes:
    """Every activation of a prompt of so many tokens that can be kept, in the order of the run.

    Gates of mixtures of experts are not among them: a token has those of its own experts only.
    """
    hidden = tokens * stack.hidden
    sizes: Sizes = {f"encoder.{layer}.resid_post": frames * _width(one) for layer, one in enumerate(encoder)}
    for layer, gate in enumerate(stack.gates):
        heads = heads_of(gate)
        joined: Any = gate.part("attention_out")
        own = {"pattern": heads * tokens**2, "z": tokens * int(getattr(joined, "in_features", stack.hidden))}
        for kind, site in KEPT.items():
            if not (site.neurons and gate.experts):
                sizes[f"blocks.{layer}.{kind}"] = tokens * gate.width if site.neurons else own.get(kind, hidden)
    return sizes | {RESID_FINAL: hidden, FINAL_NORM: hidden}


def chosen_names(names: str | Sequence[str] | None, sizes: Sizes) -> list[str]:
    """The names that patterns such as ``blocks.*.gate`` mean; all but ``pattern`` where nothing is asked for.

    Raises
    ------
    ModelError
        When a pattern means nothing.
    """
    if names is None:
        return [name for name in sizes if not name.endswith(".pattern")]
    patterns = [names] if isinstance(names, str) else list(names)
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in sizes):
            raise ModelError(
                f"no activation is called {pattern!r}; there are blocks.0.NAME to"
                f" blocks.{sum('resid_pre' in name for name in sizes) - 1}.NAME with NAME one of {', '.join(KEPT)},"
                f" encoder.0.resid_post and so on, {RESID_FINAL} and {FINAL_NORM}"
            )
    return [name for name in sizes if any(fnmatchcase(name, pattern) for pattern in patterns)]


def require_room(names: Sequence[str], sizes: Sizes, *, tokens: int, at_most: int | None, told: bool) -> None:
    """Tell what is going to be kept, and refuse what would not fit.

    Raises
    ------
    ModelError
        When it takes more than ``at_most`` bytes, by default half of the memory that is free; what would fit is named.
    """
    total = _FLOAT32 * sum(sizes[name] for name in names)
    room = free_memory() // 2 if at_most is None else at_most
    if total > room:
        kinds: Sizes = {}
        for name in names:
            kind = ".".join("*" if part.isdigit() else part for part in name.split("."))
            kinds[kind] = kinds.get(kind, 0) + _FLOAT32 * sizes[name]
        fits = [f"{kind} ({_in_words(size)})" for kind, size in kinds.items() if size <= room]
        one = [f"{name} ({_in_words(_FLOAT32 * sizes[name])})" for name in names if _FLOAT32 * sizes[name] <= room]
        raise ModelError(
            f"{len(names)} activations of {tokens} tokens take {_in_words(total)}, more than the {_in_words(room)} that"
            f" may be used; by itself would fit: {', '.join(fits or one[:3]) or 'nothing, so take a shorter clip'}"
        )
    if told:
        sys.stderr.write(f"Keeping {len(names)} activations of {tokens} tokens: {_in_words(total)}\n")


def free_memory() -> int:
    """Bytes of memory that this machine could give us."""
    try:
        told = Path("/proc/meminfo").read_text(encoding="ascii").split("MemAvailable:")[1]
        return int(told.split()[0]) * 1024
    except (OSError, IndexError):  # other systems do not tell
        return 4 * 2**30


class Keeper:
    """Taps that keep what is asked for, clip 0 of the batch, as float32 on the host."""

    def __init__(self, names: Sequence[str], heads: Sequence[int]) -> None:
        self._wanted, self._heads = set(names), heads
        self.values: dict[str, Float[np.ndarray, ...]] = {}

    @property
    def taps(self) -> Mapping[str, Tap]:
        """One for each site that is needed; at least one, or nothing would be traced."""
        kinds = {name.rpartition(".")[2] for name in self._wanted if name.startswith("blocks.")}
        if RESID_FINAL in self._wanted or not kinds:
            kinds.add("resid_post")
        return {kind: self._tap(kind) for kind in kinds}

    @property
    def encoder(self) -> Callable[[int, Tensor], None] | None:
        """What sees the layers of the audio encoder; None where nobody asks for them."""
        return self._encoded if any(name.startswith("encoder.") for name in self._wanted) else None

    def _tap(self, kind: str) -> Tap:
        def tap(step: int, layer: int, value: Tensor, experts: Tensor | None = None) -> None:
            if step > 0:
                return
            name = f"blocks.{layer}.{kind}"
            if name in self._wanted:
                kept = _on_host(value[0])
                self.values[name] = kept.reshape(len(kept), self._heads[layer], -1) if kind == "z" else kept
            if kind == "resid_post" and layer == len(self._heads) - 1 and RESID_FINAL in self._wanted:
                self.values[RESID_FINAL] = _on_host(value[0])

        return tap

    def _encoded(self, layer: int, value: Tensor) -> None:
        if (name := f"encoder.{layer}.resid_post") in self._wanted:
            self.values[name] = _on_host(value.reshape(-1, value.shape[-1]))

    def finish(self, hidden: Float[Tensor, "clip token hidden"], names: Sequence[str]) -> dict[str, np.ndarray]:
        """All that was asked for, in the order of the run."""
        if FINAL_NORM in self._wanted:
            self.values[FINAL_NORM] = _on_host(hidden[0])
        return {name: self.values[name] for name in names}


@contextmanager
def eager_attention(decoder: nn.Module) -> Generator[None]:
    """Within the block, the decoder computes attention in the one way that shows its weights."""
    configs: dict[int, Any] = {}
    for module in decoder.modules():
        if hasattr(config := getattr(module, "config", None), "_attn_implementation"):
            configs[id(config)] = config
    before = [(config, config._attn_implementation) for config in configs.values()]
    try:
        for config, _ in before:
            config._attn_implementation = "eager"
        yield
    finally:
        for config, implementation in before:
            config._attn_implementation = implementation


def relative_difference(ours: Tensor, other: Tensor) -> float:
    """Largest difference of two tensors, relative to the largest value."""
    return float((ours - other).abs().max() / other.abs().max().clamp_min(torch.finfo(torch.float32).tiny))


def needs_patterns(names: Sequence[str]) -> bool:
    """Whether attention weights are among them."""
    return any(name.endswith(".pattern") for name in names)


def _width(encoder_layer: nn.Module) -> int:
    sizes = [parameter.shape[0] for parameter in encoder_layer.parameters() if parameter.ndim == 1]
    return min(sizes, default=1)


def _on_host(value: Tensor) -> Float[np.ndarray, "..."]:
    return value.detach().float().cpu().numpy().copy()


def _in_words(size: int) -> str:
    unit, per = next((unit, per) for unit, per in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if size >= per or per == 1e3)
    return f"{size / per:.1f} {unit}"


assert set(NEURON_SITES) < set(KEPT)
