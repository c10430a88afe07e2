"""Where a model keeps its gates: decoder stacks, found by structure, since paths move between releases.

A gate is the output of the activation module of a gated MLP, ``act(gate(x))`` in ``down(act(gate(x)) * up(x))``,
whether the projections are separate, fused, viewed as two halves, or those of a mixture of experts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from esn_interp.errors import EditError, ModelError

MLPS = ("mlp", "audio_mlp", "feed_forward", "ffn")
_SHARED_EXPERTS = ("shared_expert", "shared_experts")
_ACTIVATIONS = ("act_fn", "activation_fn", "act", "activation")
_JOINS = ("o_proj", "out_proj", "dense", "c_proj", "wo", "linear_out")
_OUTPUTS = ("down_proj", "fc2", "w2", "c_proj", "linear_out")
# Encoders and vocoders may have gated MLPs of their own; none of them decides on an answer.
_ENCODERS = re.compile(r"audio|speech|vis|image|encoder|wav|codec|vocoder|^apm$|projector|resampler|whisper")
_PLAIN_PARTS = {"model", "language_model", "decoder", "backbone_model", "transformer", "layers", "llm"}


@dataclass(frozen=True, eq=False)
class Gate:
    """The gate of one layer: the module whose output it is, the layer around it, and what it computes.

    ``width`` counts the gates of a layer, or of one expert of it; ``experts`` is 0 for a layer without a mixture,
    and ``router`` the module that is called with the chosen experts of every token. ``mlp`` computes the gates, and
    ``reader`` is what reads them: the output projection, or the experts that hold it. ``hidden`` is the width of the
    hidden states around the layer; 0 where that is not known.
    """

    module: nn.Module = field(repr=False)
    layer: nn.Module = field(repr=False)
    path: str
    width: int
    expression: str
    experts: int = 0
    router: nn.Module | None = field(default=None, repr=False)
    mlp: nn.Module | None = field(default=None, repr=False)
    reader: nn.Module | None = field(default=None, repr=False)
    hidden: int = 0

    @property
    def count(self) -> int:
        """Gates of the layer over all experts."""
        return self.width * max(self.experts, 1)

    def part(self, name: str) -> nn.Module:
        """A module of the layer by our name for it: ``gate``, ``reader``, ``whole``, ``attention``, ``mlp``, or
        ``attention_out``, which joins the heads.

        Raises
        ------
        EditError
            When the layer has none, or, in a mixture of experts, nothing reads a token's gates by itself.
        """
        if name == "reader" and self.experts:
            raise EditError(f"{self.path}: in a mixture of experts no module is given the product of gate and up")
        found: Any = {"gate": self.module, "reader": self.reader, "whole": self.layer}.get(name)
        for attribute in {"attention": ("self_attn",), "mlp": MLPS}.get(name, ()):
            found = found if found is not None else getattr(self.layer, attribute, None)
        if name == "attention_out":
            attention = self.part("attention")
            found = next((getattr(attention, one) for one in _JOINS if hasattr(attention, one)), None)
        if not isinstance(found, nn.Module):
            raise EditError(f"{self.path}: this layer has no {name} that could be read")
        return found


@dataclass(frozen=True, eq=False)
class Stack:
    """A decoder stack: its name, where it is in the model, and the gate of each of its layers.

    ``decoder`` is the module that holds and runs the layers.
    """

    name: str
    path: str
    decoder: nn.Module = field(repr=False)
    gates: tuple[Gate, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Gates per layer."""
        return tuple(gate.count for gate in self.gates)

    @property
    def hidden(self) -> int:
        """Width of the hidden states that run through the layers; 0 where that is not known."""
        return self.gates[0].hidden

    @property
    def experts(self) -> tuple[int, ...]:
        """Experts per layer; 0 for a layer without a mixture."""
        return tuple(gate.experts for gate in self.gates)

    def __len__(self) -> int:
        return len(self.gates)

    def part(self, name: str, first: int, last: int) -> "Stack":
        """The layers ``first`` to ``last`` (exclusive) as a stack of their own, run by the same module."""
        return Stack(name, self.path, self.decoder, self.gates[first:last])


