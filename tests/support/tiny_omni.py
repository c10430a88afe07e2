"""A very small, randomly initialised Qwen2.5-Omni of the real classes, saved and loaded from disk like any other.

Random weights of the default size give gates near zero and almost equal answers; they are scaled up so that every
difference that a test looks for is far above rounding.
"""

from pathlib import Path

import numpy as np
import torch

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
CHOICE = "What is the emotion of the speaker? Choose one: neutral, happy, angry, sad, fearful."


def save_tiny(folder: Path, *, seed: int = 0) -> Path:
    from toy_omni import architecture, questions

    tokenizer = architecture.make_tokenizer(questions.all_texts())
    model = architecture.build(
        tokenizer, seed=seed, hidden=32, layers=3, gates=24, encoder=32, encoder_layers=1
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layers" in name and parameter.ndim == 2:
                parameter.mul_(8)
        model.lm_head.weight.mul_(20)
    architecture.save(model, tokenizer, folder)
    return folder


def noise(*seconds: float, seed: int = 0) -> list[np.ndarray]:
    """Noise bursts of the given lengths at 16 kHz: any audio will do for a random model."""
    rng = np.random.default_rng(seed)
    return [(0.1 * rng.normal(size=round(16_000 * length))).astype(np.float32) for length in seconds]
