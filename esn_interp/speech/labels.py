"""The names of emotions: one spelling and one order for all corpora."""

from collections.abc import Iterable

CANONICAL = ("neutral", "happy", "angry", "sad", "fearful")
SPLITS = ("validation", "identification", "evaluation")

_SYNONYMS = {
    "anger": "angry", "ang": "angry",
    "happiness": "happy", "joy": "happy", "joyful": "happy", "hap": "happy",
    "sadness": "sad", "sorrow": "sad",
    "fear": "fearful", "afraid": "fearful", "fea": "fearful", "scared": "fearful",
    "neutrality": "neutral", "neu": "neutral",
    "disgust": "disgusted", "dis": "disgusted",
    "boredom": "bored",
    "surprise": "surprised", "sur": "surprised",
}  # fmt: skip


def emotion_name(label: str) -> str:
    """The project's spelling of a corpus's label: lower case, an adjective ("Anger" -> "angry")."""
    name = label.strip().lower()
    return _SYNONYMS.get(name, name)


def emotion_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Each emotion once: neutral, happy, angry, sad, fearful, then any others alphabetically."""
    present = set(emotions)
    return (*(name for name in CANONICAL if name in present), *sorted(present.difference(CANONICAL)))
