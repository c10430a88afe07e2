"""Music Flamingo: Audio Flamingo 3 with a rotary code of the time within the clip on its audio frames."""

from typing import ClassVar

from esn_interp.models.families.base import Family


class MusicFlamingo(Family):
    """Music Flamingo; long clips are heard in windows of 30 seconds, each frame marked with its time."""

    name = "music-flamingo"
    model_types = ("musicflamingo",)
    title = "Music Flamingo"
    checkpoints: ClassVar[tuple[str, ...]] = ("nvidia/music-flamingo-2601-hf",)
    needs = "transformers only; about 17 GB of memory in bfloat16"
    max_seconds = 1200.0
    notes = (
        "The published decoder has 28 layers of 18,944 gates; transformers' default configuration has 32 of 22,016.",
        "Its chat template speaks of music where no system prompt is given: give one when the clips are speech.",
    )
