"""Audio Flamingo 3: a windowed audio encoder and a Qwen2 decoder with SwiGLU gates."""

from typing import ClassVar

from esn_interp.models.families.base import Family


class AudioFlamingo3(Family):
    """Audio Flamingo 3; long clips are heard in windows of 30 seconds."""

    name = "audio-flamingo-3"
    model_types = ("audioflamingo3",)
    title = "Audio Flamingo 3"
    checkpoints: ClassVar[tuple[str, ...]] = ("nvidia/audio-flamingo-3-hf",)
    needs = "transformers only; about 17 GB of memory in bfloat16"