def find_stacks(model: nn.Module) -> dict[str, Stack]:
    """Every decoder stack of a model by name, in the order of its modules.

    A stack is a list of layers that all have ``self_attn`` and a gated MLP, outside audio and vision encoders and
    vocoders. The one that reads the prompt is named ``thinker`` in every model; others by what tells their path
    from its: ``talker``, ``depth_decoder`` and so on; a second MLP in the same layers adds its name.

    Raises
    ------
    ModelError
        When two layers of a stack share one activation module: an edit of one would silently act in both.
    """
    found: dict[str, Stack] = {}
    for path, layers in model.named_modules():
        if not isinstance(layers, nn.ModuleList) or not len(layers):
            continue
        if any(_ENCODERS.search(part) for part in path.split(".")):
            continue
        decoder_path = path.rpartition(".")[0]
        for mlp in _gated_mlps(layers):
            name = _name(path, mlp, taken=found)
            gates = tuple(_gate(layer, mlp, f"{path}.{i}") for i, layer in enumerate(layers))
            found[name] = _checked(Stack(name, decoder_path, model.get_submodule(decoder_path), gates))
    return found


def encoder_layers(model: nn.Module) -> tuple[nn.Module, ...]:
    """The layers of the audio encoder: the longest list of layers with attention inside an encoder that is not visual.

    Raises
    ------
    ModelError
        When there is none.
    """
    found: list[nn.ModuleList] = []
    for path, layers in model.named_modules():
        if not isinstance(layers, nn.ModuleList) or re.search(r"vis|image|wav|codec|vocoder|decoder", path):
            continue
        if _ENCODERS.search(path) and all(any("att" in name for name, _ in one.named_children()) for one in layers):
            found.append(layers)
    if not any(map(len, found)):
        raise ModelError(f"{type(model).__name__}: no audio encoder with layers of its own was found")
    return tuple(max(found, key=len))


def hinted_stack(model: nn.Module, hint: str) -> Stack:
    """The stack whose gates a user points at, such as ``"model.layers[*].mlp.act_fn"``.

    Raises
    ------
    ModelError
        When the path leads nowhere, or the gates' width can't be read off the MLP around them.
    """
    head, star, tail = hint.partition("[*].")
    try:
        layers = model.get_submodule(head)
        assert isinstance(layers, nn.ModuleList)
        for layer in layers:
            layer.get_submodule(tail)
    except (AttributeError, AssertionError):
        star, layers = "", nn.ModuleList()
    if not star or not len(layers):
        raise ModelError(
            f"gates={hint!r}: no such modules in {type(model).__name__}; give the path of the activation of every"
            ' layer, such as gates="model.layers[*].mlp.act_fn"'
        )
    mlp, _, activation = tail.rpartition(".")
    gates = tuple(_gate(layer, mlp, f"{head}.{i}", activation) for i, layer in enumerate(layers))
    decoder_path = head.rpartition(".")[0]
    return _checked(Stack("thinker", decoder_path, model.get_submodule(decoder_path), gates))


def no_stack(model: nn.Module) -> ModelError:
    """What was looked for, what was seen, and how to point at the gates by hand."""
    lists = [
        f"{path} ({len(layers)} x {type(layers[0]).__name__})"
        for path, layers in model.named_modules()
        if isinstance(layers, nn.ModuleList) and len(layers)
    ]
    return ModelError(
        f"{type(model).__name__}: no gated decoder found. Looked for a list of layers with self_attn and an MLP that"
        f" has gate_proj and up_proj, gate_up_proj or experts, and an activation module."
        f" Saw: {'; '.join(lists) or 'no list of layers'}."
        ' If one of them has gates, point at them: gates="path.to.layers[*].mlp.act_fn"'
    )


def _gated_mlps(layers: nn.ModuleList) -> Iterator[str]:
    """Paths, below a layer, of the gated MLPs that every layer has."""
    if not all(hasattr(layer, "self_attn") for layer in layers):
        return
    for name in MLPS:
        mlps = [getattr(layer, name, None) for layer in layers]
        if all(isinstance(mlp, nn.Module) and _is_gated(mlp) for mlp in mlps):
            yield name
            for shared in _SHARED_EXPERTS:
                if all(_is_gated(getattr(mlp, shared, None)) for mlp in mlps):
                    yield f"{name}.{shared}"


