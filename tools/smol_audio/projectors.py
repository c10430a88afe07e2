"""Projectors that learn side by side, each on its own voices, before one frozen decoder."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from esn_interp.files import write_atomic
from smol_audio.rows import UNEMOTIONAL

SHARES = {"choice": 3.0, "lettered": 1.5, "free": 1.5, "yes or no": 1.0, "transcript": 2.5, "sex": 1.0}
NEVER = ("10", "14", "15")
"""Speakers of EmoDB that the bundled projector has never heard."""
FOLDS = (("03", "08"), ("09", "10"), ("11", "12"), ("13", "14"), ("15", "16"))
"""Speakers of EmoDB by two, a woman and a man where that comes out: each pair is new to one projector."""


@dataclass(frozen=True)
class Variant:
    """One projector of several: what it starts from, whom it does not hear, and what it is asked."""

    name: str
    seed: int = 0
    without: tuple[str, ...] = NEVER
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))


SEEDS = tuple(Variant(f"seed-{seed}", seed) for seed in range(3))
UNTOLD = Variant("unemotional", 3, shares={kind: SHARES[kind] for kind in UNEMOTIONAL})
CROSSED = tuple(Variant("without-" + "-".join(pair), 4 + at, pair) for at, pair in enumerate(FOLDS))
GROUPS = {"seeds": SEEDS, "unemotional": (UNTOLD,), "crossed": CROSSED}


class Projector(nn.Module):
    """linear, gelu, linear, behind a fixed standardisation, which goes into the first layer when it is saved.

    Most of what the encoder says spreads by 0.7 around 0; a few columns lie up to 8 away and spread by up to 4.8 (forty
    training sounds). Standardised, all weights of the first layer are about equally large, as one rate for all wants.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, mean: Tensor, spread: Tensor, width: int, size: float, dropout: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("spread", spread.clone())
        self.linear_1, self.linear_2 = nn.Linear(len(mean), width), nn.Linear(width, width)
        self.dropout = dropout
        with torch.no_grad():  # what comes out is at first about as large as the embedding of a word
            out = self.linear_2(nn.functional.gelu(self.linear_1(torch.randn(2000, len(mean)))))
            self.linear_2.weight.mul_(size / out.square().mean().sqrt())
            self.linear_2.bias.zero_()

    def forward(self, frames: Tensor) -> Tensor:
        inside = nn.functional.gelu(self.linear_1((frames - self.mean) / self.spread))
        return self.linear_2(nn.functional.dropout(inside, self.dropout, self.training))

    def take(self, state: Mapping[str, Tensor]) -> None:
        """Begin with a plain projector's weights."""
        with torch.no_grad():
            weight = state["linear_1.weight"].to(self.mean.device).float()
            self.linear_1.weight.copy_(weight * self.spread)
            self.linear_1.bias.copy_(state["linear_1.bias"].to(self.mean.device).float() + weight @ self.mean)
            self.linear_2.weight.copy_(state["linear_2.weight"])
            self.linear_2.bias.copy_(state["linear_2.bias"])

    def plain(self) -> dict[str, Tensor]:
        """The same function as a projector without standardisation, in the names of Audio Flamingo 3's."""
        weight = self.linear_1.weight / self.spread
        return {
            "linear_1.weight": weight,
            "linear_1.bias": self.linear_1.bias - weight @ self.mean,
            "linear_2.weight": self.linear_2.weight,
            "linear_2.bias": self.linear_2.bias,
        }

    def save(self, path: Path) -> None:
        """Write the plain projector in half precision, as it comes with the package."""
        state = {name: value.detach().half().cpu().contiguous() for name, value in self.plain().items()}
        write_atomic(path, lambda file: save_file(state, file, metadata={"format": "pt"}))


def apply_each(projectors: Sequence[Projector], which: Tensor, frames: Tensor, width: int) -> Tensor:
    """Every row ``[row, frame, column]`` through its own projector."""
    out = frames.new_zeros((*frames.shape[:2], width))
    for at, projector in enumerate(projectors):
        rows = (which == at).nonzero()[:, 0]
        if len(rows):
            out = out.index_copy(0, rows, projector(frames[rows]))
    return out
