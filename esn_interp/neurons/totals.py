"""Sums over clips, layer by layer, on the device where the gates are: int64 and float64, clips added in their order."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int, Int32, Int64, Num
from torch import Tensor

from esn_interp.neurons import kernels
from esn_interp.neurons.layout import ALL, CLIP_SUMS, ROUTED, ROUTED_CLIPS
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.reduction import KINDS, LayerSums
from esn_interp.neurons.segments import Rows

_MANY = 1_000_000  # sums of one name, from which on several threads gather them
_SPARE = 0.9  # of what is free beside the model; the rest is for what memory is lost between blocks


@dataclass(frozen=True, eq=False)
class Groups:
    """Which group each clip of a batch adds to, and how many tokens of each scope it has."""

    group: Int64[np.ndarray, " clip"]
    tokens: Int64[np.ndarray, "clip scope"]

    def on(self, device: torch.device) -> tuple[Rows, Tensor, Tensor]:
        """Clips of each group that has any, in their order; those groups; the tokens."""
        order = np.argsort(self.group, kind="stable")
        present, counts = np.unique(self.group, return_counts=True)
        bounds = np.concatenate([[0], np.cumsum(counts)])
        order, bounds, groups, tokens = (
            torch.from_numpy(np.ascontiguousarray(values, dtype=np.int64)).to(device, non_blocking=True)
            for values in (order, bounds, present, self.tokens)
        )
        return Rows(order, bounds), groups, tokens


@dataclass(eq=False)
class _Layer:
    """``counts`` and ``totals`` of one layer, ``[group, name, gate]``; perhaps not on the device that fills them."""

    counts: Int64[Tensor, "group count gate"]
    totals: Float64[Tensor, "group total gate"]

    def to(self, device: torch.device) -> "_Layer":  # on a card alone
        return _Layer(self.counts.to(device, non_blocking=True), self.totals.to(device, non_blocking=True))

    def pinned(self) -> "_Layer":  # on a card alone
        return _Layer(self.counts.pin_memory(), self.totals.pin_memory())


class Totals:
    """What any number of clips add up to, by group.

    Every layer's sums live where its gates are. Where that leaves no room beside the model they live in pinned host
    memory, and visit the device one layer at a time; and where a device has no float64, they are added on the host.

    Attributes
    ----------
    notes
        What somebody should know about where the sums are, one line each.
    """

    def __init__(
        self,
        origin: Origin,
        groups: int,
        scopes: Sequence[str],
        *,
        start: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        self._origin, self._scopes = origin, tuple(scopes)
        self._count_names, self._total_names = _names(self._scopes, mixture=bool(origin.mixtures))
        self._groups, self._start = groups, start
        self._layers: list[_Layer | None] = [None] * len(origin.widths)
        self._settled: set[torch.device] = set()
        self._used = np.full(groups, start is not None)
        self.notes: list[str] = []

    def fold(self, layers: Sequence[LayerSums], groups: Groups) -> Bool[Tensor, " clip"]:
        """Add a batch; nothing waits for a device.

        Returns
        -------
        Which clips have finite sums, on the device of the first layer.
        """
        self._used[groups.group] = True
        prepared: dict[torch.device, tuple[Rows, Tensor, Tensor]] = {}
        finite: dict[torch.device, Tensor] = {}
        for at, sums in enumerate(layers):
            if sums.sums.device.type == "mps":
                sums = _on_host(sums)
            device = sums.sums.device
            if device not in prepared:
                self._settle(device, layers)
                prepared[device] = groups.on(device)
                finite[device] = torch.ones(len(groups.group), dtype=torch.int32, device=device)
            kept = self._layer(at)
            layer = kept if kept.totals.device == device else kept.to(device)
            self._add(layer, sums, groups, prepared[device], finite[device])
            if layer is not kept:  # on a card alone
                kept.counts.copy_(layer.counts, non_blocking=True)
                kept.totals.copy_(layer.totals, non_blocking=True)
        first, *others = finite.values()
        for other in others:  # on a card alone, beside the processor or another card
            first = first * other.to(first.device, non_blocking=True)
        return first > 0

    def arrays(self) -> dict[str, Num[np.ndarray, "group gate"]]:
        """Every sum by name, ``[group, gate]``; waits for what is still being added."""
        for device in self._settled:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
        shape = self._groups, self._origin.n_gates
        found: dict[str, np.ndarray] = {name: np.zeros(shape, np.int64) for name in self._count_names}
        found |= {name: np.zeros(shape) for name in self._total_names}
        rows = np.flatnonzero(self._used)  # nobody need copy the zeros of the others

        def gather(at: int) -> None:
            layer, columns = self._layer(at), self._origin.layers[at]
            for sums, names in ((layer.counts, self._count_names), (layer.totals, self._total_names)):
                some = sums.index_select(0, torch.from_numpy(rows).to(sums.device)).transpose(0, 1).contiguous()
                if some.is_cuda:  # through pinned memory, which is kept: fresh pages cost more than the way
                    some = torch.empty(some.shape, dtype=some.dtype, pin_memory=True).copy_(some)
                for name, values in zip(names, some.numpy(), strict=True):
                    for row, group in enumerate(rows.tolist()):  # copies of rows leave the interpreter to others
                        found[name][group, columns] = values[row]

        if len(rows) * shape[1] < _MANY:
            for at in range(len(self._layers)):
                gather(at)
        else:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                list(pool.map(gather, range(len(self._layers))))
        return found

    def _layer(self, at: int, device: torch.device | str = "cpu") -> _Layer:
        """The sums of one layer, begun on a device if they are not yet."""
        if (layer := self._layers[at]) is None:
            shape = self._groups, self._origin.widths[at]
            counts = torch.zeros(shape[0], len(self._count_names), shape[1], dtype=torch.int64, device=device)
            totals = torch.zeros(
                shape[0], len(self._total_names), shape[1], dtype=torch.float64, device=device
            )
            layer = self._layers[at] = _Layer(counts, totals)
            if self._start is not None:
                columns = self._origin.layers[at]
                for into, names in ((counts, self._count_names), (totals, self._total_names)):
                    for place, name in enumerate(names):
                        into[:, place] = torch.from_numpy(self._start[name][:, columns]).to(device)
        return layer

    def _settle(self, device: torch.device, layers: Sequence[LayerSums]) -> None:
        """Find room for the sums of a card's layers, once."""
        if device.type == "cuda" and device not in self._settled:
            self._settled.add(device)
            self._make_room(device, layers)

    def _make_room(self, device: torch.device, layers: Sequence[LayerSums]) -> None:  # on a card alone
        """Begin these layers there, or in pinned memory where they don't fit."""
        mine = [at for at, sums in enumerate(layers) if sums.sums.device == device]
        names = len(self._count_names) + len(self._total_names)
        needed = 8 * self._groups * names * sum(self._origin.widths[at] for at in mine)
        fits = needed <= _SPARE * _free(device)
        for at in mine:
            if fits:
                self._layer(at, device)
            else:
                self._layers[at] = self._layer(at).pinned()
        if not fits:
            self.notes.append(
                f"{needed / 1e9:.1f} GB of sums don't fit beside the model on {device}; they are kept in main memory,"
                " which is slower"
            )

    def _add(
        self,
        layer: _Layer,
        sums: LayerSums,
        groups: Groups,
        prepared: tuple[Rows, Tensor, Tensor],
        finite: Int32[Tensor, " clip"],
    ) -> None:
        """Add one layer; ``finite`` is made 0 for clips with a sum that is not."""
        clips, present, tokens = prepared
        routed = self._routed(sums, tokens)
        if sums.sums.dtype == torch.float32 and kernels.works(sums.sums.device):  # on a card alone
            kernels.fold(
                layer.counts, layer.totals, sums.firings, sums.sums, routed, tokens, clips, present, finite
            )
            return
        counts, totals = clip_sums(sums, tokens, routed)
        if sums.sums.device.type == "cpu":  # where index_add_ goes through clips in their order
            group = torch.from_numpy(groups.group)
            layer.counts.index_add_(0, group, counts)
            layer.totals.index_add_(0, group, totals)
        else:  # on a card alone, where Triton is not
            for row, group in enumerate(groups.group.tolist()):
                layer.counts[group] += counts[row]
                layer.totals[group] += totals[row]
        finite *= sums.sums[KINDS.index("sum_sq")].isfinite().flatten(1).all(dim=1)

    def _routed(self, sums: LayerSums, tokens: Int64[Tensor, "clip scope"]) -> Tensor | None:
        """Tokens that reached each gate, in a model with mixtures: all of them outside its mixtures."""
        if not self._origin.mixtures or sums.routed is not None:
            return sums.routed
        return tokens[..., None].to(torch.int32).expand(sums.firings.shape).contiguous()


