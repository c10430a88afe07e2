"""Free-text answers about the speaker's feeling: which emotion they name, if any."""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from esn_interp.errors import CorpusError
from esn_interp.models.edits import Edit
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import Listener, longest_clip
from esn_interp.tasks.recognition import BASELINE, FREE_QUESTION, Recognition

SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "neutral": ("neutral", "neutrality", "calm", "unemotional", "emotionless", "indifferent", "composed"),
    "happy": (
        *("happy", "happily", "happiness", "joy", "joyful", "joyous", "cheerful", "glad", "delighted"),
        *("pleased", "elated", "excited", "amused"),
    ),
    "angry": (
        *("angry", "angrily", "anger", "furious", "mad", "enraged", "outraged", "irate", "annoyed"),
        *("irritated", "frustrated"),
    ),
    "sad": (
        *("sad", "sadly", "sadness", "unhappy", "sorrow", "sorrowful", "depressed", "gloomy", "melancholy"),
        *("melancholic", "miserable", "grieving", "dejected", "downcast"),
    ),
    "fearful": (
        *("fearful", "fear", "afraid", "scared", "frightened", "terrified", "anxious", "anxiety", "nervous"),
        *("worried", "panicked", "panicking"),
    ),
    "disgusted": ("disgusted", "disgust", "revolted", "repulsed"),
    "surprised": ("surprised", "surprise", "astonished", "amazed", "shocked"),
    "bored": ("bored", "boredom", "uninterested"),
    "frustrated": ("frustrated", "frustration"),
    "excited": ("excited", "excitement"),
    "contemptuous": ("contemptuous", "contempt", "scornful"),
}
"""Words that name an emotion; our choice, after the answers that such models give."""

_NEGATIONS = {
    *("not", "never", "no", "neither", "nor", "without", "hardly"),
    *("isn't", "aren't", "wasn't", "doesn't", "don't"),
}


def parse_emotion(text: str, emotions: Sequence[str]) -> str | None:
    """The one emotion that an answer names, by its name or a synonym; None when it names none, or several.

    A word that is itself one of ``emotions`` stands for that one only. A word is passed over when one of the
    two words before it negates it ("not happy", "isn't very sad"), unless that is a "not only".
    """
    meaning = {word: emotion for emotion in emotions for word in SYNONYMS.get(emotion, ())}
    meaning |= {emotion.lower(): emotion for emotion in emotions}
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower().replace("’", "'"))
    named: set[str] = set()
    for at, word in enumerate(words):
        before = words[max(0, at - 2) : at]
        negated = "only" not in before and not _NEGATIONS.isdisjoint(before)
        if word in meaning and not negated:
            named.add(meaning[word])
    return named.pop() if len(named) == 1 else None


def parse_letter(text: str, letters: Sequence[str]) -> str | None:
    """The one letter that an answer gives; None when it gives none, or several.

    A letter stands by itself, in brackets or before a sign; ``A`` before a word is an article.
    """
    stripped = text.strip().lstrip("([*\"' ")
    if stripped[:1] in letters and re.match(r"[A-Z]\s*($|[).:,;\]*\"'\n])", stripped):
        return stripped[0]
    named = {one for one in re.findall(r"\b([B-Z]|A(?!\s+[a-z]))\b", text) if one in letters}
    return named.pop() if len(named) == 1 else None


def parse_answer(text: str, recognition: Recognition, clip: str) -> str | None:
    """The emotion that a written answer gives when this clip was asked about, by its letter or its name."""
    if recognition.wording.lettered and (letter := parse_letter(text, recognition.labels)) is not None:
        order = recognition.wording.order(clip, len(recognition.emotions))
        return recognition.emotions[int(order[recognition.labels.index(letter)])]
    return parse_emotion(text, recognition.emotions)


def free_answers(
    lm: Listener,
    clips: Clips,
    *,
    conditions: Mapping[str, Sequence[Edit]] | None = None,
    question: str = FREE_QUESTION,
    max_new_tokens: int = 24,
    batch_size: int = 32,
    progress: bool = True,
) -> dict[str, dict[str, str]]:
    """Greedy answers to an open question: for each condition, the text by clip id, in corpus order.

    Clips whose audio is bad are left out.
    """
    conditions = conditions or {BASELINE: ()}
    skipped: list[Skipped] = []
    answers: dict[str, dict[int, str]] = {name: {} for name in conditions}
    with progress_bar("Asking freely", len(clips) * len(conditions), enabled=progress) as advance:
        for batch in batches(clips, batch_size=batch_size, skipped=skipped, longest=longest_clip(lm)):
            for name, edits in conditions.items():
                texts = lm.generate(batch.waveforms, question, edits=edits, max_new_tokens=max_new_tokens)
                answers[name] |= dict(zip(batch.rows, texts, strict=True))
                advance(len(batch))
    if len(skipped) == len(clips):
        raise CorpusError(f"corpus {clips.name}: no clip to ask about")
    ids = clips.column("id")
    return {name: {str(ids[row]): texts[row] for row in sorted(texts)} for name, texts in answers.items()}


def parse_rate(
    lm: Listener,
    clips: Clips,
    *,
    conditions: Mapping[str, Sequence[Edit]] | None = None,
    emotions: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
    progress: bool = True,
) -> float:
    """Share of greedy free-text answers from which an emotion can be read, the mean over the conditions.

    Parameters
    ----------
    emotions
        What an answer may name; the clips' emotions by default.
    limit
        Ask about so many clips only, evenly over the emotions, drawn with ``seed``.
    """
    chosen = clips if limit is None else clips.limit(limit, seed=seed)
    answers = free_answers(lm, chosen, conditions=conditions, batch_size=batch_size, progress=progress)
    emotions = clips.emotions if emotions is None else emotions
    shares = [
        np.mean([parse_emotion(text, emotions) is not None for text in texts.values()])
        for texts in answers.values()
    ]
    return float(np.mean(shares))
