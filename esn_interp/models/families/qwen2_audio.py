"""Qwen2-Audio: a Whisper encoder of 30 seconds and a Qwen2 decoder with SwiGLU gates."""

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import FamilyInfo


class Qwen2Audio(Family):
    """Qwen2-Audio. Every clip is padded to 30 seconds for the encoder, and only its own frames enter the prompt.

    The processor would cut a longer clip off without a word; here it is refused.
    """

    info = FamilyInfo(
        name="qwen2-audio",
        title="Qwen2-Audio",
        model_types=("qwen2_audio",),
        checkpoints=("Qwen/Qwen2-Audio-7B-Instruct", "Qwen/Qwen2-Audio-7B"),
        needs="transformers only; about 17 GB of memory in bfloat16",
        notes=(
            "Its generation settings hold a repetition penalty, which acts in free-text answers and not in label"
            " scores.",
            "The checkpoint without Instruct was not trained on conversations: it continues a text.",
        ),
    )
    max_seconds = 30.0
