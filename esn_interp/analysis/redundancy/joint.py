"""Many groups of neurons silenced in turn on the clips of one emotion, with a place for every outcome."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64

from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.drawing.brief import brief
from esn_interp.interventions.edits import deactivate
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, Recognition, recognise


@dataclass(frozen=True, eq=False)
class Silenced:
    """What silencing each group changes on every clip: log-odds of its own emotion, and being right.

    ``unmoved`` counts the groups that hold neurons and changed no score of any clip.
    """

    log_odds: Float64[np.ndarray, "group clip"]
    right: Float64[np.ndarray, "group clip"]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    skipped: tuple[Skipped, ...]
    unmoved: int = 0

    __repr__ = brief


@dataclass(frozen=True)
class Bench:
    """A model, a question, and how they are run: what groups of neurons are tried on."""

    lm: Listener
    origin: Origin
    recognition: Recognition
    positions: frozenset[str]
    batch_size: int
    strict: bool
    progress: bool

    def silence(
        self, clips: Clips, groups: Sequence[Int64[np.ndarray, " _gate"]], description: str
    ) -> Silenced:
        """Every clip is heard once, and answered about with each group silenced; an empty group changes nothing.

        Groups are flat gate indices.
        """
        found = recognise(
            self.lm,
            clips,
            conditions={BASELINE: (), **{f"group {n}": self._edits(index) for n, index in enumerate(groups)}},
            recognition=self.recognition,
            batch_size=self.batch_size,
            strict=self.strict,
            progress=self.progress,
            description=description,
        )
        odds, right = log_odds(found.log_probs, found.truth), found.correct.astype(np.float64)
        changes = odds[1:] - odds[0], right[1:] - right[0]
        return Silenced(*changes, found.clips, found.speaker, found.skipped, len(found.unmoved))

    def _edits(self, index: Int64[np.ndarray, " gate"]) -> list[Edit]:
        if not len(index):
            return []
        return deactivate(NeuronSet.from_indices(self.origin, {"": index}), positions=self.positions)


class Tally:
    """Sums of outcomes by speaker, in tables of cells."""

    def __init__(self, speakers: tuple[str, ...], **shapes: tuple[int, ...]) -> None:
        self._number = {speaker: at for at, speaker in enumerate(speakers)}
        self._total = {name: np.zeros((len(speakers), *shape)) for name, shape in shapes.items()}
        self._count = {name: np.zeros(total.shape, dtype=np.int64) for name, total in self._total.items()}

    def add(
        self,
        table: str,
        cell: tuple[int, ...],
        outcome: Float[np.ndarray, " clip"],
        speakers: tuple[str, ...],
    ) -> None:
        """The outcomes of clips of these speakers, into one cell."""
        numbers = [self._number[speaker] for speaker in speakers]
        np.add.at(self._total[table], (numbers, *cell), outcome)
        np.add.at(self._count[table], (numbers, *cell), 1)

    def means(self, table: str) -> SpeakerMeans:
        """The means of a table."""
        return SpeakerMeans(self._total[table], self._count[table])
