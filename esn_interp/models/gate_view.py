"""The nnsight view of a model's gates: how they are found, read and edited.

A view is a small module that *shares* the decoder's gate modules under standard names, because nnsight's cost grows
with the number of wrapped modules that run. All readings and edits of the package pass through the trace block in
:func:`traced_run`; it is the only place where a gate is touched.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from nnsight import NNsight
from nnsight.intervention.envoy import Envoy
from nnsight.intervention.interleaver import OutOfOrderError
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

from esn_interp.errors import EditError, ModelError
from esn_interp.models.acting import ActingEdits, Untouched
from esn_interp.models.edits import Edit, edits_by_layer
from esn_interp.models.routing import routed
from esn_interp.models.sites import KEPT, SITES, in_order, parts_of
from esn_interp.models.stacks import Gate, Stack


@runtime_checkable
class Tap(Protocol):
    """Reads the gates of one layer at one step, or its values at another site; must not change them.

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
    """One decoder layer under standard names: the gate after its activation, and who routes tokens to it.

    Other ``parts`` are there where a run needs them; every further module costs a little at each forward.
    """

    def __init__(self, gate: Gate, parts: Collection[str]) -> None:
        super().__init__()
        self.gate = gate.module
        if gate.router is not None:
            self.experts = gate.router
        for name in parts:
            setattr(self, name, gate.part(name))


class _OpenBlock(_Block):
    """The same layer for free exploration."""

    def __init__(self, gate: Gate, parts: Collection[str]) -> None:
        super().__init__(gate, parts)
        for name, ours in (("self_attn", "attention"), ("mlp", "mlp")):
            if isinstance(module := getattr(gate.layer, name, None), nn.Module):
                setattr(self, ours, module)


