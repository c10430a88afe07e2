"""Who speaks what: the sentences, and the casts of voices of the training audio and the bundled corpora.

No two casts share a variant of espeak-ng (the part of a voice after the "+"), so that a voice of a corpus
was never heard in training, however its pitch and formants were changed. Variants that whisper, croak, buzz
or sound like a machine are left out, and so is one (Reed) that does not say the same sentence twice in the
same way.
"""

import csv
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
STUDIO_SENTENCES = SENTENCES[0:32:4]
PHONE_SENTENCES = SENTENCES[2:32:4]


def _read_voices() -> dict[str, tuple[tuple[Voice, str], ...]]:
    """The rows of voices.csv by cast: every voice with its split, which is empty outside the corpora."""
    casts: dict[str, list[tuple[Voice, str]]] = {}
    with (resources.files("esn_interp.speech") / "voices.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            voice = Voice(
                name=row["name"],
                espeak=row["espeak"],
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
STUDIO_VOICES = _CASTS["studio"]  # with the split of each: 4 validation, 6 identification, 10 evaluation
PHONE_VOICES = _CASTS["phone"]
