"""Many recordings out of one: the same performance by other voices, at other tempos, in other rooms, in part.

A mel is the feature extractor's: 0.25 of it is a factor of ten in power, and nothing lies more than 2 under its peak.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soxr
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from toy_omni import architecture

RATE = 16_000
SPEEDS = (0.82, 0.86, 0.9, 0.95, 1.0, 1.05, 1.11, 1.17, 1.23)
_DEPTH = 2.0  # what the feature extractor keeps below the loudest cell


@dataclass(frozen=True)
class Augmentation:
    """How far clips are changed."""

    tempo: tuple[float, float] = (0.85, 1.2)
    frames: int = 300  # longer clips are cut at a random place: the decoder's time goes with it
    shortest: float = 0.7  # of a clip, when a part of it is cut out
    colour: float = 0.05  # of each of three waves along the mel axis
    gain: float = 0.15
    noise: tuple[float, float] = (1.2, 1.9)  # below the peak: 48 to 76 dB
    masked_mels: int = 1
    masked_frames: int = 1


def at_speeds(waveform: np.ndarray, speeds: Sequence[float] = SPEEDS) -> list[Tensor]:
    """The clip's mels played faster or slower: pitch, formants and tempo change together, as with another voice."""
    from esn_interp.models.families.qwen2_5_omni import _mel  # pyright: ignore[reportPrivateUsage]

    extractor = architecture.make_feature_extractor()
    played = [soxr.resample(waveform, RATE * speed, RATE) if speed != 1 else waveform for speed in speeds]
    return [_mel(extractor, wave).T.contiguous().half() for wave in played]


def augment(mel: Tensor, rng: np.random.Generator, how: Augmentation) -> Tensor:
    """One more version of a clip's mel. [mel, frame] -> [mel, other frame]"""
    mel = _cut(_stretched(mel.float(), rng.uniform(*how.tempo)), rng, how)
    mel = mel + _colour(mel.shape[0], rng, how)
    if rng.random() < 0.5:
        mel = _noisy(mel, rng, how)
    mel = mel.clamp(min=mel.max() - _DEPTH)
    mel = _masked(mel, rng, how)
    return mel + rng.uniform(-how.gain, how.gain)


def _stretched(mel: Tensor, tempo: float) -> Tensor:
    frames = max(8, round(mel.shape[1] / tempo))
    return interpolate(mel[None], size=frames, mode="linear", align_corners=False)[0]


def _cut(mel: Tensor, rng: np.random.Generator, how: Augmentation) -> Tensor:
    frames = mel.shape[1]
    kept = min(how.frames, round(frames * rng.uniform(how.shortest, 1.0)))
    start = rng.integers(frames - kept + 1)
    return mel[:, start : start + kept]


def _colour(mels: int, rng: np.random.Generator, how: Augmentation) -> Tensor:
    place = np.linspace(0, np.pi, mels)
    waves = [rng.normal() * how.colour * np.cos(number * place) for number in (1, 2, 3)]
    return torch.from_numpy(np.sum(waves, axis=0)).float()[:, None]


def _noisy(mel: Tensor, rng: np.random.Generator, how: Augmentation) -> Tensor:
    """Coloured noise added in power; a cell's noise power is distributed as that of Gaussian noise."""
    level = mel.max().item() - rng.uniform(*how.noise)
    tilt = np.linspace(0.2, -0.2, mel.shape[0])[:, None] * rng.uniform(0, 1)
    noise = torch.from_numpy(10 ** (4 * (level + tilt)) * rng.exponential(size=tuple(mel.shape))).float()
    return torch.log10(10 ** (4 * mel) + noise) / 4


def _masked(mel: Tensor, rng: np.random.Generator, how: Augmentation) -> Tensor:
    mel, silence = mel.clone(), mel.min()
    width, low = rng.integers(how.masked_mels + 1), rng.integers(mel.shape[0] - how.masked_mels)
    mel[low : low + width] = silence
    for _ in range(2):
        width, start = rng.integers(how.masked_frames + 1), rng.integers(mel.shape[1])
        mel[:, start : start + width] = silence
    return mel
