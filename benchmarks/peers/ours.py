"""This package, asked for the same."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from benchmarks.models import EMOTIONS, Made
from benchmarks.peers.base import SUMS
from benchmarks.shared import Outcome
from esn_interp.models.audio_lm import Encoded
from esn_interp.models.edits import Edit
from esn_interp.models.labels import label_tokens
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.layout import SCOPES
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.recognition import Recognition

QUESTION = Recognition(EMOTIONS)


class Ours:
    """A model of its own, opened once."""

    name = "esn_interp"

    def __init__(self, made: Made) -> None:
        self.lm = made.opened()
        self.origin = Origin.of(self.lm, corpus="noise", corpus_fingerprint="0")

    @property
    def labels(self) -> list[int]:
        """The token of each label."""
        return [tokens[0] for tokens in label_tokens(self.lm.processor.tokenizer, QUESTION.labels)]

    def encoded(self, waveforms: Sequence[Float[np.ndarray, " _sample"]]) -> Encoded:
        """Clips with their audio encoded."""
        return self.lm.encode(waveforms, QUESTION.prompt)

    def accumulator(self) -> Accumulator:
        """Statistics to add to."""
        return Accumulator(self.origin, QUESTION.emotions)

    def scores(self, encoded: Encoded) -> Outcome:
        """No statistics and no edits."""
        return {"scores": self.lm.scores(encoded, QUESTION.labels)}

    def statistics(self, encoded: Encoded, into: Accumulator) -> Outcome:
        """What `collect` does with a batch: read as it runs, then added up by emotion."""
        tap = into.tap(np.asarray(encoded.scopes))
        scores = self.lm.scores(encoded, QUESTION.labels, tap=tap)
        clips = len(encoded)
        into.fold(
            tap,
            emotion=np.arange(clips) % len(EMOTIONS),
            kept=np.ones(clips, dtype=np.bool_),
            ids=[str(clip) for clip in range(clips)],
        )
        return {"scores": scores, **sums_of(into)}

    def ablated(self, encoded: Encoded, edits: Sequence[Edit], plan: str) -> Outcome:
        """One condition."""
        self.lm.plan = plan
        return {"edited scores": self.lm.scores(encoded, QUESTION.labels, edits=edits)}

    def generated(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], edits: Sequence[Edit], tokens: int, plan: str
    ) -> Outcome:
        """Greedy words; edits act at every step."""
        self.lm.plan = plan
        answers = self.lm.generate(waveforms, QUESTION.prompt, edits=edits, max_new_tokens=tokens)
        return {"edited words": answers}


def silenced(sets: Sequence[np.ndarray]) -> list[Edit]:
    """Gates of every layer at 0."""
    return [Edit(layer, neurons, gain=0.0) for layer, neurons in enumerate(sets)]


def sums_of(accumulator: Accumulator) -> Outcome:
    """What was added up, over all groups, ``[scope, gate]`` by name."""

    def total(name: str) -> np.ndarray:
        sums = accumulator.statistics().sums
        return np.stack([sums[f"{scope}/{name}"].sum(axis=0) for scope in SCOPES])

    return {name: (lambda name=name: total(name)) for name in SUMS}
