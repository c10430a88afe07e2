"""One tiny, randomly initialised model per family, of the family's real classes, saved to disk like a checkpoint.

`BUILDERS` maps a family's name to a function that writes such a folder; whoever adds a family adds a builder here.
"""

from collections.abc import Callable
from pathlib import Path

from tiny import save_tiny
from tiny_models.flamingo import save_audio_flamingo_3

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "qwen2.5-omni": save_tiny,
    "audio-flamingo-3": save_audio_flamingo_3,
}
