"""The nnsight view of a model's gates: how they are found, read and edited.

A view is a small module that *shares* the decoder's gate modules under standard names, because nnsight's cost grows
with the number of wrapped modules that run. All readings and edits of the package pass through the trace block in
:func:`traced_run`; it is the only place where a gate is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from nnsight import NNsight
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from esn_interp.errors import EditError, ModelError
from esn_interp.models.edits import SCOPE_CODES, Edit, plan
from esn_interp.models.routing import edit_routed, routed
from esn_interp.models.stacks import Gate, Stack


@runtime_checkable
class Tap(Protocol):
    """Reads the gates of one layer at one step; must not change them.

    In a mixture of experts the gates are ``[clip, token, choice, neuron]``, those of the experts that each token was
    routed to, whose numbers ``experts`` holds.
    """

    def __call__(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None = None,
        /,
    ) -> None: ...


class _Block(nn.Module):
    """One decoder layer under standard names: the gate after its activation, and who routes tokens to it."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self.gate = gate.module
        if gate.router is not None:
            self.experts = gate.router


class _OpenBlock(_Block):
    """The same layer for free exploration; every further module costs a little at each forward."""

    def __init__(self, gate: Gate) -> None:
        super().__init__(gate)
        for name, ours in (("self_attn", "attention"), ("mlp", "mlp")):
            if isinstance(module := getattr(gate.layer, name, None), nn.Module):
                setattr(self, ours, module)


class _View(nn.Module):
    def __init__(self, stack: Stack, block: type[_Block]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block(gate) for gate in stack.gates)


class _Whole(nn.Module):
    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder


class _Layers(nn.Module):
    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)


class _Skipped(BaseModelOutputWithPast):
    """The output of a decoder that did not run: whatever else a model asks of it is None."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class Untouched(EditError):
    """An edit that acted on no token, or gates that no part of the run computed."""


class GateView(NNsight):
    """nnsight over a view; ``device`` is left alone so that accelerate's offloading keeps working."""

    device = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


def view_gates(stack: Stack, *, open_door: bool = False) -> GateView:
    """An nnsight view with ``layers[i].gate`` (and ``attention`` and ``mlp`` with ``open_door``)."""
    return GateView(_View(stack, _OpenBlock if open_door else _Block))


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
        view.decoder.skip(_Skipped(last_hidden_state=inputs[1]["inputs_embeds"]))
    positional, keywords = inputs
    if positional:
        raise ModelError(
            f"{type(decoder).__name__} is called with positional arguments; its inputs can't be replayed"
        )
    return dict(keywords)


def first_hidden(
    layers: Sequence[nn.Module], fn: Callable[..., Any], batch: Mapping[str, Any]
) -> Float[Tensor, "clip token hidden"]:
    """The hidden state that enters the first of the layers in ``fn(**batch)``, without running any of them.

    For models that merge audio into the prompt and run the decoder in one and the same module. The layers are given in
    the order in which they run; each answers with a tuple that begins with the hidden state.
    """
    view: Any = GateView(_Layers(layers))
    hidden: Any = None
    with view.trace(fn=fn, **batch):
        hidden = view.layers[0].inputs[0][0].save()
        for layer in view.layers:
            layer.skip((hidden,))
    return hidden


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
        When an edit is out of range, or acted on no token: it would have changed nothing, unnoticed. When no gate was
        computed at all.
    """
    todo = plan(edits, widths)
    layers = list(todo) if tap is None else list(range(len(widths)))
    if not layers:
        return fn(**batch)
    if todo:
        _require_tokens(todo, scopes, one_step="max_new_tokens" not in batch)
    nodes = [(view.layers[layer], layer, todo.get(layer, [])) for layer in layers]
    results: list[Any] = []

    def call(**keywords: Any) -> Any:
        results.append(fn(**keywords))
        return results[0]

    read: set[int] = set()
    touched = dict.fromkeys(map(id, (edit for edits_here in todo.values() for edit in edits_here)), 0)

    def act(
        step: int, layer: int, gate: Tensor, edits_here: list[Edit], experts: Tensor | None
    ) -> Tensor:
        read.add(layer)
        if torch.is_grad_enabled() and not gate.requires_grad:
            gate = gate.detach().requires_grad_()  # the weights need no gradient, so the graph begins here
        if experts is not None:
            gate, experts = routed(gate, experts, clips=len(scopes))
        elif gate.ndim == 2:  # an expert that sees every token is given them in a single row
            gate = gate.view(len(scopes), len(gate) // len(scopes), gate.shape[-1])
        for edit in edits_here:
            where, count = _positions(edit, step, scopes, gate)
            if count and experts is not None:
                gate, count = edit_routed(edit, gate, experts, where)
            elif count:
                gate = edit.apply(gate, where)
            touched[id(edit)] += count
        if tap is not None:
            tap(step, layer, gate, *([] if experts is None else [experts]))
        return gate

    traceable: Any = view
    with traceable.trace(fn=call, **batch) as tracer:
        step, first = -1, True  # a trace body may not begin with `try`
        try:
            for step in tracer.iter[:]:
                first = True
                for block, layer, edits_here in nodes:
                    # the experts' second input says which expert each of the gate's rows belongs to
                    experts = block.experts.inputs[0][1] if hasattr(block, "experts") else None
                    output = block.gate.output
                    first = False
                    acted = act(step, layer, output, edits_here, experts)
                    if torch.is_grad_enabled():  # without gradients, edits work in place
                        block.gate.output = acted.view(output.shape)
        except OutOfOrderError:  # the run is over; that can only show at the first gate of a step
            if not first or (step < 1 and not results):
                raise
    if not read:
        raise Untouched("none of these gates was computed: the run ended before it came to their layers")
    for edits_here in todo.values():
        for edit in edits_here:
            if not touched[id(edit)]:
                raise Untouched(_untouched(edit))
    return results[0]


def _positions(
    edit: Edit, step: int, scopes: Int[Tensor, "clip prompt"], gate: Float[Tensor, "clip token *choice neuron"]
) -> tuple[Tensor | None, int]:
    """Where the edit acts in this step (``None``: everywhere), and on how many tokens."""
    if step > 0:
        return (None, gate.shape[0] * gate.shape[1]) if "generated" in edit.positions else (None, 0)
    codes = [SCOPE_CODES[scope] for scope in edit.positions]
    # A layer may compute no more of the prompt than its end; a single scope is that of every token.
    scopes = scopes[:, -gate.shape[1] :].expand(-1, gate.shape[1])
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
