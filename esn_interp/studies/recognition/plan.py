"""The cells and tasks of a study of recognition: every model on every corpus, and every pair of corpora."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import combinations
from typing import Any

from esn_interp.analysis.overlap.measure import overlap
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.analysis.transfer.measure import transfer
from esn_interp.analysis.transfer.result import Transfer
from esn_interp.speech.clips import Clips
from esn_interp.studies.cache import Missing, Store, Undone
from esn_interp.studies.config import CorpusSpec
from esn_interp.studies.models import StudiedModel
from esn_interp.studies.recognition.article.record import article_record, write_article_files
from esn_interp.studies.recognition.cell import Cell
from esn_interp.studies.recognition.chance import AtChance
from esn_interp.studies.recognition.config import ORDER
from esn_interp.studies.recognition.record import record
from esn_interp.studies.recognition.storing import Storing
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.work import Plan, Say, Task

BETWEEN = ("overlap", "transfer")
"""Stages that compare two corpora."""

_RESULTS: dict[str, tuple[str, ...]] = {
    "collect": ("statistics",),
    "select": ("neurons",),
    "ablate": ("ablation",),
    "protocols": ("side_by_side",),
    "dose": ("trial_doses", "doses"),
    "cost": ("costs",),
    "listen": ("examples",),
    "neuron": ("pages",),
}
_ON = {"collect": "identification", "select": "validation"}


@dataclass(eq=False)
class Pair(Storing):
    """Two corpora under one model and seed: what is compared between them."""

    one: Cell
    other: Cell
    files: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def store(self) -> Store:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where results are stored."""
        return self.one.store

    @property
    def model(self) -> StudiedModel:
        """The model that both were studied with."""
        return self.one.model

    @property
    def title(self) -> str:
        """Both corpora, and the model."""
        return f"{self.one.corpus.title} and {self.other.corpus.title}, {self.one.model.title}"

    @cached_property
    def overlap(self) -> Overlap:
        """What the two sets of neurons share."""
        one, other = self.one, self.other
        return self.stored(
            "overlap",
            {"sets": self._sets, "seed": one.seed},
            lambda: overlap(
                one.neurons,
                other.neurons,
                names=(one.corpus.title, other.corpus.title),
                statistics=(one.statistics, other.statistics),
                seed=one.seed,
            ),
            Overlap.load,
        )

    @cached_property
    def transfer(self) -> Transfer:
        """What each corpus's neurons do on the other."""
        cells, config = (self.one, self.other), self.one.config
        how: dict[str, Any] = {"draws": config.draws, "batch_size": config.batch_size, "seed": self.one.seed}

        def make() -> Transfer:
            return transfer(
                self.model.lm,
                {cell.corpus.title: (cell.evaluation, cell.neurons) for cell in cells},
                alpha=config.transfer_alpha,
                progress=self.one.progress,
                **how,
            )

        about = {
            "model": self.model.identity,
            "sets": self._sets,
            "clips": [cell.evaluation.fingerprint for cell in cells],
            "alpha": config.transfer_alpha,
            **how,
        }
        return self.stored("transfer", about, make, Transfer.load)

    @property
    def _sets(self) -> list[str]:
        return [self.one.neurons_key, self.other.neurons_key]


class RecognitionPlan(Plan):
    """The cells and pairs of a study, and their tasks: all stages of a model before the next model is loaded."""

    kind = RecognitionStudy

    def cell(self, model: StudiedModel, spec: CorpusSpec, clips: Clips, seed: int) -> Cell:
        """What is found out with one model, corpus and seed."""
        return Cell(self.config, model, spec, clips, seed, self.store, self.progress)

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every two corpora under the same model and seed."""
        return [
            Pair(one, other)
            for one, other in combinations(self.cells, 2)
            if one.model is other.model and one.seed == other.seed
        ]

    def run(self, say: Say) -> None:
        """Do every task.

        Raises
        ------
        AtChance
            When no cell could be studied, since the models guess.
        """
        super().run(say)
        guessing = [cell.guesses for cell in self.cells if cell.guesses]
        if len(guessing) == len(self.cells):
            raise AtChance("; ".join(guessing))

    def tasks(self) -> list[Task]:
        """Every task in order."""
        return [
            Task(stage, of, partial(self._work, stage, of), self._size(stage, of))
            for model in self.models
            for stage in ORDER[:-1]
            if self.config.does(stage)
            for of in (self.pairs if stage in BETWEEN else self.cells)
            if of.model is model
        ]

    def is_done(self, task: Task) -> bool:
        """Whether a task's result is there already; what it depends on must be there to tell."""
        self.store.closed = True
        try:
            task.work()
        except Undone as error:
            return not isinstance(error, Missing)
        finally:
            self.store.closed = False
        return True

    def record(self, seconds: float) -> dict[str, Any]:
        """The content of ``results.json``."""
        if self.config.page == "article":
            return article_record(self.cells[0], self.undone, seconds)
        return record(self)

    def write_beside(self) -> None:
        """Write what an article tells of, as files of their own."""
        if self.config.page == "article":
            write_article_files(self.cells[0], self.folder)

    def _work(self, stage: str, of: Cell | Pair) -> str:
        before = len(self.store.done)
        for name in _RESULTS.get(stage, (stage,)):
            getattr(of, name)
        return "" if len(self.store.done) > before else "already there"

    def _size(self, stage: str, of: Cell | Pair) -> str:
        if isinstance(of, Pair):
            return ""
        clips: Clips = getattr(of, _ON.get(stage, "evaluation"))
        return f"{len(clips)} clips of {len(clips.speakers)} {_ON.get(stage, 'evaluation')} voices"
