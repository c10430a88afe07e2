"""Who speaks what: the sentences, and the casts of voices of the training audio and the bundled corpora.

No two casts share a variant (of espeak-ng the part of a voice after the "+", else the voice itself), so that a voice of
a corpus was never heard in training, however its pitch and formants were changed; and no two voices of a corpus do, so
that two speakers are two. Variants that whisper, croak, buzz or sound like a machine are left out, and so is one (Reed)
that does not say the same sentence twice in the same way. What evaluation voices say nobody else says, nor any voice
that something was trained on.
"""

import csv
import random
from importlib import resources

from voices.synthesis import Voice

# Plain statements and requests that can be meant in any mood, over a small vocabulary.
SENTENCES = (
    "the train leaves at seven",
    "put the book on the table",
    "she will call you tomorrow",
    "we have to go there now",
    "the door is open again",
    "he said it was here",
    "they are coming back home",
    "I saw it in the kitchen",
    "the meeting starts at noon",
    "give me the blue one",
    "the water is on the stove",
    "bring me the paper now",
    "he left an hour ago",
    "we know what happened here",
    "look at that over there",
    "this is not my coat",
    "nobody told me about it",
    "open the window please",
    "I think it is time",
    "she put the paper in the car",
    "you said the train was late",
    "my brother is in the garden",
    "they told me to come home",
    "the letter was on the stairs",
    "he will be back at noon",
    "it is seven in the morning",
    "we saw her in the street",
    "the children are at the door",
    "you have my blue coat",
    "she left the book at home",
    "tell him what you saw there",
    "I will open the letter tomorrow",
)
# Of identification and validation voices.
STUDIO_SENTENCES = SENTENCES[0:32:4]
PHONE_SENTENCES = SENTENCES[2:32:4]
# Of evaluation voices: the same words, as nobody else puts them together.
STUDIO_EVALUATION = (
    "the book is on the stairs",
    "she will be here at seven",
    "my brother left the car open",
    "bring the blue coat to the kitchen",
    "nobody saw the letter there",
    "you told me it was late",
    "we have to open it again",
    "they know what he said",
)
PHONE_EVALUATION = (
    "the meeting is here tomorrow",
    "I left my book in the train",
    "tell her the door is open",
    "give him the paper at noon",
    "she saw the children in the garden",
    "he put the letter on the table",
    "look what happened to the window",
    "they will call me back now",
)


def spliced(count: int, *, seed: int) -> tuple[str, ...]:
    """So many further rows of the same words, pieces of one to three of them from anywhere; most mean nothing.

    Who learns to transcribe from `SENTENCES` alone learns to tell which of them was said.
    """
    rng = random.Random(seed)
    taken = {*SENTENCES, *STUDIO_EVALUATION, *PHONE_EVALUATION}
    found: list[str] = []
    while len(found) < count:
        row: list[str] = []
        while len(row) < 4:
            words = rng.choice(SENTENCES).split()
            start = rng.randrange(len(words))
            row += words[start : start + rng.randint(1, 3)]
        sentence = " ".join(row)
        if sentence not in taken:
            taken.add(sentence)
            found.append(sentence)
    return tuple(found)


def _read_voices() -> dict[str, tuple[tuple[Voice, str], ...]]:
    """The rows of voices.csv by cast: every voice with its split, which is empty outside the corpora."""
    casts: dict[str, list[tuple[Voice, str]]] = {}
    with (resources.files("esn_interp.speech") / "voices.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            voice = Voice(
                name=row["name"],
                engine=row["engine"],
                reader=row["reader"],
                sex=row["sex"],
                pitch=float(row["pitch"]),
                formants=float(row["formants"]),
                gain=float(row["gain"]),
            )
            casts.setdefault(row["cast"], []).append((voice, row["split"]))
    return {cast: tuple(voices) for cast, voices in casts.items()}


_CASTS = _read_voices()
TRAINING_VOICES = tuple(voice for voice, _ in _CASTS["training"])
DEVELOPMENT_VOICES = tuple(voice for voice, _ in _CASTS["development"])
NATURAL_VOICES = _CASTS["natural"]  # for the last stage of toy-omni; with the split of each
STUDIO_VOICES = _CASTS["studio"]  # with the split of each: 4 validation, 6 identification, 10 evaluation
PHONE_VOICES = _CASTS["phone"]