def clip_sums(
    sums: LayerSums, tokens: Int64[Tensor, "clip scope"], routed: Int[Tensor, "clip scope gate"] | None
) -> tuple[Int64[Tensor, "clip count gate"], Float64[Tensor, "clip total gate"]]:
    """What every clip adds to the counts and to the totals, in the order of their names.

    A gate whose expert no token of a clip reached has neither rate nor mean there. Rates, means and their squares are
    rounded as the clip's sums are: they are no better known, and sums of rounded numbers take less room in a file.
    """
    clips, scopes, width = sums.firings.shape
    reached = tokens[..., None] if routed is None else routed.to(torch.int64)
    counts = sums.firings.to(torch.int64)
    if routed is not None:
        everywhere = torch.cat([reached, reached.sum(dim=1, keepdim=True)], dim=1)
        counts = torch.cat([counts, reached, (everywhere > 0).to(torch.int64)], dim=1)
    totals = sums.sums.new_empty(clips, len(KINDS) * scopes + 4 * (scopes + 1), width, dtype=torch.float64)
    token_level, *levels = totals.split([len(KINDS) * scopes, *[scopes + 1] * 4], dim=1)
    token_level.unflatten(1, (len(KINDS), scopes)).copy_(sums.sums.transpose(0, 1))
    per = _with_all(reached.to(torch.float64)).clamp_(min=1)
    for total, level, squares in zip(
        (sums.firings, token_level[:, :scopes]), levels[::2], levels[1::2], strict=True
    ):
        torch.div(_with_all(total.to(torch.float64)), per, out=level)
        _round(level, sums.sums.dtype)
        _round(torch.mul(level, level, out=squares), sums.sums.dtype)
    return counts, totals


