"""The names of emotions: one spelling, one order and one vocabulary for all corpora."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from esn_interp.errors import CorpusError
from esn_interp.speech.spelling import one_form

CANONICAL = ("neutral", "happy", "angry", "sad", "fearful")
FURTHER = (
    *("anxious", "apologetic", "assertive", "bored", "calm", "concerned", "contemptuous", "disgusted"),
    *("encouraging", "excited", "frustrated", "surprised"),
)
VOCABULARY = (*CANONICAL, *FURTHER)
"""Every emotion that a corpus known by name may have."""
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
    "calmness": "calm", "contempt": "contemptuous", "excitement": "excited", "exc": "excited",
    "frustration": "frustrated", "fru": "frustrated", "anxiety": "anxious",
}  # fmt: skip


def emotion_name(label: str) -> str:
    """The project's spelling of a corpus's label: lower case, an adjective ("Anger" -> "angry").

    A label that is no spelling of a word of the vocabulary stays what it is, in lower case: nothing is
    guessed.
    """
    name = one_form(label.strip().lower())
    return _SYNONYMS.get(name, name)


def asked_emotion(label: str, *, also: Iterable[str] = ()) -> str:
    """The project's spelling of an emotion that somebody asks for: a word of the vocabulary, or one of ``also``.

    Raises
    ------
    CorpusError
        When it is none: it is misspelled, as a rule, and nobody would notice in what is said.
    """
    name, known = emotion_name(label), (*VOCABULARY, *also)
    if label in known:
        return label
    if name in known:
        return name
    near = get_close_matches(name, known, n=1)
    raise CorpusError(
        f"no emotion {label!r}" + (f"; did you mean {near[0]}?" if near else f"; choose from {', '.join(known)}")
    )


def emotion_order(emotions: Iterable[str]) -> tuple[str, ...]:
    """Each emotion once: neutral, happy, angry, sad, fearful, then any others alphabetically."""
    present = set(emotions)
    return (*(name for name in CANONICAL if name in present), *sorted(present.difference(CANONICAL)))


def translate(labels: Sequence[str], table: Mapping[str, str]) -> tuple[list[str], Counter[str]]:
    """Each label's emotion by a table of a corpus's own codes, and how often each code was met without one.

    A label that the table does not hold, or maps to nothing, has the empty emotion and is counted.
    """
    emotions = [table.get(label, "") for label in labels]
    unmapped = Counter(label for label, emotion in zip(labels, emotions, strict=True) if not emotion)
    return emotions, unmapped


def labels_met(table: Mapping[str, str] | None, labels: Iterable[object], *, name: str) -> str:
    """The note on entries of a user's table that no clip of corpus ``name`` has; empty where all are met.

    Raises
    ------
    CorpusError
        When none is met, so that the table changes nothing.
    """
    wanted, there = {one_form(str(label)) for label in table or ()}, {one_form(str(label)) for label in labels}
    if not wanted or wanted <= there:
        return ""
    unmet = ", ".join(map(repr, sorted(wanted - there)))
    if not wanted & there:
        had = ", ".join(map(repr, sorted(there)[:12])) or "none"
        raise CorpusError(f"corpus {name}: labels: no clip is labelled {unmet}; its labels are {had}")
    return f"labels that no clip has, out of those that were given: {unmet}"


def listing(counts: Mapping[str, int], *, most: int = 12) -> str:
    """Names with their counts, the commonest first, for a message: "1,849 frustrated, 107 surprised"."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{count:,} {name}" for name, count in ordered[:most]]
    if len(ordered) > most:
        shown.append(f"{sum(count for _, count in ordered[most:]):,} of {len(ordered) - most} further labels")
    return ", ".join(shown)


def foreign_labels(emotions: Iterable[str]) -> str:
    """The note on labels that are no words of the vocabulary: they are kept as they are, and never guessed."""
    foreign = Counter(emotion for emotion in emotions if emotion not in VOCABULARY)
    return f"labels that are not in the vocabulary, kept as they are: {listing(foreign)}" if foreign else ""
