"""A model that reads: written sentences asked about as clips are, and the statistics of its gates meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from esn_interp.errors import StatisticsError
from esn_interp.models.families.inputs import Inputs
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.origin import GatedModel, Origin
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.recognition import Recognition

READ = "written sentences"
NAMED = "named emotions"


@dataclass(frozen=True)
class Written:
    """A written sentence; of one topic there is one of every emotion."""

    topic: str
    emotion: str
    sentence: str


@runtime_checkable
class ReadingModel(GatedModel, Protocol):
    """The part of `AudioLM` that is asked about sentences."""

    def prepare_text(self, sentences: Sequence[str], prompt: str) -> Inputs:
        """The inputs that ask about sentences."""
        ...

    def encode(self, waveforms: Any, prompt: str) -> Any:
        """What `prepare_text` made, ready to be run."""
        ...

    def scores(self, encoded: Any, labels: Sequence[str], *, tap: Any) -> np.ndarray:
        """Log-probabilities of the labels; shows every layer's gates over the prompt to ``tap``."""
        ...


@cache
def expressed() -> tuple[Written, ...]:
    """Forty sentences written for this package: eight topics, each in five emotions, none of which is named.

    Within a topic sentences are about equally long; the neutral ones are the control.
    """
    with (resources.files("esn_interp.tasks") / "written_sentences.csv").open(encoding="utf-8") as file:
        table = pd.read_csv(file)
    columns = (table[name].tolist() for name in ("topic", "emotion", "sentence"))
    return tuple(Written(*row) for row in zip(*columns, strict=True))


@cache
def named() -> tuple[Written, ...]:
    """The neutral sentences, each said in so many words by a voice of every emotion: "A sad voice says: ..."."""
    plain = [one for one in expressed() if one.emotion == "neutral"]
    emotions = dict.fromkeys(one.emotion for one in expressed())
    return tuple(
        Written(
            one.topic,
            emotion,
            f"{'An' if emotion[0] in 'aeiou' else 'A'} {emotion} voice says: {one.sentence}",
        )
        for one in plain
        for emotion in emotions
    )


def read(
    lm: ReadingModel,
    sentences: Sequence[Written],
    emotions: Sequence[str],
    *,
    corpus: str = READ,
    batch_size: int = 8,
) -> tuple[GateStatistics, np.ndarray]:
    """The gates of every sentence while the model is asked for its emotion, and what it answered.

    Returns
    -------
    statistics
        As `collect` gives them for clips, every sentence by itself as well; topics stand in the place of speakers.
    scores
        Log-probability of each emotion, ``[sentence, emotion]``.

    Raises
    ------
    StatisticsError
        When a sentence is of none of the emotions.
    """
    recognition = Recognition(tuple(emotions))
    if strange := sorted({one.emotion for one in sentences} - set(emotions)):
        raise StatisticsError(f"the sentences of {strange[0]!r} are of none of {', '.join(emotions)}; leave them out")
    accumulator = Accumulator(Origin.of(lm, corpus=corpus), recognition.emotions, per_clip=True)
    answers: list[np.ndarray] = []
    for start in range(0, len(sentences), batch_size):
        some = sentences[start : start + batch_size]
        prepared = lm.prepare_text([one.sentence for one in some], recognition.prompt)
        encoded = lm.encode(prepared, recognition.prompt)
        tap = accumulator.tap(np.asarray(encoded.scopes))
        scores = recognition.by_emotion(lm.scores(encoded, recognition.labels, tap=tap))
        truth = np.array([recognition.emotions.index(one.emotion) for one in some])
        accumulator.fold(
            tap,
            emotion=truth,
            kept=scores.argmax(axis=1) == truth,
            ids=[f"{one.topic}-{one.emotion}" for one in some],
            speakers=[one.topic for one in some],
        )
        answers.append(scores)
    return accumulator.statistics(prompt=recognition.prompt), np.concatenate(answers)
