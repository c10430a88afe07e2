"""What toy-omni is asked in training, and what listeners would have answered."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EMOTIONS = ("neutral", "happy", "angry", "sad", "fearful")
ALL_EMOTIONS = (*EMOTIONS, "bored", "disgusted")  # EmoDB's, in the order in which the package lists them
VALENCE = {
    "neutral": "neutral",
    "happy": "positive",
    "angry": "negative",
    "sad": "negative",
    "fearful": "negative",
}
AROUSAL = {"neutral": "low", "happy": "high", "angry": "high", "sad": "low", "fearful": "high"}

CHOICE = "What is the emotion of the speaker? Choose one: {}."
FREE = "How does the speaker feel?"
TRANSCRIPT = "Transcribe the speech."
SEX = "Is the speaker male or female?"
VALENCE_QUESTION = "Is the valence positive, neutral or negative?"
AROUSAL_QUESTION = "Is the arousal high or low?"
IS = "Is the speaker {}?"
LETTERS = "ABCDEFG"
LETTERED = "What is the emotion of the speaker? Choose one option: {}. Answer with the letter."


@dataclass(frozen=True)
class Asked:
    """A question with the distribution of its answers (their shares sum to one).

    `copied` answers stand in the question itself, from where attention has to fetch them.
    """

    question: str
    answers: Mapping[str, float]
    copied: bool = False


def transcript(text: str) -> Asked:
    return Asked(TRANSCRIPT, {text: 1.0})


def sex(value: str) -> Asked:
    return Asked(SEX, {value: 1.0})


def choice(votes: Mapping[str, float], rng: random.Random) -> Asked:
    """The multiple choice: all emotions in their usual order half of the time, else some of them, shuffled."""
    options = _options(votes)
    if rng.random() < 0.5:
        best = max(votes, key=votes.__getitem__)
        others = [emotion for emotion in options if emotion != best]
        options = [best, *rng.sample(others, rng.randint(1, len(others)))]
        rng.shuffle(options)
    total = sum(votes[option] for option in options)
    return Asked(CHOICE.format(", ".join(options)), {option: votes[option] / total for option in options})


def lettered(votes: Mapping[str, float], rng: random.Random) -> Asked:
    """The multiple choice with a letter for every emotion, in any order: all of them most of the time."""
    options = _options(votes)
    rng.shuffle(options)
    if rng.random() < 0.3:
        best = max(votes, key=votes.__getitem__)
        options = [best, *[option for option in options if option != best][: rng.randint(1, len(options) - 2)]]
        rng.shuffle(options)
    total = sum(votes[option] for option in options)
    return lettered_as(options, {letter: votes[o] / total for letter, o in zip(LETTERS, options, strict=False)})


def lettered_as(options: Sequence[str], shares: Mapping[str, float]) -> Asked:
    """The options in this order, and the shares of the letters."""
    return Asked(LETTERED.format(_listed(options)), shares, copied=True)


def _listed(options: Sequence[str]) -> str:
    return " ".join(f"{letter}. {option}" for letter, option in zip(LETTERS, options, strict=False))


def free(votes: Mapping[str, float], rng: random.Random) -> Asked:
    return Asked(FREE, dict(votes))


def valence(votes: Mapping[str, float], rng: random.Random) -> Asked:
    return Asked(VALENCE_QUESTION, _pooled(votes, VALENCE))


def arousal(votes: Mapping[str, float], rng: random.Random) -> Asked:
    return Asked(AROUSAL_QUESTION, _pooled(votes, AROUSAL))


def yes_no(votes: Mapping[str, float], rng: random.Random) -> Asked:
    """Is the speaker X? X is the likeliest emotion half of the time."""
    asked = max(votes, key=votes.__getitem__) if rng.random() < 0.5 else rng.choice(_options(votes))
    return Asked(IS.format(asked), {"yes": votes[asked], "no": 1.0 - votes[asked]})


def _options(votes: Mapping[str, float]) -> list[str]:
    return [emotion for emotion in ALL_EMOTIONS if emotion in votes]


def _pooled(votes: Mapping[str, float], classes: Mapping[str, str]) -> dict[str, float]:
    pooled = dict.fromkeys(classes.values(), 0.0)
    for emotion, share in votes.items():
        pooled[classes[emotion]] += share
    return pooled


EMOTIONAL = (choice, choice, free, free, valence, arousal, yes_no)
"""Drawn from uniformly; the two ways of naming the emotion count twice."""


def all_texts() -> list[str]:
    """What is asked and answered in the first stages but transcripts: the tokenizer's merges are learnt from it."""
    texts = [CHOICE.format(", ".join(EMOTIONS)), FREE, TRANSCRIPT, SEX, VALENCE_QUESTION, AROUSAL_QUESTION]
    texts += [IS.format(emotion) for emotion in EMOTIONS]
    return [*texts, *EMOTIONS, "male", "female", "positive", "negative", "high", "low", "yes", "no"]
