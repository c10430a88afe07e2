"""How the edits of a run are carried out: in a trace of the gates, or in the weights that read them.

The traced edit is the reference and can do everything. Edits that only scale gates, at every position, can be carried
out as scaled columns of the down projections (`esn_interp.models.columns`), while a run lasts and under the model's
lock; the columns are put back bit for bit afterwards.
"""

import threading
from collections import OrderedDict
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary, ref

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn

from esn_interp.errors import EditError
from esn_interp.models.columns import Columns, NotScalable, Scaling, columns_of, put_back, shared
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.models.gate_view import GateView, traced_run
from esn_interp.models.sites import GATE, SITES
from esn_interp.models.stacks import Gate, Stack

PLANS = ("auto", "traced", "scaled")
"""``auto`` scales columns where that does the same; ``scaled`` insists on it."""

_REMEMBERED = 256  # conditions of a study that stay ready on the device


@dataclass(frozen=True)
class Carried:
    """How the edits of a run were carried out: ``none`` (there were none), ``traced`` or ``scaled``; and why so."""

    plan: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.plan} ({self.why})" if self.why else self.plan


def checked_plan(plan: str) -> str:
    """The name of a plan.

    Raises
    ------
    EditError
        When there is none of that name.
    """
    if plan not in PLANS:
        raise EditError(f"no plan {plan!r}; edits are carried out {', '.join(PLANS)}")
    return plan


Gains = dict[int, tuple[Int64[np.ndarray, " _neuron"], Float32[np.ndarray, " _neuron"]]]


def gains_of(by_layer: Mapping[int, Sequence[Edit]]) -> Gains:
    """The neurons of each layer and what they are multiplied by, all edits taken together.

    Raises
    ------
    NotScalable
        When an edit does more, or less, than multiply gates at every position.
    """
    gains: Gains = {}
    for layer, edits in by_layer.items():
        for edit in edits:
            if np.any(edit.shift) or edit.floor is not None:
                raise NotScalable(f"an edit at layer {layer} shifts gates or has a floor")
            if edit.site not in (GATE, "gated") or edit.along is not None:
                raise NotScalable(f"an edit at layer {layer} acts on {SITES[edit.site].title}")
            if np.ndim(edit.gain) > 1:
                raise NotScalable(f"an edit at layer {layer} has gains of its own for every clip")
            if edit.positions != EVERYWHERE:
                raise NotScalable(f"an edit at layer {layer} acts in {', '.join(sorted(edit.positions))} only")
        neurons = np.unique(np.concatenate([edit.neurons for edit in edits]))
        factor = np.ones(len(neurons), dtype=np.float32)
        for edit in edits:
            factor[np.searchsorted(neurons, edit.neurons)] *= np.asarray(edit.gain, dtype=np.float32)
        gains[layer] = neurons, factor
    return gains


class Weights:
    """The weights of one loaded model, as all that open it share them.

    Attributes
    ----------
    lock
        One run at a time: nnsight's interleaver can't serve two threads, and scaled weights are nobody else's.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._first: ReferenceType[Any] | None = None
        self._kept: list[tuple[Columns, Tensor, Tensor]] = []
        self._scaled = False

    @classmethod
    def of(cls, stacks: Iterable[Stack], opened: Any) -> "Weights":
        """The weights that these stacks are part of, from now on open to ``opened`` too."""
        decoders = [stack.decoder for stack in stacks]
        weights = next((_opened[decoder] for decoder in decoders if decoder in _opened), None) or cls()
        for decoder in decoders:
            _opened[decoder] = weights
        if weights._first is None or weights._first() is None:
            weights._first = ref(opened)
        return weights

    def belong_to(self, opened: Any) -> bool:
        """Whether nobody opened the model before."""
        if self._first is None or self._first() is None:
            self._first = ref(opened)
        return self._first() is opened

    def settle(self) -> None:
        """Finish what an interruption left: columns that were not put back.

        Raises
        ------
        EditError
            Inside a run whose edits stand in the weights.
        """
        if self._scaled:
            raise EditError("a run can't begin inside another run of the same model whose edits stand in its weights")
        put_back(self._kept)

    @contextmanager
    def scaled(self, scaling: Scaling) -> Generator[None]:
        """Within the block, columns are scaled."""
        self.settle()
        try:
            self._scaled = True
            scaling.apply(self._kept)
            yield
        finally:
            self._scaled = False  # first: what a second Ctrl-C leaves undone, the next run finishes
            put_back(self._kept)

    @contextmanager
    def whole(self) -> Generator[None]:
        """Within the block, the weights are the model's own, even while a run of this thread has scaled them."""
        with self.lock:
            scaled = [(columns, index, columns.picked(index)) for columns, index, _ in self._kept]
            originals = list(self._kept)
            put_back(self._kept)
            try:
                yield
            finally:
                if self._scaled:
                    self._kept.extend(originals)
                    put_back(scaled)


_opened: "WeakKeyDictionary[nn.Module, Weights]" = WeakKeyDictionary()


