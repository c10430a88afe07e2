"""An edit: an affine clamp on a few columns of a site, as plain data that the traced run reads.

Edits are data and not functions so that they can be compared, saved, counted and applied alike in scoring, in
generation and in a reference written with plain PyTorch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from esn_interp.drawing.brief import brief
from esn_interp.errors import EditError
from esn_interp.models.sites import GATE, SITES, checked_site

SCOPES = ("audio", "text", "last", "generated")
"""Where a token can stand: disjoint, and together every position that a run computes."""

SCOPE_CODES = {scope: code for code, scope in enumerate(SCOPES)}
EVERYWHERE = frozenset(SCOPES)
STRONGEST = 1e6
"""What no gain, shift or floor may exceed: behind it, numbers of models turn infinite or all alike."""
_BATCHED = {"gain": 2, "shift": 3}  # axes of what may differ within a batch


@runtime_checkable
class Whose(Protocol):
    """Says in which model neurons were found: an :class:`~esn_interp.neurons.origin.Origin`, most often."""

    def check(self, lm: Any, what: str) -> None:
        """Refuse a model in which they were not; ``what`` names the refused object."""
        ...


@dataclass(frozen=True, eq=False)
class Edit:
    """Replace the values ``g`` of chosen neurons of one layer by ``max(floor, gain * g + shift)``.

    Parameters
    ----------
    layer
        Decoder layer, counted from 0.
    neurons
        The neurons of that layer, each at most once.
    gain, shift, floor
        One number for all neurons, or one per neuron; the gain also one per clip of the batch and neuron, and
        the shift one per clip, token of the prompt and neuron (the gates of another run, for a patch). A gain
        of 0 writes ``shift`` (a gate that is infinite or not a number does not survive it); a negative gain
        is refused. ``floor=None`` means no floor.
    positions
        The token scopes where the edit acts: any of ``audio``, ``text``, ``last``, ``generated``.
    whose
        Where the neurons were found, so that no other model is edited by mistake; None for neurons by hand. It is no
        part of what the edit does.
    site
        Where in the layer it acts, a name of `esn_interp.models.sites.SITES`: the gate after its activation unless
        said otherwise. At the sites of the stream, ``neurons`` are coordinates of the hidden states.
    along
        A direction over these neurons, which is made one of length 1. Then not the neurons one by one but the
        component along it is edited: ``gain=0`` projects it out, ``shift`` adds so much of it. Gain, shift and floor
        are single numbers.

    Raises
    ------
    EditError
        On a negative layer, neuron or gain, a repeated neuron, a non-finite value, an unknown scope or site, or a
        direction of length 0 or of another size.
    """

    layer: int
    neurons: Int[np.ndarray, " neuron"]
    gain: float | Float[np.ndarray, " neuron"] | Float[np.ndarray, "clip neuron"] = 1.0
    shift: float | Float[np.ndarray, " neuron"] | Float[np.ndarray, "clip token neuron"] = 0.0
    floor: float | Float[np.ndarray, " neuron"] | None = None
    positions: frozenset[str] = field(default=EVERYWHERE)
    whose: Whose | None = field(default=None, repr=False, compare=False)
    site: str = GATE
    along: Float[np.ndarray, " neuron"] | None = field(default=None, repr=False)

    __repr__ = brief

    def __post_init__(self) -> None:
        neurons = np.asarray(self.neurons, dtype=np.int64)
        object.__setattr__(self, "neurons", neurons)
        object.__setattr__(self, "positions", frozenset(self.positions))
        where = f"edit at layer {self.layer}"
        if self.layer < 0 or neurons.ndim != 1 or (neurons < 0).any():
            raise EditError(f"{where}: layer and neurons are counted from 0, in one dimension")
        if len(np.unique(neurons)) != len(neurons):
            raise EditError(f"{where}: a neuron is listed twice; list each once and combine the values")
        for name in ("gain", "shift", "floor"):
            value = getattr(self, name)
            if value is None:
                continue
            value = np.asarray(value, dtype=np.float32)
            batched = value.ndim == _BATCHED.get(name)
            if value.ndim and (value.shape[-1:] if batched else value.shape) != neurons.shape:
                raise EditError(f"{where}: {name} has {value.size} values for {neurons.size} neurons")
            if not np.isfinite(value).all():
                raise EditError(f"{where}: {name} must be finite")
            if (np.abs(value) > STRONGEST).any():
                raise EditError(
                    f"{where}: {name} {float(np.abs(value).max()):.3g} is more than any gate can bear ({STRONGEST:g});"
                    " every answer would be the same, or none"
                )
        if (np.asarray(self.gain) < 0).any():
            raise EditError(
                f"{where}: a gain below 0 would turn the neuron around; damp with a gain in [0, 1)"
            )
        if unknown := self.positions - EVERYWHERE:
            raise EditError(
                f"{where}: unknown token scope {sorted(unknown)[0]!r}; choose from {', '.join(SCOPES)}"
            )
        checked_site(self.site)
        if self.along is not None:
            object.__setattr__(self, "along", self._direction(self.along))

    def _direction(self, along: Float[np.ndarray, " _neuron"]) -> Float[np.ndarray, " _neuron"]:
        """A direction of length 1."""
        along, where = np.asarray(along, dtype=np.float64), f"edit at layer {self.layer}"
        length = float(np.linalg.norm(along))
        if along.shape != self.neurons.shape or not np.isfinite(length) or not length:
            raise EditError(f"{where}: a direction has {self.neurons.size} finite numbers, one a neuron, and not all 0")
        if any(np.ndim(value) for value in (self.gain, self.shift, self.floor) if value is not None):
            raise EditError(f"{where}: along a direction, gain, shift and floor are single numbers")
        return (along / length).astype(np.float32)

    @property
    def identity(self) -> bool:
        """Whether the edit can't change anything: no neuron, no position, or gain 1 without shift and floor."""
        unchanged = bool(np.all(self.gain == 1) and np.all(self.shift == 0) and self.floor is None)
        return unchanged or not len(self.neurons) or not self.positions

    def apply(
        self, gate: Float[Tensor, "*position neuron"], where: Bool[Tensor, "*position"] | None
    ) -> Float[Tensor, "*position neuron"]:
        """The edited gates. ``where=None`` acts at every position (and then works in place)."""
        return OnDevice(self, gate.device, gate.dtype).apply(gate, where)


