"""Statistics by Triton: one kernel reads every gate once, the other adds a batch's clips up, in their order.

Plain PyTorch (`~esn_interp.neurons.reduction`, `~esn_interp.neurons.totals`) is their reference, and what runs wherever
Triton can't.
"""

# pyright: basic, reportOptionalMemberAccess=false, reportIndexIssue=false
from functools import cache

import torch
from torch import Tensor

from esn_interp.neurons.segments import Rows

try:
    from esn_interp.neurons import triton_kernels as compiled
except ImportError:  # Windows, Macs, and PyTorch for the CPU come without it
    compiled = None

_READ = torch.float32, torch.bfloat16, torch.float16
TILE = (16, 128, 1)
"""Rows and columns that a program of the first kernel reads at a time, and its warps."""

_FOLDED = 128


def usable(gate: Tensor) -> bool:
    """Whether the kernels can read these gates."""
    return gate.is_cuda and gate.dtype in _READ and gate.stride(-1) == 1 and works(gate.device)


def works(device: torch.device) -> bool:
    """Whether Triton compiles here (it needs a C compiler), tried once on a few numbers."""
    return compiled is not None and device.type == "cuda" and _compiles(device)


@cache
def _compiles(device: torch.device) -> bool:  # on a card alone
    gates = torch.tensor([[1.0, -2.0], [3.0, 4.0]], device=device)
    rows = Rows(torch.tensor([0, 1], device=device), torch.tensor([0, 2], device=device))
    try:
        firings, sums = reduce_rows(gates, rows)
    except Exception:  # whatever a compiler may say
        return False
    return firings.tolist() == [[2, 1]] and sums.flatten().tolist() == [4.0, 2.0, 10.0, 20.0, 4.0, 6.0]


def reduce_rows(flat: Tensor, rows: Rows) -> tuple[Tensor, Tensor]:  # on a card alone
    """Firings and sums ``[segment, neuron]`` and ``[kind, segment, neuron]`` of gates ``[row, neuron]``."""
    segments, width = len(rows.bounds) - 1, flat.shape[1]
    firings = torch.empty(segments, width, dtype=torch.int32, device=flat.device)
    sums = torch.empty(3, segments, width, dtype=torch.float32, device=flat.device)
    tall, wide, warps = TILE
    grid = (segments, -(-width // wide))
    numbers = width, flat.stride(0), segments * width
    with torch.cuda.device_of(flat):  # Triton launches on the current card, whatever card the numbers are on
        compiled.reduce[grid](flat, *rows, firings, sums, *numbers, ROWS=tall, COLUMNS=wide, num_warps=warps)
    return firings, sums


def fold(  # on a card alone
    counts: Tensor,
    totals: Tensor,
    firings: Tensor,
    sums: Tensor,
    routed: Tensor | None,
    tokens: Tensor,
    clips: Rows,
    groups: Tensor,
    finite: Tensor,
) -> None:
    """Add clips to ``counts`` and ``totals`` ``[group, name, neuron]``, each group's in the order of ``clips``.

    ``groups`` names the group of each segment of ``clips``; ``finite[clip]`` is made 0 where a sum is not.
    """
    _, scopes, width = firings.shape
    grid = (-(-width // _FOLDED), len(groups), scopes + 1)
    with torch.cuda.device_of(counts):
        compiled.fold[grid](
            counts,
            totals,
            firings,
            sums,
            firings if routed is None else routed,
            tokens,
            *clips,
            groups,
            finite,
            sums.stride(0),
            width,
            counts.shape[1],
            totals.shape[1],
            SCOPES=scopes,
            MIXTURE=routed is not None,
            COLUMNS=_FOLDED,
            num_warps=4,
        )
