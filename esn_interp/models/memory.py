"""What a study of a model takes in memory, from its shapes alone: for planning before anything is loaded."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from esn_interp.models.stacks import Stack

_SCOPES, _TOKEN_SUMS, _CLIP_SUMS = 3, 4, 4
_HELD = 4 + 3 * 4  # firings in int32, three sums in float32
_FLOAT32, _FLOAT64 = 4, 8


@dataclass(frozen=True)
class Memory:
    """Bytes that collecting takes at its peak.

    ``weights`` are the model's; ``activations`` those of the widest decoder layer and the residual stream of one
    batch; ``batch`` the sums of one batch that wait for its answers; ``statistics`` the sums themselves.
    """

    weights: int
    activations: int
    batch: int
    statistics: int

    @property
    def total(self) -> int:
        """All of it together."""
        return self.weights + self.activations + self.batch + self.statistics

    def __str__(self) -> str:
        parts = {
            "weights": self.weights,
            "activations": self.activations,
            "sums of a batch": self.batch,
            "statistics": self.statistics,
        }
        told = ", ".join(f"{name} {value / 1e9:.2f}" for name, value in parts.items())
        return f"{self.total / 1e9:.2f} GB ({told})"


def collecting_memory(
    model: nn.Module,
    stack: Stack,
    *,
    hidden: int,
    batch_size: int,
    tokens: int,
    emotions: int,
    bytes_per_value: int | None = None,
) -> Memory:
    """The memory that `collect` takes on a model, which may be on the meta device.

    Parameters
    ----------
    hidden
        Width of the residual stream.
    tokens
        Length of the longest prompt, audio included.
    bytes_per_value
        Of weights and activations: 2 in bfloat16; by default as the model's parameters are.
    """
    counts = [(parameter.numel(), parameter.element_size()) for parameter in model.parameters()]
    weights = sum(count * (bytes_per_value or size) for count, size in counts)
    size = bytes_per_value or max((size for _, size in counts), default=4)
    gates = sum(stack.widths)
    positions = batch_size * tokens
    # Inside an MLP its input, its residual, the gate, the other projection and their product are alive; around it,
    # the decoder's inputs are kept for the next run.
    layer = positions * size * (3 * _widest(stack.widths) + 4 * hidden)
    # One clip at a time is reduced, in float32 (a kernel on a GPU needs nothing): its gates, and what is summed.
    reducing = tokens * _widest(stack.widths) * _FLOAT32 * 2
    return Memory(
        weights=weights,
        activations=layer + reducing,
        batch=batch_size * _SCOPES * gates * _HELD,
        statistics=2 * emotions * gates * _FLOAT64 * (_SCOPES * _TOKEN_SUMS + (_SCOPES + 1) * _CLIP_SUMS),
    )


def _widest(widths: Sequence[int]) -> int:
    return max(widths, default=0)
