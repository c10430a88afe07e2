"""Judges of speech by name, path or hub id: its emotion, its words, its speaker, its naturalness, its prosody.

No judge is the model that is studied. Where two judges of emotion are at hand, one filters and the other scores:
:data:`FILTER` and :data:`SCORER`.
"""

from pathlib import Path
from typing import Any

from esn_interp.tasks.judges.prosody import Prosody, prosody
from esn_interp.tasks.judges.protocol import EmotionJudge, NaturalnessJudge, SpeakerJudge, TranscriptJudge
from esn_interp.tasks.judges.word_errors import Errors, errors

FILTER, SCORER = "toy-spectrum", "toy-prosody"
"""The bundled judges of emotion: the first decides which conversions neurons are identified from, the second scores."""
RECOGNISER = "toy-ctc"
"""The bundled judge of words."""

__all__ = [
    "FILTER",
    "RECOGNISER",
    "SCORER",
    "EmotionJudge",
    "Errors",
    "NaturalnessJudge",
    "Prosody",
    "SpeakerJudge",
    "TranscriptJudge",
    "emotion_judge",
    "errors",
    "naturalness_judge",
    "prosody",
    "speaker_judge",
    "transcript_judge",
]


def emotion_judge(name: str | Path | EmotionJudge, **options: Any) -> EmotionJudge:
    """A judge of emotion.

    ``name`` is ``"toy-prosody"`` or ``"toy-spectrum"`` (they come with the package), a folder or hub id of any audio
    classifier of transformers whose labels name emotions, ``"emotion2vec"`` (needs the extra of this name), or a
    judge already, which is returned as it is.

    Raises `ModelError` when there is no such judge, its package is missing, or its labels name no emotion.
    """
    raise NotImplementedError


def transcript_judge(name: str | Path | TranscriptJudge, **options: Any) -> TranscriptJudge:
    """A judge of words: ``"toy-ctc"``, or any CTC or sequence-to-sequence recogniser of transformers (Whisper)."""
    raise NotImplementedError


def speaker_judge(name: str | Path | SpeakerJudge, **options: Any) -> SpeakerJudge:
    """A judge of voices: any x-vector model of transformers, such as ``"microsoft/wavlm-base-plus-sv"``."""
    raise NotImplementedError


def naturalness_judge(name: str | NaturalnessJudge, **options: Any) -> NaturalnessJudge:
    """A judge of naturalness: ``"utmos"`` (needs the extra ``mos``)."""
    raise NotImplementedError