def _round(values: Float64[Tensor, "*cell"], dtype: torch.dtype) -> None:
    if dtype != torch.float64:
        values.copy_(values.to(dtype))


def _with_all(values: Float64[Tensor, "clip scope gate"]) -> Float64[Tensor, "clip scopes gate"]:
    """And the sum over the scopes, added from the first to the last."""
    first, *others = values.unbind(dim=1)
    total = first
    for other in others:
        total = total + other
    return torch.cat([values, total[:, None]], dim=1)


def _names(scopes: Sequence[str], *, mixture: bool) -> tuple[list[str], list[str]]:
    """Names of the counts and of the totals, in the order in which a clip's are laid out."""
    levels = (*scopes, ALL)
    counts = [f"{scope}/firings" for scope in scopes]
    if mixture:
        counts += [f"{scope}/{ROUTED}" for scope in scopes] + [f"{scope}/{ROUTED_CLIPS}" for scope in levels]
    totals = [f"{scope}/{kind}" for kind in KINDS for scope in scopes]
    return counts, totals + [f"{scope}/{kind}" for kind in CLIP_SUMS for scope in levels]


def _on_host(sums: LayerSums) -> LayerSums:  # on a card alone
    routed = None if sums.routed is None else sums.routed.cpu()
    return LayerSums(sums.firings.cpu(), sums.sums.cpu(), routed)


def _free(device: torch.device) -> float:  # on a card alone
    """Bytes that are left on a card once a batch has taken its most."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.max_memory_allocated(device)


def layer_sums(
    firings: Int[np.ndarray, "clip scope gate"],
    sums: Float[np.ndarray, "kind clip scope gate"],
    routed: Int[np.ndarray, "clip scope gate"] | None,
) -> LayerSums:
    """From arrays, as single clips keep them."""
    return LayerSums(
        torch.from_numpy(firings),
        torch.from_numpy(sums),
        None if routed is None else torch.from_numpy(routed),
    )
