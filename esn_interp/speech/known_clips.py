"""Clips known again: what statistics keep of theirs, and which of others are among these."""

from typing import TypedDict

from esn_interp.speech.clip_keys import key_of, split_keys, together
from esn_interp.speech.clips import Clips


def keys_of(clips: Clips) -> str:
    """The keys of all clips, whatever is done to these before they are heard."""
    return together(map(key_of, clips.column("id"), clips.sounds))


class Provenance(TypedDict):
    """What statistics keep of their clips beside their fingerprint."""

    preparation: str
    found_on: str


def provenance(clips: Clips) -> Provenance:
    """What statistics keep of their clips beside their fingerprint: how they are prepared, and their keys."""
    return {"preparation": str(clips.preparation), "found_on": keys_of(clips)}


def shared_keys(clips: Clips, keys: str) -> int:
    """How many of the clips have their key among these."""
    known = set(split_keys(keys))
    return sum(key in known for key in map(key_of, clips.column("id"), clips.sounds))
