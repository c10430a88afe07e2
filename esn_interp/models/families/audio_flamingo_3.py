"""Audio Flamingo 3: a windowed audio encoder and a Qwen2 decoder with SwiGLU gates."""

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import FamilyInfo


class AudioFlamingo3(Family):
    """Audio Flamingo 3; long clips are heard in windows of 30 seconds.

    The windows of a clip are rows of `input_features`, encoded by themselves, and their frames stand in the prompt
    one after the other. The processor would cut a clip off after ten minutes; here it is refused.
    """

    info = FamilyInfo(
        name="audio-flamingo-3",
        title="Audio Flamingo 3",
        model_types=("audioflamingo3",),
        checkpoints=("nvidia/audio-flamingo-3-hf",),
        needs="transformers only; about 17 GB of memory in bfloat16",
        notes=(
            "The published decoder has 28 layers of 18,944 gates; transformers' default configuration has 32 of"
            " 22,016.",
            "Its chat template puts the audio before the text, and a system prompt of its own when none is given.",
            "Its generation settings hold a repetition penalty, which acts in free-text answers and not in label"
            " scores.",
        ),
    )
    max_seconds = 600.0
