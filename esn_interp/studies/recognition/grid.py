"""A whole study from one config: every model on every corpus, stage by stage, each task kept when it is done."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from esn_interp.analysis.overlap.measure import Overlap, overlap
from esn_interp.analysis.transfer.measure import Transfer, transfer
from esn_interp.files import write_json, write_text
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.studies.cache import Missing, Store, Undone, digest
from esn_interp.studies.config import STAGES, CorpusSpec, StudyConfig
from esn_interp.studies.models import StudiedModel
from esn_interp.studies.recognition.cell import Cell
from esn_interp.studies.recognition.chapters import chapters, provenance
from esn_interp.studies.recognition.page import build_grid_report
from esn_interp.studies.recognition.record import grid_record

BETWEEN = ("overlap", "transfer")
"""Stages that compare two corpora."""


@dataclass(eq=False)
class Pair:
    """Two corpora under one model and seed: what is compared between them."""

    one: Cell
    other: Cell

    @property
    def store(self) -> Store:
        """Where results are kept."""
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
        key = digest({"sets": [one.neurons_key, other.neurons_key], "seed": one.seed})

        def make() -> Overlap:
            return overlap(
                one.neurons,
                other.neurons,
                names=(one.corpus.title, other.corpus.title),
                statistics=(one.statistics, other.statistics),
                seed=one.seed,
            )

        return one.store.fetch("overlap", key, make, Overlap.load)

    @cached_property
    def transfer(self) -> Transfer:
        """What each corpus's neurons do on the other."""
        one, other, config = self.one, self.other, self.one.config
        key = digest(
            {
                "model": one.model.identity,
                "sets": [one.neurons_key, other.neurons_key],
                "clips": [one.evaluation.fingerprint, other.evaluation.fingerprint],
                "alpha": config.transfer_alpha,
                "draws": config.draws,
                "batch_size": config.batch_size,
                "seed": one.seed,
            }
        )

        def make() -> Transfer:
            return transfer(
                one.model.lm,
                {cell.corpus.title: (cell.evaluation, cell.neurons) for cell in (one, other)},
                alpha=config.transfer_alpha,
                draws=config.draws,
                seed=one.seed,
                batch_size=config.batch_size,
                progress=one.progress,
            )

        return one.store.fetch("transfer", key, make, Transfer.load)


@dataclass(eq=False)
class Grid:
    """The cells and pairs of a study, in the order in which they are worked on."""

    config: StudyConfig
    folder: Path
    progress: bool = True
    store: Store = field(init=False)
    undone: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def __post_init__(self) -> None:
        self.store = Store(self.folder / "stages")
        corpora = [load_clips(spec, self.config.emotions) for spec in self.config.corpora]
        self.cells = [
            Cell(self.config, model, spec, clips, seed, self.store, self.progress)
            for model in map(StudiedModel, self.config.models)
            for seed in self.config.seeds
            for spec, clips in zip(self.config.corpora, corpora, strict=True)
        ]
        self.pairs = [
            Pair(one, other)
            for one, other in combinations(self.cells, 2)
            if one.model is other.model and one.seed == other.seed
        ]

    def tasks(self) -> list["Task"]:
        """Every task in order: all stages of a model before the next model is loaded."""
        return [
            Task(stage, one)
            for model in dict.fromkeys(cell.model for cell in self.cells)
            for stage in STAGES[:-1]
            if self.config.does(stage)
            for one in (self.pairs if stage in BETWEEN else self.cells)
            if one.model is model
        ]

    def result(self, task: "Task") -> Any:
        """A task's result; None where it could not be done, with the reason in ``undone``."""
        try:
            return task.work()
        except Undone as error:
            self.undone[task.stage, task.title] = str(error)
            return None


@dataclass(frozen=True, eq=False)
class Task:
    """One stage for one cell, or for one pair of corpora."""

    stage: str
    of: Cell | Pair

    @property
    def title(self) -> str:
        """What it is done for."""
        return self.of.title

    @property
    def model(self) -> StudiedModel:
        """The model that it needs."""
        return self.of.model

    @property
    def kept(self) -> bool:
        """Whether its result is there already; what it depends on must be there to tell."""
        store = self.of.store
        store.closed = True
        try:
            self.work()
        except Undone as error:
            return not isinstance(error, Missing)
        finally:
            store.closed = False
        return True

    def work(self) -> Any:
        """Do it, or find it done."""
        names = {"collect": ("statistics",), "select": ("neurons",), "ablate": ("ablation",)}
        names |= {"dose": ("trial_doses", "doses")}
        return [getattr(self.of, name) for name in names.get(self.stage, (self.stage,))][-1]


def run_grid(
    config: StudyConfig,
    out: str | Path,
    *,
    progress: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Run a study, or what is left of it, and write ``results.json`` and ``report.html``.

    Every task's result is kept under ``stages/``, named by all that it depends on: a study that was killed goes
    on where it was, a second run finds everything, and a changed setting reruns what depends on it.

    Returns
    -------
    The content of ``results.json``.

    Raises
    ------
    EsnError
        When a model or corpus can't be loaded. A task that can't be done, for want of clips or neurons, is noted
        in the results, and the study goes on.
    """
    out = Path(out)
    grid = Grid(config, out, progress)
    tasks = grid.tasks()
    for number, task in enumerate(tasks, start=1):
        before = len(grid.store.done)
        say(f"[{number}/{len(tasks)}] {task.stage}: {task.title}")
        if grid.result(task) is None:
            say(f"    not done: {grid.undone[task.stage, task.title]}")
        elif len(grid.store.done) == before:
            say("    already there")
        if all(other.model is not task.model for other in tasks[number:]):
            task.model.release()
    content = grid_record(grid)
    write_json(out / "results.json", content)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_text(out / "config.yaml", text)
    if config.does("report"):
        build_grid_report(
            content, chapters(grid), provenance(grid, content["versions"]), out / "report.html"
        )
    return content


def load_clips(spec: CorpusSpec, emotions: Sequence[str] | str | None) -> Clips:
    """The clips of a corpus, of the emotions that the study is about."""
    return corpus(spec.corpus, root=spec.root, emotions=spec.emotions or emotions, **spec.options)
