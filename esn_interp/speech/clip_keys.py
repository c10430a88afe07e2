"""Keys by which clips are known again: sixteen hex digits each, eight of the id and eight of the recording.

The keys of many clips are one text, sorted, so that statistics and neuron sets can carry on which clips they rest.
"""

import hashlib
from collections.abc import Iterable, Sequence

DIGITS = 16
_OF_ID = 8


def key_of(clip: str, sound: str) -> str:
    """The key of the clip of this id, whose recording is known by its ``sound``."""
    return _digest(clip)[:_OF_ID] + _digest(sound)[: DIGITS - _OF_ID]


def split_keys(keys: str) -> list[str]:
    """The keys one by one."""
    return [keys[start : start + DIGITS] for start in range(0, len(keys), DIGITS)]


def together(keys: Iterable[str]) -> str:
    """Keys as one text, each once."""
    return "".join(sorted(set(keys)))


def keys_of_ids(keys: str, ids: Sequence[str]) -> str:
    """Those of the keys that are of clips with these ids."""
    wanted = {_digest(clip)[:_OF_ID] for clip in ids}
    return together(key for key in split_keys(keys) if key[:_OF_ID] in wanted)


def joined_keys(parts: Iterable[str]) -> str:
    """The keys of several corpora together; none where those of one are not known."""
    found = list(parts)
    return together(key for part in found for key in split_keys(part)) if all(found) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
