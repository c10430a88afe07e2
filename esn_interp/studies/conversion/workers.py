"""Units of a conversion study, worked on by one process or several; each has a model of its own."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import cache
from pathlib import Path

import torch
from transformers.utils import logging as transformers_logging

from esn_interp.progress import progress_bar
from esn_interp.studies.cache import Undone
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.config import ConversionConfig
from esn_interp.studies.conversion.units import Unit
from esn_interp.studies.processes import processes

Recipe = tuple[str, str, int]
"""By which a process makes a cell anew: the config as JSON, the study's folder, the cell's position."""


def perform(
    cell: Cell,
    units: Sequence[Unit],
    *,
    recipe: Recipe | None = None,
    workers: int = 1,
    description: str = "",
    progress: bool = False,
) -> int:
    """Have every unit done, and say how many had to be.

    A unit is written when it is done, so whatever stops the work, no more than those under way are lost. With a
    ``recipe`` the work is shared by so many processes.

    Raises
    ------
    Undone
        When a unit can't be done.
    """
    left = [unit for unit in dict.fromkeys(units) if not cell.done(unit)]
    with progress_bar(description, len(left), enabled=progress) as advance:
        if recipe is None or workers < 2 or len(left) < 2:
            for unit in left:
                cell.outcomes(unit)
                advance(1)
            return len(left)
        # Longest first, so that no process is left with a long one at the end.
        left.sort(key=lambda unit: -len(unit.rows) * len(unit.targets))
        with processes(min(workers, len(left)), begin=f"{__name__}:{_begin.__name__}") as submit:
            tasks = [submit(_elsewhere, (recipe, unit)) for unit in left]
            try:
                for task in as_completed(tasks):
                    if reason := task.result():
                        raise Undone(reason)
                    advance(1)
            except BrokenProcessPool:
                raise Undone(
                    "a worker process was killed, for want of memory as a rule; what was finished is kept, go on with"
                    " fewer workers"
                ) from None
    return len(left)


def _begin() -> None:
    """One thread, or processes would be in each other's way; and no bars of their own."""
    torch.set_num_threads(1)
    transformers_logging.disable_progress_bar()


def _elsewhere(task: tuple[Recipe, Unit]) -> str:
    """Do a unit in this process; the reason, when it can't be done."""
    recipe, unit = task
    try:
        _cell(recipe).outcomes(unit)
    except Undone as error:
        return str(error)
    return ""


@cache
def _cell(recipe: Recipe) -> Cell:
    """The cell of a recipe, with its model, made once in each process."""
    from esn_interp.studies.conversion.plan import ConversionPlan

    config, folder, position = recipe
    return ConversionPlan(ConversionConfig.model_validate_json(config), Path(folder)).cells[position]
