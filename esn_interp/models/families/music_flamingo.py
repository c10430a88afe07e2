"""Music Flamingo: Audio Flamingo 3 with a rotary code of the time within the clip on its audio frames."""

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import FamilyInfo


class MusicFlamingo(Family):
    """Music Flamingo; long clips are heard in windows of 30 seconds, each frame marked with its time."""

    info = FamilyInfo(
        name="music-flamingo",
        title="Music Flamingo",
        model_types=("musicflamingo",),
        checkpoints=("nvidia/music-flamingo-2601-hf",),
        needs="transformers only; about 17 GB of memory in bfloat16",
        notes=(
            "The published decoder has 28 layers of 18,944 gates; transformers' default configuration has 32 of"
            " 22,016.",
            "Its chat template speaks of music where no system prompt is given: give one when the clips are speech.",
        ),
    )
    max_seconds = 1200.0
