"""A loaded model with its gates opened: the one traced run, and the edits that stand while it runs."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from esn_interp.errors import AudioError, EditError, ModelError
from esn_interp.models.assembly.parts import MadeOf
from esn_interp.models.baked import Baked
from esn_interp.models.columns import NotScalable
from esn_interp.models.conversion import ConversionPrompt
from esn_interp.models.edits import Edit, Neurons, as_edits, edits_by_layer
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER
from esn_interp.models.families.inputs import Inputs, Processor, Prompts, each
from esn_interp.models.fingerprint import compute_device
from esn_interp.models.gate_view import GateView, Start, Tap, resumed_run, traced_run, view_gates
from esn_interp.models.identified import Identified
from esn_interp.models.plans import Carried, Planner, Weights, all_finite, checked_plan
from esn_interp.models.sites import GATE, SITES, checked_site, parts_of
from esn_interp.models.stacks import Stack, encoder_layers
from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.heard import Heard

# Not typing.Self: the run-time type checker of the tests can't follow it.
AnyOpened = TypeVar("AnyOpened", bound="Opened")


class Opened(Identified):
    """A model whose gates can be read and edited; what is asked of it is :class:`~esn_interp.AudioLM`'s.

    Attributes
    ----------
    name
        The name or path it was loaded by.
    component
        The decoder stack whose gates are meant.
    widths
        Gates per layer of that stack; in a mixture of experts, over all experts.
    experts
        Experts per layer; 0 for a layer that is not a mixture.
    stacks
        Every decoder stack of the model, by name.
    heard
        The speakers whom the model says that it has heard in its training, for `Clips.split`.
    taught
        The request for a conversion that the model says that it was taught; None when it does not say.
    plan
        How edits are carried out where nothing else is said: ``auto``, ``traced`` or ``scaled``, see
        `esn_interp.models.plans`.
    carried
        How the edits of the latest run were carried out, and why so.
    place
        The folder that it was loaded from, where that is known.
    baked
        What was done to it, when it is a steered checkpoint (see `AudioLM.bake`); None for any other.
    made_of
        Where its weights came from, when it was put together from published parts; None for any other.
    """

    def __init__(
        self,
        model: nn.Module,
        processor: Processor,
        family: Family,
        *,
        name: str,
        component: str = THINKER,
        system: str | None = None,
        heard: Heard | None = None,
        taught: ConversionPrompt | None = None,
        plan: str = "auto",
        place: str | None = None,
        baked: Baked | None = None,
        made_of: MadeOf | None = None,
    ) -> None:
        self.model = model.eval()
        self.processor = processor
        self.family = family
        self.name = name
        self.system = system
        self.heard = Heard(name) if heard is None else heard
        self.taught = taught
        self.stacks: dict[str, Stack] = family.opened(model)
        if component not in self.stacks:
            raise ModelError(
                f"{name}: no component {component!r}; {family.title} as loaded has {', '.join(self.stacks) or 'none'}"
            )
        self.component = component
        self.widths: tuple[int, ...] = self.stacks[component].widths
        self.experts: tuple[int, ...] = self.stacks[component].experts
        self._view: GateView = view_gates(self.stacks[component])
        self._views: dict[Any, GateView] = {(frozenset(), False, False): self._view}
        self._standing: list[tuple[tuple[Edit, ...], str]] = []
        self.plan = checked_plan(plan)
        self.place = place
        self.baked = baked
        self.made_of = made_of
        self.carried = Carried("none")
        self._weights = Weights.of(self.stacks.values(), self)
        self._planner = Planner(model, self.stacks[component], self._view)

    @property
    def n_layers(self) -> int:
        return len(self.widths)

    @property
    def n_gates(self) -> int:
        return sum(self.widths)

    @property
    def hidden(self) -> int:
        """Width of the hidden states that run through the layers."""
        return self.stacks[self.component].hidden

    def widths_at(self, site: str) -> tuple[int, ...]:
        """How many values each layer has at a site: those of the gates, or the width of the stream."""
        return self.widths if SITES[checked_site(site)].neurons else (self.hidden,) * self.n_layers

    @property
    def device(self) -> torch.device:
        """Where inputs go."""
        first = next(self.model.parameters())  # offloaded weights are to be searched for, all others are not
        return compute_device(self.model) if first.is_meta else first.device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype

    @cached_property
    def _decoder(self) -> nn.Module:
        """The decoder whose last hidden state the head reads; searching for it takes a walk through the model."""
        return self.family.decoder(self.model)

    @contextmanager
    def steered(
        self: AnyOpened,
        neurons: Neurons | Iterable[Edit],
        *,
        alpha: float | None = None,
        plan: str = "traced",
    ) -> Generator[AnyOpened]:
        """Within the block, every run of this model is steered, those of other threads too.

        Parameters
        ----------
        neurons
            Neurons to be multiplied by ``1 + alpha`` (``alpha=-1`` silences them), or ready-made edits.
        plan
            How they are carried out; anything but ``traced`` leaves it to each run.

        Raises
        ------
        EditError
            With neurons but no ``alpha``, with edits and an ``alpha``, or with nothing to steer.
        StatisticsError
            When the neurons are another model's.
        """
        own = (self._edits_of(neurons, alpha), checked_plan(plan))
        self._standing.append(own)
        try:
            yield self
        finally:  # blocks may overlap and end in any order, in threads for example
            at = max(number for number, one in enumerate(self._standing) if one is own)
            del self._standing[at]

    @property
    def standing(self) -> tuple[Edit, ...]:
        """The edits of all `steered` blocks around this moment, in their order."""
        return tuple(edit for edits, _ in self._standing for edit in edits)

    # ---------------------------------------------------------------- running

    def _edits_of(self, neurons: Neurons | Iterable[Edit], alpha: float | None) -> tuple[Edit, ...]:
        """Neurons with a gain, or ready-made edits, as edits of this model; refused when they are another's."""
        if isinstance(neurons, Neurons):
            neurons.check(self)
        edits = as_edits(neurons, alpha)
        self._require_ours(edits)
        return edits

    def _require_ours(self, edits: Iterable[Edit]) -> None:
        """Refuse edits of neurons that were found in another model."""
        for whose in {id(edit.whose): edit.whose for edit in edits if edit.whose is not None}.values():
            whose.check(self._identity(), "the neurons of an edit")

    def _require_answers(self) -> None:
        answering = self.family.answering
        if not answering:
            raise ModelError(
                f"{self.name}: {self.family.title} does not answer questions about audio"
                f" ({self.family.info.capability})"
            )
        if self.component not in answering:
            raise ModelError(
                f"{self.name}: the {self.component} takes no part in answering, so its gates can't be read or edited"
                f" there; load with component={answering[0]!r}"
            )

    def _inputs(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: Prompts) -> Inputs:
        return self._on_device(self._on_host(waveforms, prompt))

    def _on_host(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: Prompts) -> Inputs:
        for words in {*each(prompt, len(waveforms)), self.system or ""}:
            self.processor.require_words(words)
        longest, limit = max(map(len, waveforms)) / SAMPLE_RATE, self.family.max_seconds
        if limit is not None and longest > limit:
            raise AudioError(
                f"{self.name}: a clip of {longest:.1f} s is longer than the {limit:g} s that {self.family.title} hears;"
                " cut it, or leave it out"
            )
        return self.family.inputs(self.processor, waveforms, prompt, system=self.system)

    def _on_device(self, inputs: Inputs) -> Inputs:
        device, dtype = self.device, self.dtype
        moved = {name: tensor.to(device, non_blocking=True) for name, tensor in inputs.tensors.items()}
        tensors = {
            name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in moved.items()
        }
        return Inputs(tensors, inputs.audio.to(device, non_blocking=True))

    def _captured(self, inputs: Inputs) -> dict[str, Any]:
        """The decoder's inputs: audio encoded and merged into the prompt."""
        self._require_settled()
        with self._weights.lock, torch.no_grad():
            return self.family.captured(self.model, inputs)

    def _run(
        self,
        fn: Any,
        batch: dict[str, Any],
        scopes: Tensor,
        edits: Sequence[Edit],
        tap: Tap | None = None,
        *,
        gradients: bool = False,
        present: frozenset[str] | None = None,
        plan: str | None = None,
        certain: bool = True,
        start: Start | None = None,
        site: str = GATE,
        taps: Mapping[str, Tap] | None = None,
        encoder: Callable[[int, Tensor], None] | None = None,
    ) -> Any:
        """One run with its edits.

        Parameters
        ----------
        present
            The scopes whose edits act in it, where a task takes several runs.
        plan
            How its edits are carried out; the model's own plan by default.
        certain
            Whether the gates are sure to be computed, so that nobody needs to see it.
        start
            Where the run takes up another, before its first edit.
        site
            Where in the layers the tap reads.
        taps, encoder
            Taps of several sites, and what sees the layers of the audio encoder: see `traced_run`.
        """
        self._require_settled()
        taps = {site: tap} if tap is not None else taps or {}
        acting = [*self.standing, *edits]
        self._require_ours(acting)
        if present is not None:
            acting = [edit for edit in acting if edit.positions & present]
        wanted = checked_plan(self.plan if plan is None else plan)
        if wanted == "auto" and any(standing == "traced" for _, standing in self._standing):
            wanted = "traced"
        with self._weights.lock, torch.set_grad_enabled(gradients):
            self._weights.settle()
            by_layer = edits_by_layer(acting, self.widths, hidden=self.hidden)
            why = "asked for"
            if by_layer and wanted != "traced":
                try:
                    if taps or gradients:
                        raise NotScalable("the edited gates are read")
                    if not certain and wanted == "auto":
                        raise NotScalable("the run may end before it comes to these gates")
                    return self._scaled_run(fn, batch, scopes, by_layer, start)
                except NotScalable as reason:
                    if wanted == "scaled":
                        raise EditError(f"plan 'scaled' can't carry out these edits: {reason}") from reason
                    why = str(reason)
            self.carried = Carried("traced", why) if by_layer else Carried("none")
            sites = {edit.site for edits in by_layer.values() for edit in edits} | set(taps)
            view = self._view_of(sites, skippable=start is not None, encoder=encoder is not None)
            options: Any = {"widths": self.widths, "hidden": self.hidden, "edits": acting, "taps": taps}
            return traced_run(view, fn, batch, scopes=scopes, start=start, encoder=encoder, **options)

    def _view_of(self, sites: Iterable[str], *, skippable: bool = False, encoder: bool = False) -> GateView:
        """A view that holds what is read or edited; kept, since another run will want the same."""
        key = parts_of(sites), skippable, encoder
        if key not in self._views:
            options: Any = {"sites": sites, "skippable": skippable}
            if encoder:
                options["encoder"] = encoder_layers(self.model)
            self._views[key] = view_gates(self.stacks[self.component], **options)
        return self._views[key]

    @property
    def _skippable_view(self) -> GateView:
        return self._view_of((), skippable=True)

    def _scaled_run(
        self,
        fn: Any,
        batch: dict[str, Any],
        scopes: Tensor,
        by_layer: dict[int, list[Edit]],
        start: Start | None,
    ) -> Any:
        """One run with edits in the weights.

        Raises
        ------
        NotScalable
            When that is not what a trace would do.
        """
        if not self._weights.belong_to(self):
            raise NotScalable("the model was opened before, by somebody who may be looking")
        scaling = self._planner.scaling(by_layer)
        with self._rewritten(), self._weights.scaled(scaling):
            result = fn(**batch) if start is None else resumed_run(self._skippable_view, fn, batch, start)
        silenced = any(np.any(np.asarray(edit.gain) == 0) for edits in by_layer.values() for edit in edits)
        if silenced and not all_finite(result, scopes):
            self._planner.unfit = "gates are not finite numbers, and a silenced one must stay silent"
            raise NotScalable(self._planner.unfit)
        self.carried = Carried("scaled")
        return result