class _View(nn.Module):
    def __init__(
        self, stack: Stack, block: type[_Block], parts: Collection[str] = (), encoder: Sequence[nn.Module] = ()
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(block(gate, parts) for gate in stack.gates)
        if encoder:
            self.encoder = nn.ModuleList(encoder)


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


class _Alone(Envoy):
    """A module without what it holds: controllers that nnsight leaves in modules cost a little at each forward."""

    def _add_envoy(self, name: str, module: nn.Module) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        pass


class GateView(NNsight):
    """nnsight over a view; ``device`` is left alone so that accelerate's offloading keeps working."""

    device = None  # pyright: ignore[reportIncompatibleMethodOverride, reportAssignmentType]


@dataclass(frozen=True, eq=False)
class Start:
    """Where a run takes up another: the layers before ``layer`` are left out, since their ``output`` is known."""

    layer: int
    output: Any

    def repeated(self, times: int) -> "Start":
        """For a batch that holds the same clips several times, one after the other."""
        output = self.output
        if isinstance(output, tuple):
            return Start(self.layer, tuple(part.repeat(times, 1, 1) for part in output))
        return Start(self.layer, output.repeat(times, 1, 1))


def view_gates(
    stack: Stack,
    *,
    open_door: bool = False,
    skippable: bool = False,
    sites: Iterable[str] = (),
    encoder: Sequence[nn.Module] = (),
) -> GateView:
    """An nnsight view with ``layers[i].gate`` (and ``attention`` and ``mlp`` with ``open_door``).

    ``skippable`` is for runs that have a `Start`, ``sites`` are those beside the gate that are read or edited,
    ``encoder`` are layers of an audio encoder that are read before.

    Raises
    ------
    EditError
        When a layer has no such site.
    """
    if open_door:
        return GateView(_View(stack, _OpenBlock))
    parts = sorted(parts_of(sites) | ({"whole"} if skippable else set()))
    alone = {f"layers.*.{name}": _Alone for name in parts} | ({"encoder.*": _Alone} if encoder else {})
    return GateView(_View(stack, _Block, parts, encoder), envoys=alone)


def layer_outputs(
    stack: Stack, fn: Callable[..., Any], batch: Mapping[str, Any], layers: Collection[int]
) -> tuple[Any, dict[int, Start]]:
    """What ``fn(**batch)`` returns, and where runs of the same batch can take it up: at each of these layers.

    Where the layers' outputs are not hidden states by clip and token alone, nothing can be taken up.
    """
    modules = [stack.gates[layer - 1].layer for layer in sorted(layers)]
    view: Any = GateView(_Layers(modules), envoys={"layers.*": _Alone})
    outputs: list[Any] = []
    result: Any = None
    with view.trace(fn=fn, **batch) as tracer:
        for layer in view.layers:
            outputs.append(layer.output)  # noqa: PERF401 (a trace may leave no more names than it needs)
        result = tracer.result.save()
    states = [output if isinstance(output, tuple) else (output,) for output in outputs]
    shape = result.last_hidden_state.shape
    if any(not isinstance(part, Tensor) or part.shape != shape for parts in states for part in parts):
        return result, {}
    return result, {at: Start(at, output) for at, output in zip(sorted(layers), outputs, strict=True)}


def resumed_run(view: GateView, fn: Callable[..., Any], batch: Mapping[str, Any], start: Start) -> Any:
    """Call ``fn(**batch)`` without the layers before ``start``; the view is a ``skippable`` one."""
    traceable: Any = view
    results: list[Any] = []
    with traceable.trace(fn=fn, **batch) as tracer:
        for block in view.layers[: start.layer]:
            block.whole.skip(start.output)
        results.append(tracer.result)
    return results[0]


def decoder_inputs(
    decoder: nn.Module, backbone: Callable[..., Any], batch: Mapping[str, Any]
) -> dict[str, Any]:
    """The keyword arguments with which ``backbone`` calls its decoder, without running the decoder.

    So the audio is encoded once, however many edits are tried on it afterwards.
    """
    view: Any = GateView(_Whole(decoder), envoys={"decoder": _Alone})
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
    view: Any = GateView(_Layers(layers), envoys={"layers.*": _Alone})
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
    taps: Mapping[str, Tap] | None = None,
    start: Start | None = None,
    hidden: int = 0,
    encoder: Callable[[int, Tensor], None] | None = None,
) -> Any:
    """Call ``fn(**batch)`` with edited gates and return what it returns: the package's one trace.

    Parameters
    ----------
    scopes
        The scope of every token of step 0 (codes of :data:`~esn_interp.models.edits.SCOPE_CODES`, -1 padding).
        Every token of a later step is ``generated``.
    taps
        By site: called with every layer's values there at every step, after the edits. With gradients enabled they are
        part of the graph, so that something computed from the result can be differentiated by them. Their sites and
        those of edits must be in the view.
    hidden
        Width of the stream, for edits at its sites.
    encoder
        Called with the number and the output of every layer of the audio encoder, which then is in the view.
    start
        Where the run takes up another; none of the edits and no tap is before it, and the view is a ``skippable`` one.

    Raises
    ------
    EditError
        When an edit is out of range, or acted on no token: it would have changed nothing, unnoticed. When no gate was
        computed at all.
    """
    todo = edits_by_layer(edits, widths, hidden=hidden)
    taps = taps or {}
    layers = list(range(len(widths))) if taps else list(todo)
    if not layers:
        return fn(**batch)
    acting = ActingEdits(todo, scopes.cpu())
    acting.require_tokens(one_step="max_new_tokens" not in batch)
    sites = {layer: in_order([*taps, *(edit.site for edit in todo.get(layer, ()))]) for layer in layers}
    nodes = [(view.layers[layer], layer, [KEPT[name] for name in sites[layer]]) for layer in layers]
    results: list[Any] = []

    def call(**keywords: Any) -> Any:
        results.append(fn(**keywords))
        return results[0]

    read: set[int] = set()

    def act(step: int, layer: int, at: str, gate: Tensor, experts: Tensor | None) -> Tensor:
        read.add(layer)
        if torch.is_grad_enabled() and not gate.requires_grad:
            gate = gate.detach().requires_grad_()  # the weights need no gradient, so the graph begins here
        if experts is not None:
            gate, experts = routed(gate, experts, clips=len(scopes))
        elif gate.ndim == 2:  # an expert that sees every token is given them in a single row
            gate = gate.view(len(scopes), len(gate) // len(scopes), gate.shape[-1])
        elif gate.ndim != 3 and at in SITES:
            raise EditError(f"site {at}: at layer {layer} values of shape {list(gate.shape)}, not by clip and token")
        if at in SITES:
            gate = acting.act(step, layer, gate, experts, at)
        if at in taps:
            taps[at](step, layer, gate, *([] if experts is None else [experts]))
        return gate

    traceable: Any = view
    skipped = [] if start is None else list(view.layers[: start.layer])
    heard: Any = view.encoder if encoder else ()
    with traceable.trace(fn=call, **batch) as tracer:
        for block in skipped:
            block.whole.skip(start.output)  # pyright: ignore[reportOptionalMemberAccess]
        for number, layer in enumerate(heard):
            encoded = layer.output
            encoder(number, encoded[0] if isinstance(encoded, tuple) else encoded)  # pyright: ignore[reportOptionalCall]
        step, first = -1, True  # a trace body may not begin with `try`
        try:
            for step in tracer.iter[:]:
                first = True
                for block, layer, here in nodes:
                    experts = None
                    for place in here:
                        if place.neurons and experts is None and hasattr(block, "experts"):
                            # the experts' second input says which expert each of the gate's rows belongs to
                            experts = block.experts.inputs[0][1]
                        value = place.read(block)
                        first = False
                        if place.shared and not torch.is_grad_enabled():
                            value = value.clone()
                        acted = act(step, layer, place.name, value, experts if place.neurons else None)
                        # without gradients, edits work in place
                        if place.name in SITES and (torch.is_grad_enabled() or place.shared):
                            place.write(block, acted.view(value.shape))
        except OutOfOrderError:  # the run is over; that can only show at the first gate of a step
            if not first or (step < 1 and not results):
                raise
    if not read:
        raise Untouched("none of these gates was computed: the run ended before it came to their layers")
    acting.require_touched()
    return results[0]
