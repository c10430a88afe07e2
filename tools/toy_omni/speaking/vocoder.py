"""Frames to sound: a small BigVGAN, trained on spectra at several resolutions, without an adversary."""

import random
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as modeling
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniBigVGANConfig

from toy_omni.speaking.frames import FRAME, HOP, log_mel
from toy_omni.speaking.output_voices import Said

RATES, KERNELS = (5, 6, 8), (11, 12, 16)
SEGMENT = 28  # frames
RESOLUTIONS = ((2048, 512), (1024, 256), (512, 128), (256, 64))


def config(channels: int = 128) -> Qwen2_5OmniBigVGANConfig:
    """Three stages where the real one has six: at this size the last would be left with one channel."""
    return Qwen2_5OmniBigVGANConfig(
        mel_dim=FRAME,
        upsample_initial_channel=channels,
        upsample_rates=list(RATES),
        upsample_kernel_sizes=list(KERNELS),
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1, 3, 5]],
    )


def initialise(vocoder: nn.Module) -> None:
    """The class's own initialisation is nearly silent."""
    for name, part in vocoder.named_modules():
        if isinstance(part, nn.Conv1d):
            nn.init.kaiming_normal_(part.weight, a=1.0)
            if "convs2" in name:
                part.weight.data *= 0.3
        if isinstance(part, nn.ConvTranspose1d):
            fan = part.in_channels * part.kernel_size[0]
            nn.init.normal_(part.weight, std=(part.stride[0] / fan) ** 0.5)
    last: Any = vocoder.get_submodule("conv_post")
    last.weight.data *= 0.1


def sound(vocoder: Any, frames: Tensor) -> Tensor:
    """The class's forward without its end, which leaves the graph: [clip, channel, frame] to [clip, sample]."""
    hidden = vocoder.conv_pre(vocoder.process_mel_spectrogram(frames))
    for up, block in zip(vocoder.ups, vocoder.resblocks, strict=True):
        hidden = block(up[0](hidden))
    return vocoder.conv_post(vocoder.activation_post(hidden)).clamp(-1, 1)[:, 0]


def spectral_loss(made: Tensor, true: Tensor) -> Tensor:
    """Two resolutions drawn at random: magnitude, its logarithm and (a little) the complex values themselves."""
    total = torch.zeros(())
    for size, hop in random.sample(RESOLUTIONS, 2):
        window = torch.hann_window(size)
        a, b = (
            torch.stft(wave, size, hop, size, window, center=True, return_complex=True)
            for wave in (made, true)
        )
        m, n = ((z.real**2 + z.imag**2 + 1e-7).sqrt() for z in (a, b))
        floor = 0.01 * (size / 1024) ** 0.5
        total = total + 0.5 * (m - n).norm() / n.norm()
        total = total + (torch.log(m + floor) - torch.log(n + floor)).abs().mean()
        total = total + 0.5 * (a - b).abs().mean() / n.mean()
    return total / 2


def train(
    vocoder: Any, clips: Sequence[Said], *, steps: int, rate: float = 2e-3, batch: int = 8, seed: int = 0
) -> None:
    rng = np.random.default_rng(seed)
    random.seed(seed)
    optimiser = torch.optim.AdamW(vocoder.parameters(), rate, betas=(0.8, 0.99), weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.05)
    started, seen = time.monotonic(), []
    for step in range(1, steps + 1):
        frames, waves = [], []
        for pick in rng.integers(0, len(clips), batch):
            clip = clips[pick]
            start = int(rng.integers(0, len(clip.frames) - SEGMENT + 1))
            frames.append(clip.frames[start : start + SEGMENT].T)
            waves.append(clip.wave[start * HOP : (start + SEGMENT) * HOP].astype(np.float32) / 32768)
        true = torch.from_numpy(np.stack(waves))
        made = sound(vocoder, torch.from_numpy(np.stack(frames)))
        mel = (log_mel(made) - log_mel(true)).abs().mean()
        loss = spectral_loss(made, true) + mel
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(vocoder.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        seen.append((loss.item(), mel.item()))
        if step % 100 == 0 or step == steps:
            figures = np.mean(seen[-100:], axis=0)
            print(
                f"vocoder {step}/{steps}  {time.monotonic() - started:.0f} s"
                f"  loss {figures[0]:.3f}  mel {figures[1]:.3f}",
                flush=True,
            )


def build(channels: int = 128, *, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    vocoder = modeling.Qwen2_5OmniToken2WavBigVGANModel(config(channels))
    initialise(vocoder)
    return vocoder
