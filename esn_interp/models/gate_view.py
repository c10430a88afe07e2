"""The nnsight view of a model's gates: how they are found, read and edited.

A view is a small module that *shares* the decoder's gate modules under standard names, because nnsight's cost grows
with the number of wrapped modules that run. All readings and edits of the package pass through the trace block in
:func:`traced_run`; it is the only place where a gate is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, cast, runtime_checkable

import torch
from jaxtyping import Float, Int
from nnsight import NNsight
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from esn_interp.errors import EditError, ModelError
from esn_interp.models.edits import SCOPE_CODES, Edit, plan

_ACTIVATIONS = ("act_fn", "activation_fn")
_ENCODERS = (
    "audio_tower",
    "visual",
    "vision_tower",
    "audio_encoder",
    "speech_encoder",
    "token2wav",
    "vocoder",
)


@runtime_checkable
class Tap(Protocol):
    """Reads the gates of one layer at one step; must not change them."""

    def __call__(self, step: int, layer: int, gate: Float[Tensor, "clip token neuron"], /) -> None: ...


class _Block(nn.Module):
    """One decoder layer under standard names: the gate after its activation, and what surrounds it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        mlp = layer.get_submodule("mlp")
        self.gate = mlp.get_submodule(_activation_name(mlp))


class _OpenBlock(_Block):
    """The same layer for free exploration; every further module costs a little at each forward."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(layer)
        self.attention = layer.get_submodule("self_attn")
        self.mlp = layer.get_submodule("mlp")


class _View(nn.Module):
    def __init__(self, decoder: nn.Module, block: type[_Block]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block(layer) for layer in _layers(decoder))


class _Whole(nn.Module):
    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder


class GateView(NNsight):
    """nnsight over a view; ``device`` is left alone so that accelerate's offloading keeps working."""

    device = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


def _layers(decoder: nn.Module) -> nn.ModuleList:
    layers = getattr(decoder, "layers", None)
    assert isinstance(layers, nn.ModuleList)
    return layers


def _activation_name(mlp: nn.Module) -> str:
    for name in _ACTIVATIONS:
        if isinstance(getattr(mlp, name, None), nn.Module):
            return name
    raise ModelError(f"no gate found: {type(mlp).__name__} has none of {', '.join(_ACTIVATIONS)}")


def _is_gated_layer(layer: nn.Module) -> bool:
    mlp = getattr(layer, "mlp", None)
    if not isinstance(mlp, nn.Module) or not hasattr(layer, "self_attn"):
        return False
    gated = (hasattr(mlp, "gate_proj") and hasattr(mlp, "up_proj")) or hasattr(mlp, "gate_up_proj")
    return gated and any(isinstance(getattr(mlp, name, None), nn.Module) for name in _ACTIVATIONS)


def find_decoders(model: nn.Module) -> dict[str, nn.Module]:
    """Every decoder stack of a model by its path, found by structure since paths move between releases.

    A stack is a module with a ``layers`` list whose items have ``self_attn`` and a gated ``mlp``
    (``gate_proj`` and ``up_proj``, or a fused ``gate_up_proj``), outside audio and vision encoders and vocoders.
    """
    found: dict[str, nn.Module] = {}
    for path, module in model.named_modules():
        layers = getattr(module, "layers", None)
        if any(part in _ENCODERS for part in path.split(".")) or not isinstance(layers, nn.ModuleList):
            continue
        if len(layers) and all(_is_gated_layer(layer) for layer in layers):
            found[path] = module
    return found


def gate_widths(decoder: nn.Module) -> tuple[int, ...]:
    """The number of gates of each layer, from the projection that each gate feeds.

    Raises
    ------
    ModelError
        When two layers share one activation module: an edit of one would silently act in both.
    """
    view = _View(decoder, _Block)
    if len({id(block.get_submodule("gate")) for block in view.layers}) != len(view.layers):
        raise ModelError("decoder layers share one activation module, so their gates can't be told apart")
    return tuple(
        cast(nn.Linear, layer.get_submodule("mlp.down_proj")).in_features for layer in _layers(decoder)
    )


def view_gates(decoder: nn.Module, *, open_door: bool = False) -> GateView:
    """An nnsight view with ``layers[i].gate`` (and ``attention`` and ``mlp`` with ``open_door``)."""
    return GateView(_View(decoder, _OpenBlock if open_door else _Block))