class OnDevice:
    """An edit with its numbers on one device, in one precision: prepared once, applied at every step of a run."""

    def __init__(self, edit: Edit, device: torch.device, dtype: torch.dtype) -> None:
        def numbers(value: Any) -> Tensor:
            values = np.asarray(value, dtype=np.float32)
            values = np.broadcast_to(values, (*values.shape[:-1], len(edit.neurons)))
            return torch.from_numpy(values.copy()).to(device, dtype)

        self._layer = edit.layer
        self._along = None if edit.along is None else torch.from_numpy(edit.along).to(device)
        self._index = torch.from_numpy(edit.neurons).to(device)
        self._gain = numbers(edit.gain)
        self._shift = numbers(edit.shift) if np.any(edit.shift) else None
        self._floor = None if edit.floor is None else numbers(edit.floor)
        self._silent = bool(np.any(np.asarray(edit.gain) == 0))
        self._silences = bool(np.all(np.asarray(edit.gain) == 0)) and self._shift is None and self._floor is None

    def apply(
        self, gate: Float[Tensor, "*position neuron"], where: Bool[Tensor, "*position"] | None
    ) -> Float[Tensor, "*position neuron"]:
        """The edited gates, see `Edit.apply`."""
        in_place = not torch.is_grad_enabled()
        if self._silences and where is None and in_place and self._along is None:
            return gate.index_fill_(gate.ndim - 1, self._index, 0)
        old = gate.index_select(gate.ndim - 1, self._index)
        new = self._values(gate, old, where) if self._along is None else self._turned(old, self._along)
        if where is not None:
            new = torch.where(where.to(gate.device)[..., None], new, old)
        if in_place:
            return gate.index_copy_(gate.ndim - 1, self._index, new)
        return gate.index_copy(gate.ndim - 1, self._index, new)

    def _values(self, gate: Tensor, old: Tensor, where: Tensor | None) -> Tensor:
        """What is written in the place of ``old``, neuron by neuron."""
        gain = self._gains(gate)
        new = gain * old
        shift = None if self._shift is None else self._shifts(gate, self._shift, where)
        if shift is not None:
            new = new + shift
        if self._silent:  # whatever was there: infinity times 0 is not 0
            written = new.new_zeros(()) if shift is None else shift
            new = torch.where(gain == 0, written, new)
        if self._floor is not None:
            new = torch.maximum(new, self._floor)
        return new

    def _turned(self, old: Tensor, along: Tensor) -> Tensor:
        """What is written where the component along a direction is edited; the rest stays as it is."""
        component = (old.float() @ along)[..., None]
        shift = 0.0 if self._shift is None else self._shift[0]
        new = self._gain[0] * component + shift
        if self._floor is not None:
            new = torch.maximum(new, self._floor[0])
        return (old + (new - component) * along).to(old.dtype)

    def _gains(self, gate: Tensor) -> Tensor:
        if self._gain.ndim == 1:
            return self._gain
        if len(self._gain) != len(gate):
            raise EditError(
                f"edit at layer {self._layer}: gains of {len(self._gain)} clips for a batch of {len(gate)}"
            )
        return self._gain.view(len(gate), *[1] * (gate.ndim - 2), -1)

    def _shifts(self, gate: Tensor, shift: Tensor, where: Tensor | None) -> Tensor:
        """Shifts by clip and token of the prompt go over the tokens of a run; what they lack must not be edited.

        Raises
        ------
        EditError
            When the batch is another one, or the edit acts behind the prompt.
        """
        if shift.ndim != 3:
            return shift
        (clips, tokens), (given, prompt) = gate.shape[:2], shift.shape[:2]
        beyond = tokens > prompt and (where is None or bool(where[:, prompt:].any()))
        if given != clips or prompt > tokens or beyond:
            raise EditError(
                f"edit at layer {self._layer}: shifts of {given} clips and {prompt} tokens for a run of {clips}"
                f" and {tokens}; they hold for the prompt that they were made for, so leave out positions 'generated'"
            )
        over = torch.nn.functional.pad(shift, (0, 0, 0, tokens - prompt))
        # In a mixture of experts a token has one row of gates per expert that it was routed to.
        return over if gate.ndim == 3 else over[:, :, None]


