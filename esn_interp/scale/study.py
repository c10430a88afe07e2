"""A study on many replicas: each model on each corpus is a shard, and results meet in the study's own folder."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from esn_interp.errors import EsnError, StatisticsError
from esn_interp.files import write_text
from esn_interp.scale.engines import Engine
from esn_interp.studies.cache import Undone
from esn_interp.studies.config import StudyConfig, load_config
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.study import ConversionStudy
from esn_interp.studies.recognition.config import RecognitionConfig
from esn_interp.studies.recognition.study import RecognitionStudy
from esn_interp.studies.results import STAGES
from esn_interp.studies.whole import kind_of, plan_of, study
from esn_interp.studies.work import Plan, Say, Task


@dataclass(frozen=True, eq=False)
class _Units:
    """Does all that a study does with one model on one corpus under one seed, or with one pair of them."""

    config: StudyConfig
    folder: Path
    identities: tuple[str, ...]
    sign: str

    @cached_property
    def plan(self) -> Plan:
        plan = plan_of(self.config, self.folder, progress=False)
        for model, identity in zip(plan.models, self.identities, strict=True):
            vars(model)["identity"] = identity  # as whoever asks knows it: times of files differ between machines
        return plan

    def __call__(self, number: int) -> int:
        if not (self.folder / STAGES / self.sign).exists():
            raise EsnError(
                f"{self.folder}: a worker does not see this folder; put the study where all machines can write"
            )
        tasks = units(self.plan)[number]
        for model in self.plan.models:
            if model is not tasks[0].model:
                model.release()
        for task in tasks:
            with suppress(Undone, StatisticsError):  # noted in the folder, where whoever asks finds it
                task.work()
        return len(tasks)


def units(plan: Plan) -> list[list[Task]]:
    """The tasks of a study by what they are done for: single cells first, then what compares them."""
    tasks = plan.tasks()
    those = {id(task.of): task.of for task in tasks}
    cells = {id(cell) for cell in plan.cells}
    ordered = sorted(those, key=lambda one: one not in cells)
    return [[task for task in tasks if id(task.of) == one] for one in ordered]


def study_on(
    engine: Engine,
    config: str | Path | StudyConfig,
    out: str | Path,
    *,
    progress: bool = True,
    say: Say = lambda text: None,
    **changed: Any,
) -> RecognitionStudy | ConversionStudy:
    """`esn_interp.study`, of which an engine does the work; ``changed`` settings are its own.

    Each model on each corpus under each seed is done by a replica, several of them at a time, and then what compares
    them. All results go to ``stages/`` in the folder, which all machines must see, as they must the models and corpora
    that are named by a path; so nothing is done twice, whoever is lost. The rest, tables and the report, is done here.

    Raises
    ------
    EsnError
        As `esn_interp.study` and the engine say, and when a worker does not see the folder.
    """
    settings = config if isinstance(config, StudyConfig) else load_config(config, kind=kind_of(config))
    settings = settings.changed(**changed) if changed else settings
    folder, sign = Path(out).resolve(), f"shared-{secrets.token_hex(4)}"
    plan = plan_of(settings, folder, progress=False)
    found = units(plan)
    cells = sum(any(tasks[0].of is cell for cell in plan.cells) for tasks in found)
    work = _Units(settings, folder, tuple(model.identity for model in plan.models), sign)
    write_text(folder / STAGES / sign, "All machines see this folder.\n")
    try:
        for some in (range(cells), range(cells, len(found))):
            _do(engine, work, some, found, say)
    finally:
        (folder / STAGES / sign).unlink(missing_ok=True)
    assert isinstance(settings, RecognitionConfig | ConversionConfig)  # no other kind can be loaded
    return study(settings, folder, progress=progress, say=say)


def _do(engine: Engine, work: _Units, numbers: Sequence[int], found: Sequence[list[Task]], say: Say) -> None:
    if numbers:
        for number, count in zip(numbers, engine.results(work, numbers), strict=True):
            say(f"{found[number][0].title}: {count} tasks")
