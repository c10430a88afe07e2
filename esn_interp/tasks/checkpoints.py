"""A pass over a corpus that can be interrupted: what was added up so far, how far it came, and its plan of batches."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from esn_interp.entries import Entries
from esn_interp.errors import StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.neurons.origin import GatedModel, Origin
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.tasks.budget import Budget
from esn_interp.tasks.hearing import Plan
from esn_interp.tasks.recognition import Recognition

KIND, VERSION = "collection checkpoint", 3
READ = (1, 2, VERSION)
"""Versions that can be read; the first two have no plan."""

_SHARE, _QUICK = 10, 0.5


class Seldom:
    """Lets something be done only so often that it takes no more than a tenth of the time; use it as a context."""

    def __init__(self) -> None:
        self._took, self._since, self._begun = 0.0, 0.0, 0.0

    def due(self, *, last: bool = False) -> bool:
        """Whether it is time again; what takes less than half a second always is."""
        idle = time.perf_counter() - self._since
        return last or self._took < _QUICK or idle > _SHARE * self._took

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self._since = time.perf_counter()
        self._took = self._since - self._begun


def write_checkpoint(path: str | Path, partial: GateStatistics, plan: Plan, position: int) -> None:
    """Replace the file; ``position`` is the row of the corpus at which to go on."""
    budget = {"clips": plan.budget.clips, "tokens": plan.budget.tokens}
    told = {"budget": budget, "window": plan.window}
    header = partial.header() | {"kind": KIND, "version": VERSION, "position": position, "plan": told}
    rows = np.concatenate([np.zeros(0, np.int64), *(np.asarray(batch, np.int64) for batch in plan.batches)])
    sizes = np.array([len(batch) for batch in plan.batches], dtype=np.int64)
    save_tensors(path, partial.arrays() | {"plan/rows": rows, "plan/sizes": sizes}, header)


def read_checkpoint(
    path: str | Path | None,
    lm: GatedModel | None,
    origin: Origin,
    recognition: Recognition,
    *,
    per_clip: str,
    plan: Plan,
) -> tuple[int, GateStatistics | None, Plan]:
    """Position, sums and plan with which to go on; the beginning and the given plan, where there is no file yet.

    ``per_clip`` is ``no``, ``kept``, or ``kept beside``: in a side file.
    Whose gates the sums are of is left to others where no ``lm`` is at hand.

    Raises
    ------
    StatisticsError
        When no file is named, or it is of another collection.
    """
    if path is None:
        raise StatisticsError("to resume a collection, name the checkpoint file that it wrote")
    if not Path(path).exists():
        return 0, None, plan
    arrays, header = load_tensors(path, kind=KIND, version=READ)
    partial = GateStatistics.from_file(arrays, header, where=str(path))
    if lm is not None:
        partial.origin.check(lm, f"the sums in {path}")
    partial.origin.require_sound(f"{path}: the collection", "resumed")
    for what, theirs, ours in (
        ("clips", partial.origin.corpus_fingerprint, origin.corpus_fingerprint),
        ("prompt", partial.prompt, recognition.told),
        ("per-clip values", _kept(partial), per_clip),
    ):
        if theirs != ours:
            raise StatisticsError(
                f"{path}: the checkpoint has other {what} ({theirs}, not {ours}); start anew, or "
                "collect the same"
            )
    told = Entries(header, where=str(path))
    position, found = told.take("position", int), _plan(arrays, told) if header["version"] > 2 else None
    if position < 0:
        raise told.damaged("position", f"is {position}")
    return position, partial, found or plan


def _kept(partial: GateStatistics) -> str:
    return "no" if partial.per_clip is None else "kept" if partial.per_clip.side is None else "kept beside"


def _plan(arrays: Mapping[str, np.ndarray], told: Entries) -> Plan:
    for name in ("plan/sizes", "plan/rows"):
        if name not in arrays or arrays[name].dtype != np.int64 or arrays[name].ndim != 1:
            raise told.damaged("plan", f"has no array {name} of whole numbers")
    sizes, rows = arrays["plan/sizes"], arrays["plan/rows"]
    if sizes.sum() != len(rows) or (sizes < 1).any() or (rows < 0).any():
        raise told.damaged("plan", f"divides {sizes.sum()} rows, and {len(rows)} are there")
    plan = Entries(told.take("plan", dict[str, Any]), where=f"{told.where}, plan")
    budget = Entries(plan.take("budget", dict[str, Any]), where=f"{plan.where}, budget")
    clips, tokens, window = budget.take("clips", int), budget.or_null("tokens", int), plan.take("window", int)
    if min(clips, 1 if tokens is None else tokens, window) < 1:
        raise plan.damaged("budget", f"is {clips} clips and {tokens} tokens, {window} batches")
    batches = [part.tolist() for part in np.split(rows, np.cumsum(sizes)[:-1])] if len(sizes) else []
    return Plan(Budget(clips, tokens), window, batches)
