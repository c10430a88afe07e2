"""GLM-ASR: a windowed audio encoder and a Llama decoder with SwiGLU gates."""

from esn_interp.models.families.base import Family
from esn_interp.models.families.info import FamilyInfo


class GlmAsr(Family):
    """GLM-ASR; long clips are heard in windows of 30 seconds, four encoder positions to an audio token."""

    info = FamilyInfo(
        name="glm-asr",
        title="GLM-ASR",
        model_types=("glmasr",),
        checkpoints=("zai-org/GLM-ASR-Nano-2512",),
        needs="transformers only; about 5 GB of memory in bfloat16",
        notes=("It was trained to transcribe: expect little of it when it is asked about emotion.",),
    )
    max_seconds = 655.0
