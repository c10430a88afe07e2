"""How many clips a model is given at a time: by number, or by what their tokens take."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from esn_interp.speech.audio import SAMPLE_RATE

MOST_CLIPS = 64
_HOST_TOKENS, _CARD_TOKENS, _LEAST_TOKENS = 2048, 8192, 256
"""A CPU is busy with few tokens; a card with some thousands, and more make it no faster."""

_SHARE = 0.5  # of a card's free memory; the rest is for its encoder, and for what is lost between blocks
_BYTES_A_GATE = 16
_TOKENS_A_SECOND = 25.0


@dataclass(frozen=True)
class Budget:
    """At most so many clips at a time, and, padded to the longest of them, so many tokens (None: any number)."""

    clips: int
    tokens: int | None = None

    def __post_init__(self) -> None:
        if self.clips < 1 or (self.tokens is not None and self.tokens < 1):
            raise ValueError(
                f"batch_size must be at least 1, not {min(self.clips, self.tokens or self.clips)}"
            )

    @classmethod
    def of(cls, batch_size: int | Literal["auto"], lm: Any) -> "Budget":
        """A number of clips, or what fits on the model's device (see `found`)."""
        if batch_size == "auto":
            return cls.found(lm)
        return cls(batch_size)

    @classmethod
    def found(cls, lm: Any) -> "Budget":
        """As many tokens as a device can be busy with and its free memory holds; it depends on nothing else."""
        device = getattr(lm, "device", None)
        if not isinstance(device, torch.device) or device.type != "cuda":
            return cls(MOST_CLIPS, _HOST_TOKENS)
        free, _ = torch.cuda.mem_get_info(device)
        widest, gates = max(lm.widths), sum(lm.widths)
        size = torch.empty((), dtype=lm.dtype).element_size()
        # A layer holds its gates, what they are multiplied with and the product, and about as much beside them; a clip
        # of some hundred tokens leaves its sums for every gate and scope.
        a_token = 6 * widest * size + 3 * _BYTES_A_GATE * gates / 128
        fits = int(_SHARE * free / a_token)
        return cls(MOST_CLIPS, max(_LEAST_TOKENS, min(_CARD_TOKENS, 1 << max(fits, 1).bit_length() - 1)))

    def halved(self) -> "Budget":
        """Half of it; the smallest budget is a clip at a time."""
        return Budget(max(1, self.clips // 2), None if self.tokens is None else max(1, self.tokens // 2))

    def parts(self, tokens: Sequence[int]) -> Iterator[slice]:
        """Runs of clips, whose tokens are given from the fewest to the most, each within the budget.

        A clip that is beyond it alone is a run of its own.
        """
        start = 0
        for stop in range(1, len(tokens) + 1):
            full = stop - start == self.clips
            if self.tokens is not None and stop < len(tokens):
                full |= (stop - start + 1) * tokens[stop] > self.tokens
            if full or stop == len(tokens):
                yield slice(start, stop)
                start = stop

    def __str__(self) -> str:
        return f"{self.clips} clips" if self.tokens is None else f"{self.tokens} tokens"


class Lengths:
    """How many tokens a prompt about a clip of so many samples has.

    Two prompts are made for it, about a short and a long clip: the number of tokens grows evenly with the duration, or,
    where a model pads every clip, hardly at all. Where a model can't say it is 25 for every second.
    """

    def __init__(self, lm: Any, prompt: str, *, longest: float | None) -> None:
        self._slope, self._first = _TOKENS_A_SECOND / SAMPLE_RATE, 0.0
        prepare: Callable[[list[np.ndarray], str], Any] | None = getattr(lm, "prepare", None)
        if prepare is None:
            return
        few, many = SAMPLE_RATE, int(SAMPLE_RATE * min(longest or 8.0, 8.0))
        rng = np.random.default_rng(0)
        counts = [
            prepare([0.1 * rng.standard_normal(samples).astype(np.float32)], prompt).audio.shape[1]
            for samples in (few, many)
        ]
        self._slope = max(0.0, (counts[1] - counts[0]) / (many - few))
        self._first = counts[0] - self._slope * few

    def tokens(self, samples: int) -> int:
        """Rounded up: a budget is a bound."""
        return max(1, int(np.ceil(self._first + self._slope * samples)))


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of a card or of the host, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    words = str(error)
    return isinstance(error, RuntimeError) and ("out of memory" in words or "not enough memory" in words)
