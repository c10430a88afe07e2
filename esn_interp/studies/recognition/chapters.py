"""What a study tells in pictures: a chapter for each model and corpus, and for each pair of corpora."""

import shlex
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from esn_interp.report.page import Plate
from esn_interp.studies.cache import Undone
from esn_interp.studies.recognition.page import Chapter

if TYPE_CHECKING:
    from esn_interp.studies.recognition.grid import Cell, Grid, Pair


def chapters(grid: "Grid") -> list[Chapter]:
    """The chapters, in the order of the study; one without any result is left out."""
    told = [_cell(grid, cell) for cell in grid.cells] + [_pair(grid, pair) for pair in grid.pairs]
    return [chapter for chapter in told if chapter.plates]


def provenance(grid: "Grid", versions: dict[str, str]) -> dict[str, str]:
    """What one needs to know to do it again: the command, models, corpora, seeds and versions."""
    rows = {"Command": shlex.join(["esn", *sys.argv[1:]])}
    for cell in grid.cells:
        try:
            origin = cell.statistics.origin
        except Undone:
            continue
        rows[f"Weights of {cell.model.title}"] = f"{origin.fingerprint}, {origin.component}"
    for spec, cell in zip(grid.config.corpora, grid.cells, strict=False):
        rows[f"Clips of {spec.title}"] = f"{cell.clips.fingerprint}, {len(cell.clips)} clips"
    rows["Seeds"] = ", ".join(map(str, grid.config.seeds))
    return rows | versions


def _cell(grid: "Grid", cell: "Cell") -> Chapter:
    does = grid.config.does
    results: dict[str, tuple[bool, Callable[[], Any]]] = {
        "Which selector, and how many neurons (validation speakers)": (
            does("select"),
            lambda: cell.comparison,
        ),
        "Where the chosen neurons are": (does("select"), lambda: cell.neurons),
        "Silenced": (does("ablate"), lambda: cell.ablation),
        "Turned up": (does("dose"), lambda: cell.doses),
        "By layer": (does("layers"), lambda: cell.layers),
    }
    return Chapter(cell.title, _plates(results), _lines(grid, cell))


def _pair(grid: "Grid", pair: "Pair") -> Chapter:
    does = grid.config.does
    results: dict[str, tuple[bool, Callable[[], Any]]] = {
        "Shared neurons": (does("overlap"), lambda: pair.overlap),
        "Carried over": (does("transfer"), lambda: pair.transfer),
    }
    return Chapter(pair.title, _plates(results))


def _plates(results: dict[str, tuple[bool, Callable[[], Any]]]) -> list[Plate]:
    plates: list[Plate] = []
    for heading, (asked, result) in results.items():
        if not asked:
            continue
        try:
            found = result()
        except Undone:
            continue
        summary = found.summary() if hasattr(found, "summary") else repr(found)
        plates.append(Plate(heading, found.plot(), summary, tuple(getattr(found, "notes", ()))))
    return plates


def _lines(grid: "Grid", cell: "Cell") -> tuple[str, ...]:
    """How well the model hears this corpus, and how many clips passed the filter."""
    lines: list[str] = []
    if cell.assignment.unheard_by:
        lines.append(
            "The model has heard some of these speakers in its training. Neurons were found and settings chosen on"
            f" them; it is evaluated on those whom it had not heard: {', '.join(cell.evaluation.speakers)}."
        )
    try:
        baseline = cell.baseline
        recall = ", ".join(f"{e} {r:.0%}" for e, r in zip(baseline.emotions, baseline.recall, strict=True))
        lines.append(
            f"Without an edit the model reaches a UAR of {baseline.uar:.2f} on {baseline.clips} clips of"
            f" {baseline.speakers} evaluation speakers; recall: {recall}."
        )
        statistics = cell.statistics
        kept = ", ".join(f"{e} {n} of {statistics.seen[e]}" for e, n in statistics.kept.items())
        used = "only these count" if cell.corpus.filter == "correct" else "all clips count here"
        lines.append(f"Identification clips that it labels correctly: {kept} ({used}).")
    except Undone:
        pass
    return tuple(lines)
