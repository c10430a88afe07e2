"""Every clip of a training as the encoder's input: levels of its mel bands, small enough to carry about."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from esn_interp.files import write_atomic

BANDS = 80
LEVELS = 63
"""Steps between silence and a clip's loudest band; each is 1.3 dB."""
TAIL = 4
"""Frames after a clip's end that are kept, since its last window reaches into them."""


@dataclass(frozen=True)
class Sounds:
    """Log-mel frames of many clips, one after the other.

    ``levels`` ``[frame, band]`` count from two (in the extractor's units) below each clip's loudest, which is ``tops``;
    ``starts`` and ``frames`` say where a clip lies and how many frames are its own.
    """

    levels: Tensor
    starts: Tensor
    frames: Tensor
    tops: Tensor

    @classmethod
    def of(cls, waves: Sequence[np.ndarray], extractor: Any, *, batch: int = 32) -> "Sounds":
        """What a model's own feature extractor makes of waves at 16 kHz."""
        levels, frames, tops = [], [], []
        for start in range(0, len(waves), batch):
            some = [np.asarray(wave, dtype=np.float32) for wave in waves[start : start + batch]]
            made = extractor(
                some,
                sampling_rate=extractor.sampling_rate,
                padding="max_length",
                return_attention_mask=True,
                return_tensors="pt",
            )
            for features, count in zip(
                made["input_features"], made["attention_mask"].sum(dim=1).tolist(), strict=True
            ):
                top = float(features.max())
                own = features[:, : count + TAIL].T
                levels.append(((own - (top - 2)) / 2 * LEVELS).round().clamp(0, LEVELS).to(torch.uint8))
                frames.append(count)
                tops.append(top)
        counts = torch.tensor([len(one) for one in levels])
        starts = counts.cumsum(0) - counts
        return cls(torch.cat(levels), starts, torch.tensor(frames), torch.tensor(tops))

    def to(self, device: Any) -> "Sounds":
        return Sounds(*(one.to(device) for one in (self.levels, self.starts, self.frames, self.tops)))

    def features(self, which: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """The extractor's features of some clips, ``[clip, band, frame]``, silence after their end, and their mask."""
        at = torch.arange(width, device=self.levels.device)
        frames = self.frames[which]
        place = (self.starts[which][:, None] + at).clamp(max=len(self.levels) - 1)
        heard = torch.where((at < frames[:, None] + TAIL)[..., None], self.levels[place], 0)
        features = heard.transpose(1, 2).float() / LEVELS * 2 + (self.tops[which] - 2)[:, None, None]
        return features, at < frames[:, None]

    def save(self, path: Path) -> None:
        state = {name: getattr(self, name).contiguous() for name in ("levels", "starts", "frames", "tops")}
        write_atomic(path, lambda file: save_file(state, file))

    @classmethod
    def load(cls, path: Path) -> "Sounds":
        return cls(**load_file(path))


def roughened(features: Tensor, tops: Tensor, frames: Tensor) -> Tensor:
    """Another take of the same clips: bands tilted in level, faint noise, a stretch of time and one of bands masked."""
    count, bands, width = features.shape
    device = features.device
    slope = torch.linspace(-1, 1, bands, device=device)
    features = features + (torch.randn(count, 1, device=device) * 0.08 * slope)[:, :, None]
    features = features + torch.randn_like(features) * 0.02
    top = tops[:, None, None]
    features = torch.minimum(torch.maximum(features, top - 2), top + 0.1)
    for axis, most in ((1, 12), (2, 24)):
        length = torch.randint(0, most + 1, (count, 1), device=device)
        size = frames[:, None] if axis == 2 else bands
        begin = (torch.rand(count, 1, device=device) * (size - length)).long()
        at = torch.arange(width if axis == 2 else bands, device=device)
        masked = (at >= begin) & (at < begin + length)
        features = torch.where(masked[:, :, None] if axis == 1 else masked[:, None, :], top - 1, features)
    return features