def _is_gated(mlp: Any) -> bool:
    if not isinstance(mlp, nn.Module):
        return False
    if isinstance(experts := getattr(mlp, "experts", None), nn.Module):
        return _activation(experts) is not None and hasattr(experts, "gate_up_proj")
    if _activation(mlp) is None:
        return False
    separate = hasattr(mlp, "gate_proj") and hasattr(mlp, "up_proj")
    halves = hasattr(mlp, "fc1") and _features(mlp, "fc1", 0) == 2 * (_features(mlp, "fc2", 1) or 0) > 0
    return separate or hasattr(mlp, "gate_up_proj") or halves


def _activation(mlp: nn.Module) -> str | None:
    for name in _ACTIVATIONS:
        if isinstance(getattr(mlp, name, None), nn.Module):
            return name
    return None


def _gate(layer: nn.Module, mlp_path: str, where: str, activation: str | None = None) -> Gate:
    """The gate of a layer's MLP; ``activation`` names its module where it is not found by its usual names."""
    mlp = layer.get_submodule(mlp_path)
    path = f"{where}.{mlp_path}".rstrip(".")
    experts = getattr(mlp, "experts", None)
    if activation is None and isinstance(experts, nn.Module):
        name = str(_activation(experts))
        number, *sizes = tuple(cast(Tensor, experts.gate_up_proj).shape)
        # The down projection is [expert, out, in], or [expert, in, out] where the weights are transposed.
        width = next(size for size in cast(Tensor, experts.down_proj).shape[1:] if 2 * size in sizes)
        module = experts.get_submodule(name)
        expression = f"{_formula(module)}(first half of gate_up_proj(x)), per expert"
        path = f"{path}.experts.{name}"
        hidden = int(next((size for size in sizes if size != 2 * width), 2 * width))
        return Gate(module, layer, path, width, expression, int(number), experts, experts, experts, hidden)
    name = activation or str(_activation(mlp))
    output = next((output for output in _OUTPUTS if _features(mlp, output, 1)), "")
    width = _features(mlp, output, 1)
    if width is None:
        raise ModelError(
            f"{path}: the number of gates can't be read, {type(mlp).__name__} has none of {', '.join(_OUTPUTS)}"
        )
    if hasattr(mlp, "gate_proj"):
        argument = "gate_proj(x)"
    elif hasattr(mlp, "gate_up_proj"):
        argument = "first half of gate_up_proj(x)"
    else:
        argument = "first half of fc1(x)" if hasattr(mlp, "fc1") else "x"
    module = mlp.get_submodule(name)
    formula, reader = f"{_formula(module)}({argument})", getattr(mlp, output)
    hidden = _features(mlp, output, 0) or 0
    return Gate(module, layer, f"{path}.{name}", width, formula, mlp=mlp, reader=reader, hidden=hidden)


def _features(mlp: nn.Module, name: str, side: int) -> int | None:
    """Outputs (side 0) or inputs (side 1) of a projection; quantised ones keep them as attributes only."""
    projection = getattr(mlp, name, None)
    size = getattr(projection, ("out_features", "in_features")[side], None)
    if size is None:
        size = getattr(projection, ("nf", "nx")[side], None)  # the transposed linear of GPT-2
    if size is None and (weight := getattr(projection, "weight", None)) is not None:
        size = weight.shape[-2 + side]
    return None if size is None else int(size)


def _formula(activation: nn.Module) -> str:
    """The activation's usual name: ``SiLUActivation`` and ``SiLU`` are ``silu``."""
    name = type(activation).__name__
    return re.sub(r"(Activation|Tanh)$", "", name).lower() or name.lower()


def _name(path: str, mlp: str, *, taken: dict[str, Stack]) -> str:
    parts = [part for part in path.split(".") if part not in _PLAIN_PARTS and not part.isdigit()]
    name = "_".join(dict.fromkeys(part.removesuffix("_layers") for part in parts)) or "thinker"
    extra = [part for part in mlp.split(".") if part != "mlp"]
    name = "_".join([name, *extra])
    if name not in taken:
        return name
    return next(f"{name}_{i}" for i in range(2, len(taken) + 3) if f"{name}_{i}" not in taken)


def _checked(stack: Stack) -> Stack:
    if len({id(gate.module) for gate in stack.gates}) != len(stack.gates):
        raise ModelError(
            f"{stack.path}: layers share one activation module, so their gates can't be told apart; give each layer"
            " its own"
        )
    return stack