def decoder_inputs(
    decoder: nn.Module, backbone: Callable[..., Any], batch: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments with which ``backbone`` calls its decoder, without running the decoder.

    So the audio is encoded once, however many edits are tried on it afterwards.
    """
    view: Any = GateView(_Whole(decoder))
    inputs: Any = None
    with view.trace(fn=backbone, use_cache=False, **batch):
        inputs = view.decoder.inputs.save()
        view.decoder.skip(BaseModelOutputWithPast(last_hidden_state=inputs[1]["inputs_embeds"]))
    positional, keywords = inputs
    if positional:
        raise ModelError(
            f"{type(decoder).__name__} is called with positional arguments; its inputs can't be replayed"
        )
    return dict(keywords)


def traced_run(
    view: GateView,
    fn: Callable[..., Any],
    batch: Mapping[str, Any],
    *,
    scopes: Int[Tensor, "clip token"],
    widths: Sequence[int],
    edits: Sequence[Edit] = (),
    tap: Tap | None = None,
) -> Any:
    """Call ``fn(**batch)`` with edited gates and return what it returns: the package's one trace.

    Parameters
    ----------
    scopes
        The scope of every token of step 0 (codes of :data:`~esn_interp.models.edits.SCOPE_CODES`, -1 padding).
        Every token of a later step is ``generated``.
    tap
        Called with every layer's gates at every step, after the edits. With gradients enabled they are part of
        the graph, so that something computed from the result can be differentiated by them.

    Raises
    ------
    EditError
        When an edit is out of range, or acted on no token: it would have changed nothing, unnoticed.
    """
    todo = plan(edits, widths)
    layers = list(todo) if tap is None else list(range(len(widths)))
    if not layers:
        return fn(**batch)
    if todo:
        _require_tokens(todo, scopes, one_step="max_new_tokens" not in batch)
    nodes = [(layer, view.layers[layer].gate, todo.get(layer, [])) for layer in layers]
    results: list[Any] = []

    def call(**keywords: Any) -> Any:
        results.append(fn(**keywords))
        return results[0]

    touched = dict.fromkeys(map(id, (edit for edits_here in todo.values() for edit in edits_here)), 0)

    def act(step: int, layer: int, gate: Tensor, edits_here: list[Edit]) -> Tensor:
        if torch.is_grad_enabled() and not gate.requires_grad:
            gate = gate.detach().requires_grad_()  # the weights need no gradient, so the graph begins here
        for edit in edits_here:
            where, count = _positions(edit, step, scopes, gate)
            touched[id(edit)] += count
            if count:
                gate = edit.apply(gate, where)
        if tap is not None:
            tap(step, layer, gate)
        return gate

    traceable: Any = view
    with traceable.trace(fn=call, **batch) as tracer:
        step, first = -1, True  # a trace body may not begin with `try`
        try:
            for step in tracer.iter[:]:
                first = True
                for layer, gate, edits_here in nodes:
                    output = gate.output
                    first = False
                    acted = act(step, layer, output, edits_here)
                    if acted is not output:  # without gradients, edits work in place
                        gate.output = acted
        except OutOfOrderError:  # the run is over; that can only show at the first gate of a step
            if step < 1 or not first:
                raise
    for edits_here in todo.values():
        for edit in edits_here:
            if not touched[id(edit)]:
                raise EditError(_untouched(edit))
    return results[0]


def _positions(
    edit: Edit, step: int, scopes: Int[Tensor, "clip prompt"], gate: Float[Tensor, "clip token neuron"]
) -> tuple[Tensor | None, int]:
    """Where the edit acts in this step (``None``: everywhere), and on how many tokens."""
    if step > 0:
        return (None, gate.shape[0] * gate.shape[1]) if "generated" in edit.positions else (None, 0)
    codes = [SCOPE_CODES[scope] for scope in edit.positions]
    where = torch.isin(scopes, torch.tensor(codes, device=scopes.device))
    if edit.positions == frozenset(SCOPE_CODES):
        return None, int(where.sum())  # padding is edited too, where nothing attends to it
    return where, int(where.sum())


def _require_tokens(
    todo: dict[int, list[Edit]], scopes: Int[Tensor, "clip token"], *, one_step: bool
) -> None:
    """Refuse before a long run what can be known before it: that an edit will find no token."""
    present = set(scopes.unique().tolist()) | (set() if one_step else {SCOPE_CODES["generated"]})
    for edits_here in todo.values():
        for edit in edits_here:
            if present.isdisjoint(SCOPE_CODES[scope] for scope in edit.positions):
                raise EditError(_untouched(edit))


def _untouched(edit: Edit) -> str:
    return (
        f"edit at layer {edit.layer} touched no token: there is none in scope {', '.join(sorted(edit.positions))};"
        " widen its positions"
    )
