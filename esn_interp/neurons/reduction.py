"""Gates of one layer, reduced over tokens where they are: by clip and scope, all sums in one pass.

Three ways give the same counts, and sums that differ in float32 rounding only: a Triton kernel that reads every gate
once, where Triton can be used; clip by clip on the CPU, where a clip's gates stay in its cache; a matrix product per
sum elsewhere. None of them waits for a device.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, Int32
from torch import Tensor

from esn_interp.neurons import kernels
from esn_interp.neurons.segments import Rows, Segments

KINDS = ("sum", "sum_sq", "sum_abs")
_COLUMNS = 2048  # of a matrix product at a time: its copies in double precision are as wide


@dataclass(frozen=True, eq=False)
class LayerSums:
    """One layer of one batch, on the device of its gates.

    ``firings`` counts tokens with a gate above 0; ``sums`` are those of the gate, its square and its magnitude, in
    float32 (float64 where gates are). ``routed`` counts the tokens that reached each gate's expert, in a mixture.
    """

    firings: Int32[Tensor, "clip scope gate"]
    sums: Float[Tensor, "kind clip scope gate"]
    routed: Int32[Tensor, "clip scope gate"] | None = None


def reduce_gates(gate: Float[Tensor, "clip token neuron"], segments: Segments) -> LayerSums:
    """Sums over the tokens of every segment; what stands outside, such as padding, is never touched."""
    gate = gate.detach()
    shape = (segments.clips, segments.scopes, gate.shape[-1])
    if kernels.usable(gate):  # on a card alone
        firings, sums = kernels.reduce_rows(gate.flatten(0, 1), segments.on(gate.device))
    elif gate.device.type == "cpu":
        firings, sums = _by_clip(gate.flatten(0, 1), segments)
    else:  # on a card alone, where Triton is not
        firings, sums = _by_product(gate, segments)
    return LayerSums(firings.view(shape), sums.view(len(KINDS), *shape))


def reduce_routed(
    gate: Float[Tensor, "clip token choice neuron"],
    experts: Int[Tensor, "clip token choice"],
    segments: Segments,
    *,
    count: int,
) -> LayerSums:
    """The same for a mixture of ``count`` experts: a gate is there only at tokens that were routed to its expert."""
    gate = gate.detach()
    shape = (segments.clips, segments.scopes, count * gate.shape[-1])
    keys, rows = segments.routed(experts, count)
    flat = gate.flatten(0, 2)
    firings, sums = kernels.reduce_rows(flat, rows) if kernels.usable(gate) else _by_key(flat, keys, rows)
    reached = rows.bounds.diff().to(torch.int32).view(*shape[:2], count, 1).expand(-1, -1, -1, gate.shape[-1])
    return LayerSums(firings.view(shape), sums.view(len(KINDS), *shape), reached.reshape(shape))


def precision(gate: Tensor, *, exact: bool = False) -> torch.dtype:
    """In which sums are kept: float32, or float64 where gates are or, with ``exact``, where there is such a thing."""
    if gate.device.type == "mps":
        return torch.float32
    return torch.float64 if exact or gate.dtype == torch.float64 else torch.float32


def _by_clip(
    flat: Float[Tensor, "row neuron"], segments: Segments
) -> tuple[Int32[Tensor, "segment neuron"], Float[Tensor, "kind segment neuron"]]:
    """Segment by segment; a sum depends on nothing but the segment's own gates."""
    dtype, width = precision(flat), flat.shape[1]
    # Counts as well, in numbers that hold them exactly up to 2^24 tokens.
    whole = flat.new_zeros(1 + len(KINDS), len(segments), width, dtype=dtype)
    fired, total, squares, sizes = (kind.unbind() for kind in whole)
    spare = flat.new_empty(segments.longest, width, dtype=dtype)
    order = segments.rows.order
    for segment, (start, stop, first) in enumerate(segments.spans):
        if stop - start < 2:
            continue
        tokens = slice(first, first + stop - start) if first is not None else order[start:stop]
        values, scratch = flat[tokens].to(dtype), spare[: stop - start]
        # Into one buffer, whatever is summed: allocating it anew costs more than filling it.
        torch.sum(values, 0, out=total[segment])
        torch.sum(torch.mul(values, values, out=scratch), 0, out=squares[segment])
        torch.sum(torch.abs(values, out=scratch), 0, out=sizes[segment])
        torch.sum(torch.gt(values, 0, out=scratch), 0, out=fired[segment])
    alone, tokens = segments.single
    if len(alone):
        values = flat[tokens].to(dtype)
        for into, value in zip(whole, (values > 0, values, values * values, values.abs()), strict=True):
            into[alone] = value.to(dtype)
    return whole[0].to(torch.int32), whole[1:]


def _by_product(
    gate: Float[Tensor, "clip token neuron"], segments: Segments
) -> tuple[Int32[Tensor, "clip scope neuron"], Float[Tensor, "kind clip scope neuron"]]:
    """A product with ones and zeros per sum; in double precision, since float32 products may be cut to 10 bits."""
    dtype, kept = precision(gate, exact=True), precision(gate)
    members = segments.members(gate.device)
    ones, counted = members.to(dtype), members.any(dim=1)[..., None]
    shape = (segments.clips, segments.scopes, gate.shape[-1])
    firings = torch.empty(shape, dtype=torch.int32, device=gate.device)
    sums = torch.empty(len(KINDS), *shape, dtype=kept, device=gate.device)
    for start in range(0, gate.shape[-1], _COLUMNS):
        some = slice(start, start + _COLUMNS)
        values = torch.where(counted, gate[..., some], 0).to(dtype)
        firings[..., some] = torch.bmm(ones, (values > 0).to(dtype)).to(torch.int32)
        for kind, value in enumerate((values, values.square(), values.abs())):
            sums[kind, ..., some] = torch.bmm(ones, value).to(kept)
    return firings, sums


def _by_key(
    flat: Float[Tensor, "row neuron"], keys: Int[Tensor, " row"], rows: Rows
) -> tuple[Int32[Tensor, "segment neuron"], Float[Tensor, "kind segment neuron"]]:
    """Every row added to its segment; those that count nowhere to one more, which is dropped."""
    dtype, kept = precision(flat, exact=True), precision(flat)
    shape = (len(rows.bounds), flat.shape[1])
    values = flat.to(dtype)

    def added(value: Tensor) -> Tensor:
        return torch.zeros(shape, dtype=dtype, device=flat.device).index_add_(0, keys, value)[:-1]

    firings = added((values > 0).to(dtype)).to(torch.int32)
    return firings, torch.stack([added(value).to(kept) for value in (values, values.square(), values.abs())])