class Planner:
    """Finds out whether edits of one stack may be carried out in its weights, and prepares it."""

    def __init__(self, model: nn.Module, stack: Stack, view: GateView) -> None:
        self._model = model
        self._stack = stack
        self._view = view
        self._proved: dict[type, bool] = {}
        self._shared: dict[int, bool] = {}
        self._ready: OrderedDict[tuple[tuple[Edit, ...], tuple[int, ...]], Scaling] = OrderedDict()
        self.unfit = ""
        """Why nothing is scaled any more, once gates turned out not to be finite numbers."""

    def scaling(self, by_layer: Mapping[int, Sequence[Edit]]) -> Scaling:
        """The edits as scaled columns.

        Raises
        ------
        NotScalable
            When they can't be that, or not in these weights.
        """
        if self.unfit:
            raise NotScalable(self.unfit)
        columns = self.columns(by_layer)
        places = tuple(one.weight.data_ptr() for one in columns.values())
        key = tuple(edit for edits in by_layer.values() for edit in edits), places
        if key not in self._ready:
            gains = gains_of(by_layer)
            self._require_finite(gains, columns)
            self._ready[key] = Scaling(columns, gains)
        self._ready.move_to_end(key)
        while len(self._ready) > _REMEMBERED:
            self._ready.popitem(last=False)
        return self._ready[key]

    def columns(self, layers: Iterable[int]) -> dict[int, Columns]:
        """The weights that read the gates of these layers.

        Raises
        ------
        NotScalable
            When they must not be touched, or do something else with the gates.
        """
        columns = {layer: columns_of(self._stack.gates[layer]) for layer in layers}
        self._require_own([one.weight.data_ptr() for one in columns.values()])
        for layer, one in columns.items():
            self._require_proof(layer, self._stack.gates[layer], one)
        return columns

    def _require_own(self, places: Sequence[int]) -> None:
        """No other module may use the weights; looked up again when weights have moved."""
        if not self._shared.keys() >= set(places):
            self._shared = shared(self._model)
        if any(self._shared.get(place, True) for place in places):
            raise NotScalable("the weights that read the gates are tied to others")

    def _require_finite(self, gains: Gains, columns: Mapping[int, Columns]) -> None:
        """A silenced gate stays silent whatever it was: infinity times 0 is not 0."""
        silenced = [layer for layer, (_, gain) in gains.items() if not gain.all()]
        if any(columns[layer].weight.dtype == torch.float16 for layer in silenced):
            raise NotScalable("in float16 a gate can overflow, and must stay silent all the same")

    def _require_proof(self, layer: int, gate: Gate, columns: Columns) -> None:
        """Tried once for every kind of MLP, by itself: scaled columns do what scaled gates do."""
        assert gate.mlp is not None
        kind = type(gate.mlp)
        if kind not in self._proved:
            self._proved[kind] = False
            with suppress(EditError, RuntimeError, TypeError, ValueError, AttributeError):
                self._proved[kind] = _same(self._view, self._stack.widths, layer, gate, columns)
        if not self._proved[kind]:
            raise NotScalable(f"{kind.__name__} does not just multiply its gates by something and project them")


def _same(
    view: GateView, widths: Sequence[int], layer: int, gate: Gate, columns: Columns
) -> bool:
    """Whether an MLP gives the same with scaled gates as with scaled columns, on hidden states drawn at random.

    Gains of 0, 1/2 and 2 are exact in any precision, so that nothing but the order of sums can differ.
    """
    mlp: Any = gate.mlp
    tokens, hidden = 4, columns.hidden
    drawn = torch.randn(1, tokens, hidden, generator=torch.Generator().manual_seed(0))
    states = drawn.to(columns.weight.device, columns.weight.dtype)
    neurons = np.arange(gate.width, dtype=np.int64)  # of the first expert, where there are several
    factors = np.resize(np.array([2.0, 0.0, 0.5], dtype=np.float32), len(neurons))

    def run(hidden: Tensor) -> Tensor:
        if not gate.experts:
            return mlp(hidden)
        chosen = torch.zeros(tokens, 1, dtype=torch.long, device=hidden.device)
        return mlp(hidden[0], chosen, hidden.new_ones(tokens, 1))

    edit, kept = Edit(layer, neurons, gain=factors), list[tuple[Columns, Tensor, Tensor]]()
    scopes = torch.zeros(1, tokens, dtype=torch.long)
    with torch.no_grad():
        plain = run(states)
        traced = traced_run(view, run, {"hidden": states}, scopes=scopes, widths=widths, edits=[edit])
        try:
            Scaling({layer: columns}, {layer: (neurons, factors)}).apply(kept)
            scaled = run(states)
        finally:
            put_back(kept)
    size = float(plain.abs().max())
    close = torch.allclose(traced, scaled, rtol=1e-3, atol=1e-3 * size)
    return close and not torch.allclose(plain, traced, rtol=1e-3, atol=1e-3 * size)


def all_finite(output: Any, scopes: Tensor) -> bool:
    """Whether a decoder's output holds finite numbers only, where there are tokens; True of what can't be told."""
    hidden = getattr(output, "last_hidden_state", output)
    if not isinstance(hidden, Tensor) or not hidden.is_floating_point() or bool(hidden.isfinite().all()):
        return True
    tokens = (scopes >= 0).to(hidden.device)
    if hidden.shape[:2] != tokens.shape:
        return False
    return bool(hidden[tokens].isfinite().all())