def edits_by_layer(
    edits: Iterable[Edit], widths: Sequence[int], *, hidden: int = 0
) -> dict[int, list[Edit]]:
    """The edits that act, by layer in order; checked against the model's layers and widths.

    ``widths`` are the gates of each layer, ``hidden`` is the width of the stream.

    Raises
    ------
    EditError
        When an edit names a layer or a neuron that the model does not have.
    """
    by_layer: dict[int, list[Edit]] = {}
    for edit in edits:
        if edit.layer >= len(widths):
            raise EditError(
                f"edit at layer {edit.layer}: the model has {len(widths)} decoder layers, 0 to {len(widths) - 1}"
            )
        width = widths[edit.layer] if SITES[edit.site].neurons else hidden
        if len(edit.neurons) and int(edit.neurons.max()) >= width:
            raise EditError(
                f"edit at layer {edit.layer}: neuron {int(edit.neurons.max())} is out of range,"
                f" the layer has {width}{'' if edit.site == GATE else f' at {edit.site}'}"
            )
        if not edit.identity:
            by_layer.setdefault(edit.layer, []).append(edit)
    return dict(sorted(by_layer.items()))


@runtime_checkable
class Neurons(Protocol):
    """Anything that names neurons and knows whose: a :class:`~esn_interp.neurons.neuron_set.NeuronSet`, most often."""

    @property
    def layer(self) -> Int[np.ndarray, " neuron"]: ...
    @property
    def in_layer(self) -> Int[np.ndarray, " neuron"]: ...
    def check(self, lm: Any) -> None:
        """Refuse a model in which these neurons were not found."""
        ...


def as_edits(neurons: Neurons | Iterable[Edit], alpha: float | None) -> tuple[Edit, ...]:
    """Neurons with a gain of ``1 + alpha``, at the site where they were found, or ready-made edits, as edits."""
    if not isinstance(neurons, Neurons):
        if alpha is not None:
            raise EditError("steered: alpha goes with neurons; ready-made edits carry their own gain")
        edits = tuple(neurons)
    else:
        if alpha is None:
            raise EditError(
                "steered: say how much, for example alpha=2 (the gates are multiplied by 1 + alpha)"
            )
        site = str(getattr(neurons, "site", GATE))
        edits = tuple(
            Edit(int(layer), np.unique(neurons.in_layer[neurons.layer == layer]), gain=1 + alpha, site=site)
            for layer in np.unique(neurons.layer)
        )
    if not edits:
        raise EditError("steered: there is nothing to steer, the set of neurons is empty")
    return edits
