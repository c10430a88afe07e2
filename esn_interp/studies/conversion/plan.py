"""The cells and tasks of a conversion study: every model on every corpus under every seed, stage by stage."""

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any

from esn_interp.files import write_atomic
from esn_interp.speech.clips import Clips
from esn_interp.studies.config import CorpusSpec
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.config import STAGES
from esn_interp.studies.conversion.judges import Judges
from esn_interp.studies.conversion.listening import write_pairs_of, write_players
from esn_interp.studies.conversion.record import record
from esn_interp.studies.conversion.study import FILES, ConversionStudy, folder_of
from esn_interp.studies.conversion.units import Unit
from esn_interp.studies.conversion.workers import perform
from esn_interp.studies.models import SpeakingModel, StudiedModel
from esn_interp.studies.results import known
from esn_interp.studies.work import Plan, Task

_UNITS: dict[str, Callable[[Cell], Sequence[Unit]]] = {
    "sample": lambda cell: cell.sampling,
    "select": lambda cell: cell.trying,
    "evaluate": lambda cell: [
        unit
        for split in ("evaluation", "identification")
        for units in cell.measuring(split).values()
        for unit in units
    ],
    "cross": lambda cell: list(cell.crossing.values()),
    "listen": lambda cell: [unit for target in cell.config.targets for unit in cell.playing(target).values()],
}
_RESULTS: dict[str, tuple[str, ...]] = {
    "sample": ("statistics",),
    "select": ("choice",),
    "evaluate": ("unseen", "seen"),
    "cross": ("cross",),
}
_FRAMES = {"choice": "validation", "unseen": "unseen", "seen": "seen", "cross": "cross"}


class ConversionPlan(Plan):
    """The cells of a study, in the order in which they are worked on, and their tasks."""

    kind = ConversionStudy
    loading = SpeakingModel

    @cached_property
    def judges(self) -> Judges:
        """Who listens."""
        return Judges(self.config)

    def cell(self, model: StudiedModel, spec: CorpusSpec, clips: Clips, seed: int) -> Cell:
        """What is found out with one model, corpus and seed."""
        return Cell(self.config, model, spec, clips, seed, self.store, self.progress, judges=self.judges)

    def tasks(self) -> list[Task]:
        """Every task in order."""
        return [
            Task(stage, cell, partial(self._work, stage, position))
            for position, cell in enumerate(self.cells)
            for stage in STAGES[:-1]
            if self.config.does(stage)
        ]

    def record(self, seconds: float) -> dict[str, Any]:
        """The content of ``results.json``."""
        return record(self)

    def write_beside(self) -> None:
        """Write the results that can be loaded again, their frames, and sounds for ears."""
        for cell in self.cells:
            out = folder_of(self.folder, cell.title, len(self.cells))
            for name, (stage, file, _) in FILES.items():
                if self.config.does(stage) and (result := known(lambda cell=cell, name=name: getattr(cell, name))):
                    result.save(out / file)
                    if name in _FRAMES:
                        write = partial(result.to_frame().to_csv, index=False)
                        write_atomic(out / "frames" / f"{_FRAMES[name]}.csv", write)
            if self.config.does("listen"):
                write_pairs_of(cell, out)
                write_players(cell, out)

    def _work(self, stage: str, position: int) -> str:
        cell: Cell = self.cells[position]
        # Other processes load models and corpora by name; what is there already is used here, by this one.
        by_name = self.lm is None and self.given is None
        self.store.look(cell.title, cell.about)
        units = work(cell, stage)
        done = perform(
            cell,
            units,
            recipe=(self.config.model_dump_json(), str(self.folder.resolve()), position) if by_name else None,
            workers=self.config.workers,
            description=f"{stage}: {cell.title}",
            progress=self.progress,
        )
        for name in _RESULTS.get(stage, ()):
            getattr(cell, name)
        return f"{done} of {len(units)} parts were new" if done else "already there"


def work(cell: Cell, stage: str) -> Sequence[Unit]:
    """The units of a stage; what it depends on must be done."""
    return _UNITS[stage](cell)
