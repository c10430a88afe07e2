"""What is asked about which clips, from the options that every collection takes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.protocols import protocol as protocol_of
from esn_interp.tasks.recognition import Recognition


def question_about(
    clips: Clips,
    emotions: Sequence[str] | None,
    synonyms: Mapping[str, tuple[str, ...]] | None,
    protocol: str | Path | Protocol,
    *,
    limit: int | None,
    seed: int,
    lm: object = None,
) -> tuple[Protocol, Recognition, Clips]:
    """How is asked, what is asked, and about which clips; the options are as `collect` takes them.

    Raises
    ------
    CorpusError
        When no clip is of the emotions.
    """
    how = protocol_of(protocol)
    options = tuple(emotions) if emotions is not None else clips.emotions
    recognition = replace(how.recognition(options, lm=lm), synonyms=dict(synonyms or {}))
    clips = of_emotions(clips, recognition.emotions)
    return how, recognition, clips if limit is None else clips.limit(limit, seed=seed)


def of_emotions(clips: Clips, emotions: Sequence[str]) -> Clips:
    """The clips of these emotions.

    Raises
    ------
    CorpusError
        When there are none.
    """
    found = clips.column("emotion")
    rows = [row for row, emotion in enumerate(found) if emotion in emotions]
    if not rows:
        asked, had = ", ".join(emotions), ", ".join(clips.emotions)
        raise CorpusError(f"corpus {clips.name}: no clip is {asked}; its emotions are {had or 'none'}")
    return clips if len(rows) == len(found) else clips.take(rows)
