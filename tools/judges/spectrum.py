"""toy-spectrum: a small Audio Spectrogram Transformer of transformers that hears emotion in patches of the spectrum."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.metrics import recall_score
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

from esn_interp.speech.audio import SAMPLE_RATE
from esn_interp.speech.labels import CANONICAL as EMOTIONS
from judges.recordings import DEVELOPMENT, TRAINING, Recordings, read

MELS, FRAMES = 64, 320  # 3.2 s: what is longer is cut off
MEAN, DEVIATION = -8.0, 4.0  # of the natural logarithm of the mel power of the training audio, rounded
DECIBEL = math.log(10) / 10
FLOOR = -15.94  # the extractor's


@dataclass(frozen=True)
class Recipe:
    """Sizes, lengths of training, and how clips are changed."""

    steps: int = 1500
    batch: int = 32
    rate: float = 1.5e-3
    hidden: int = 96
    layers: int = 3
    gain: float = 2.5  # dB (standard deviation)
    tilt: float = 0.7  # dB per octave (standard deviation)
    tempo: tuple[float, float] = (0.92, 1.08)
    tract: tuple[float, float] = (0.95, 1.05)
    noise: tuple[float, float] = (-16.0, -10.0)  # log power of what is added
    dropout: float = 0.1
    late: int = 12  # frames by which a clip may start later


def make_extractor() -> ASTFeatureExtractor:
    return ASTFeatureExtractor(num_mel_bins=MELS, max_length=FRAMES, mean=MEAN, std=DEVIATION)


def make_model(recipe: Recipe) -> ASTForAudioClassification:
    config = ASTConfig(
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=4,
        intermediate_size=2 * recipe.hidden,
        hidden_dropout_prob=recipe.dropout,
        patch_size=16,
        frequency_stride=8,
        time_stride=16,
        max_length=FRAMES,
        num_mel_bins=MELS,
        id2label=dict(enumerate(EMOTIONS)),
        label2id={emotion: place for place, emotion in enumerate(EMOTIONS)},
    )
    return ASTForAudioClassification(config)


def hear(recordings: Recordings, extractor: ASTFeatureExtractor) -> list[Tensor]:
    """Log mel power of every clip, neither normalised nor filled up. [frame, mel]"""
    heard: list[Tensor] = []
    for clip in range(len(recordings)):
        wave = recordings.waveform(clip)
        made = extractor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_values"][0]
        frames = (len(wave) - 400) // 160 + 1
        heard.append((made[:frames] * 2 * DEVIATION + MEAN).half())
    return heard


def as_input(mel: Tensor) -> Tensor:
    """What the network is given, as the feature extractor makes it. [FRAMES, mel]"""
    filled = torch.zeros(FRAMES, MELS)
    filled[: len(mel)] = mel[:FRAMES]
    return (filled - MEAN) / (2 * DEVIATION)


def changed(mel: Tensor, rng: np.random.Generator, recipe: Recipe) -> Tensor:
    """At another tempo and distance, by another speaker, over another microphone, in noise. [frame, mel]"""
    frames = round(len(mel) * rng.uniform(*recipe.tempo))
    stretched = round(MELS * rng.uniform(*recipe.tract))
    mel = interpolate(
        mel.float()[None, None], size=(frames, stretched), mode="bilinear", align_corners=False
    )[0, 0, :, :MELS]
    mel = torch.cat([mel, mel[:, -1:].expand(-1, MELS - mel.shape[1])], dim=1)
    octaves = torch.linspace(-3, 3, MELS)  # about 1 kHz, from 125 Hz to 8 kHz
    gain, tilt = rng.normal(size=2) * (recipe.gain, recipe.tilt)
    mel = mel + DECIBEL * (gain + tilt * octaves)
    noise = (
        rng.uniform(*recipe.noise) + torch.from_numpy(np.log(rng.exponential(size=tuple(mel.shape)))).float()
    )
    mel = torch.logaddexp(mel, noise).clamp(min=FLOOR)
    late = mel[:1].expand(int(rng.integers(recipe.late + 1)), -1)
    return torch.cat([late, mel])


def recall(model: ASTForAudioClassification, inputs: Tensor, emotions: np.ndarray) -> float:
    """Unweighted average recall."""
    model.eval()
    with torch.no_grad():
        said = torch.cat([model(part).logits for part in inputs.split(64)]).argmax(-1).numpy()
    model.train()
    return float(recall_score(emotions, said, average="macro"))


def train(audio: Path, out: Path, recipe: Recipe, *, seed: int = 0) -> None:
    """Train, say how well it hears the development voices, and save in half precision."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    extractor, model = make_extractor(), make_model(recipe)
    recordings, development = read(audio, TRAINING), read(audio, DEVELOPMENT)
    heard = hear(recordings, extractor)
    votes = torch.from_numpy(recordings.votes).float()
    unheard = hear(development, extractor)
    plain = torch.stack([as_input(mel.float()) for mel in unheard])
    other = torch.stack([as_input(changed(mel, rng, recipe)) for mel in unheard])
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / 150, 0.5 * (1 + math.cos(math.pi * step / recipe.steps)) + 1e-3),
    )
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    for step in range(recipe.steps):
        clips = rng.integers(len(heard), size=recipe.batch)
        inputs = torch.stack([as_input(changed(heard[clip], rng, recipe)) for clip in clips.tolist()])
        loss = cross_entropy(model(inputs).logits, votes[clips])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 150 == 0:
            print(
                f"step {step + 1}: loss {loss.item():.3f}, UAR of the development voices"
                f" {recall(model, plain, development.emotions):.3f},"
                f" changed {recall(model, other, development.emotions):.3f}"
            )
    out.mkdir(parents=True, exist_ok=True)
    extractor.save_pretrained(out)
    model.half().save_pretrained(out)
