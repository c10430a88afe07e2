"""The edits of one traced run: their numbers are put on the device once, and nobody waits for it to count tokens."""

from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor

from esn_interp.errors import EditError
from esn_interp.models.edits import SCOPE_CODES, Edit, OnDevice
from esn_interp.models.routing import RoutedEdit
from esn_interp.models.sites import GATE


class Untouched(EditError):
    """An edit that acted on no token, or gates that no part of the run computed."""


class ActingEdits:
    """Edits by layer, and on how many tokens each has acted.

    Parameters
    ----------
    scopes
        The scope of every token of step 0, on the host; every token of a later step is ``generated``.
    """

    def __init__(self, by_layer: dict[int, list[Edit]], scopes: Int[Tensor, "clip token"]) -> None:
        self.by_layer = by_layer
        self._scopes = scopes
        self._places: dict[tuple[frozenset[str], int, torch.device], tuple[Tensor | None, int]] = {}
        self._touched: dict[int, int | Tensor] = {}

    def require_tokens(self, *, one_step: bool) -> None:
        """Refuse before a long run what can be known before it: that an edit will find no token."""
        present = set(self._scopes.unique().tolist()) | (set() if one_step else {SCOPE_CODES["generated"]})
        for edit in self._edits():
            if present.isdisjoint(SCOPE_CODES[scope] for scope in edit.positions):
                raise EditError(_untouched(edit))

    def require_touched(self) -> None:
        """Refuse a result that an edit had no part in: it would have changed nothing, unnoticed."""
        for edit in self._edits():
            if not int(self._touched.get(id(edit), 0)):
                raise Untouched(_untouched(edit))

    def act(
        self,
        step: int,
        layer: int,
        gate: Float[Tensor, "clip token *choice neuron"],
        experts: Int[Tensor, "clip token choice"] | None,
        site: str = GATE,
    ) -> Float[Tensor, "clip token *choice neuron"]:
        """The layer's values at a site after its edits there; without gradients they are edited in place."""
        for edit in self.by_layer.get(layer, ()):
            if edit.site != site:
                continue
            where, count = self._positions(edit, step, gate)
            if not count:
                continue
            ready = _on_device(edit, gate, experts)
            if isinstance(ready, RoutedEdit):
                assert experts is not None
                gate, routed = ready.apply(gate, experts, where)
                self._touched[id(edit)] = self._touched.get(id(edit), 0) + routed
            else:
                gate = ready.apply(gate, where)
                self._touched[id(edit)] = self._touched.get(id(edit), 0) + count
        return gate

    def _edits(self) -> list[Edit]:
        return [edit for edits in self.by_layer.values() for edit in edits]

    def _positions(self, edit: Edit, step: int, gate: Tensor) -> tuple[Tensor | None, int]:
        """Where the edit acts in this step (``None``: everywhere), and on how many tokens."""
        if step > 0:
            return (None, gate.shape[0] * gate.shape[1]) if "generated" in edit.positions else (None, 0)
        key = edit.positions, gate.shape[1], gate.device
        if key not in self._places:
            # A layer may compute no more of the prompt than its end; a single scope is that of every token.
            scopes = self._scopes[:, -gate.shape[1] :].expand(-1, gate.shape[1])
            where = torch.isin(scopes, torch.tensor([SCOPE_CODES[scope] for scope in edit.positions]))
            count = int(where.sum())
            # Padding is edited too, where nothing attends to it.
            everywhere = edit.positions == frozenset(SCOPE_CODES)
            self._places[key] = (None if everywhere else where.to(gate.device), count)
        return self._places[key]


_ready: "WeakKeyDictionary[Edit, dict[tuple[Any, ...], OnDevice | RoutedEdit]]" = WeakKeyDictionary()


def _on_device(edit: Edit, gate: Tensor, experts: Tensor | None) -> OnDevice | RoutedEdit:
    """An edit ready to be applied; kept for the next batch, which is edited alike."""
    kept = _ready.setdefault(edit, {})
    key = gate.device, gate.dtype, None if experts is None else gate.shape[-1]
    if key not in kept:
        kept[key] = (
            OnDevice(edit, gate.device, gate.dtype)
            if experts is None
            else RoutedEdit(edit, gate.shape[-1], gate.device, gate.dtype)
        )
    return kept[key]


def _untouched(edit: Edit) -> str:
    return (
        f"edit at layer {edit.layer} touched no token: there is none in scope {', '.join(sorted(edit.positions))};"
        " widen its positions"
    )
