"""Clips known again: what statistics keep of theirs, and which of others are among these."""

from typing import TypedDict

from esn_interp.errors import AudioError, CorpusError
from esn_interp.speech.clip_keys import key_of, split_keys, together
from esn_interp.speech.clips import Clips
from esn_interp.speech.identity import UNREADABLE


def keys_of(clips: Clips) -> str:
    """The keys of all clips, whatever is done to these before they are heard."""
    return together(map(key_of, clips.column("id"), clips.sounds))


class Provenance(TypedDict):
    """What statistics keep of their clips beside their fingerprint."""

    preparation: str
    found_on: str


def provenance(clips: Clips) -> Provenance:
    """What statistics keep of their clips beside their fingerprint: how they are prepared, and their keys.

    Raises
    ------
    CorpusError
        When a recording is there under several emotions, see `require_one_emotion`.
    """
    require_one_emotion(clips)
    return {"preparation": str(clips.preparation), "found_on": keys_of(clips)}


def shared_keys(clips: Clips, keys: str) -> int:
    """How many of the clips have their key among these."""
    known = set(split_keys(keys))
    return sum(key in known for key in map(key_of, clips.column("id"), clips.sounds))


def require_one_emotion(clips: Clips) -> None:
    """Refuse clips of which two are the same recording under different emotions: all labels but one are wrong.

    Files that can't be used, such as empty ones, are left to whoever hears them.

    Raises
    ------
    CorpusError
        When there are such clips; names two, and counts the recordings.
    """
    ids, emotions = clips.column("id"), clips.column("emotion")
    first: dict[str, int] = {}
    against: dict[str, int] = {}
    for row, sound in enumerate(clips.sounds):
        if sound != UNREADABLE and emotions[first.setdefault(sound, row)] != emotions[row]:
            against.setdefault(sound, row)
    pairs = [(first[sound], row) for sound, row in against.items() if _usable(clips, row)]
    if pairs:
        named = " and ".join(f"{ids[row]} ({emotions[row]})" for row in pairs[0])
        raise CorpusError(
            f"corpus {clips.name}: recordings that are there under several emotions: {len(pairs)}, such as {named};"
            " all labels but one are wrong: correct or remove them"
        )


def _usable(clips: Clips, row: int) -> bool:
    try:
        clips[row].waveform()
    except AudioError:
        return False
    return True
