"""Codes to frames: a small diffusion transformer, trained by flow matching (Lipman et al. 2023, arXiv 2210.02747).

Its attention sees blocks. A block is one code here, so that a frame knows its place within its code, which decides the
phase of the source.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as modeling
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniDiTConfig

from toy_omni.speaking.codec import SPECIAL
from toy_omni.speaking.frames import FRAME, FRAMES_PER_CODE, MELS
from toy_omni.speaking.output_voices import VOICES, Said

WINDOW = 24  # codes
REFERENCE = 60  # frames
CONDITION = 32


def config(vocabulary: int, *, hidden: int = 128, layers: int = 4) -> Qwen2_5OmniDiTConfig:
    made = Qwen2_5OmniDiTConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        head_dim=hidden // 4,
        emb_dim=64,
        num_embeds=vocabulary,
        repeats=FRAMES_PER_CODE,
        mel_dim=FRAME,
        block_size=FRAMES_PER_CODE,
        look_ahead_layers=[1, 3],
        look_backward_layers=[0, 2],
        enc_emb_dim=CONDITION,
        enc_dim=CONDITION,
        enc_channels=[32, 32, 32, 32, 96],
        enc_attention_channels=16,
        enc_se_channels=16,
        dropout=0.0,
        max_position_embeddings=4096,
    )
    made._attn_implementation = "sdpa"
    return made


def build(
    triples: Int[np.ndarray, "token triple"], mean: Float[np.ndarray, " channel"], *, seed: int = 0
) -> Any:
    """A transformer whose codes begin as sums of a vector for the shape, one for the pitch and one for the level."""
    torch.manual_seed(seed)
    model = modeling.Qwen2_5OmniToken2WavDiTModel(config(SPECIAL + len(triples)))
    embedding = model.text_embed.codec_embed.weight
    parts = [torch.randn(int(column.max()) + 1, embedding.shape[1]) * 0.35 for column in triples.T]
    with torch.no_grad():
        embedding[:] = 0.0
        rows = torch.from_numpy(triples)
        embedding[SPECIAL : SPECIAL + len(triples)] = sum(part[rows[:, i]] for i, part in enumerate(parts))
        nn.init.xavier_normal_(model.input_embed.proj.weight)
        model.proj_out.bias.copy_(torch.from_numpy(mean))
    return model


def conditions(*, seed: int = 0) -> Float[np.ndarray, "voice feature"]:
    """A fixed vector for each voice."""
    return np.random.default_rng(seed).normal(scale=0.7, size=(len(VOICES), CONDITION)).astype(np.float32)


def references(clips: Sequence[Said]) -> Float[np.ndarray, "voice frame channel"]:
    """The beginning of a faint neutral clip of each voice."""
    found = []
    for voice in range(len(VOICES)):
        neutral = [
            c for c in clips if c.voice == voice and c.emotion == "neutral" and len(c.frames) > REFERENCE + 20
        ]
        found.append(neutral[0].frames[20 : 20 + REFERENCE])
    return np.stack(found).astype(np.float32)


def train(
    model: Any,
    clips: Sequence[Said],
    codes: Sequence[Int[np.ndarray, " code"]],
    *,
    steps: int,
    rate: float = 2e-3,
    batch: int = 16,
    unconditional: float = 0.05,
    seed: int = 0,
) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    long = [i for i, code in enumerate(codes) if len(code) >= WINDOW]
    condition, reference = torch.from_numpy(conditions()), torch.from_numpy(references(clips))
    optimiser = torch.optim.AdamW(model.parameters(), rate, betas=(0.9, 0.98), weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.05)
    started, seen = time.monotonic(), []
    width = WINDOW * FRAMES_PER_CODE
    for step in range(1, steps + 1):
        frames, tokens, voices = [], [], []
        for pick in rng.choice(long, batch):
            start = int(rng.integers(0, len(codes[pick]) - WINDOW + 1))
            frames.append(clips[pick].frames[start * FRAMES_PER_CODE :][:width])
            tokens.append(codes[pick][start : start + WINDOW])
            voices.append(clips[pick].voice)
        end, code = torch.from_numpy(np.stack(frames)), torch.from_numpy(np.stack(tokens))
        begin, moment = torch.randn_like(end), torch.rand(batch)
        drop = bool(rng.random() < unconditional)
        velocity = model(
            begin + (end - begin) * moment[:, None, None],
            reference[voices],
            condition[voices][:, None].expand(-1, width, -1),
            code,
            moment,
            drop_audio_conditioning=drop,
            drop_code=drop,
            apply_cfg=False,
        )
        error = (velocity - (end - begin)).square().mean(dim=(0, 1))
        loss = error[:MELS].mean() + error[MELS:].mean()  # a wrong phase is heard more than a wrong band
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        if not drop:
            seen.append((error[:-16].mean().item(), error[-16:].mean().item()))
        if step % 100 == 0 or step == steps:
            mel, source = np.mean(seen[-100:], axis=0)
            print(
                f"diffusion {step}/{steps}  {time.monotonic() - started:.0f} s  mel {mel:.3f}  source {source:.3f}",
                flush=True,
            )
