"""GLM-ASR: a windowed audio encoder and a Llama decoder with SwiGLU gates."""

from typing import ClassVar

from esn_interp.models.families.base import Family


class GlmAsr(Family):
    """GLM-ASR; long clips are heard in windows of 30 seconds, four encoder positions to an audio token."""

    name = "glm-asr"
    model_types = ("glmasr",)
    title = "GLM-ASR"
    checkpoints: ClassVar[tuple[str, ...]] = ("zai-org/GLM-ASR-Nano-2512",)
    needs = "transformers only; about 5 GB of memory in bfloat16"
    max_seconds = 655.0
    notes = ("It was trained to transcribe: expect little of it when it is asked about emotion.",)
