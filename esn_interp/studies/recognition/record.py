"""The results file of a study of several models and corpora: every headline number, and where the rest is."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from esn_interp.analysis.inference.significance import Interval
from esn_interp.studies.cache import Undone
from esn_interp.studies.demo.record import plain, versions

if TYPE_CHECKING:
    from esn_interp.studies.recognition.grid import Cell, Grid, Pair

KIND, VERSION = "study grid", 1


def grid_record(grid: "Grid") -> dict[str, Any]:
    """The content of ``results.json``; only ``date`` differs from one run of the same study to another."""
    config = grid.config
    return plain(
        {
            "kind": KIND,
            "version": VERSION,
            "name": config.name,
            "settings": config.model_dump(mode="json", exclude={"models", "corpora"}),
            "models": [model.model_dump(mode="json") for model in config.models],
            "corpora": [
                {**spec.model_dump(mode="json", exclude={"root"}), "fingerprint": cell.clips.fingerprint}
                for spec, cell in zip(config.corpora, grid.cells, strict=False)
            ],
            "cells": [_cell(grid, cell) for cell in grid.cells],
            "pairs": [_pair(grid, pair) for pair in grid.pairs],
            "not_done": [
                {"stage": stage, "of": title, "reason": reason}
                for (stage, title), reason in grid.undone.items()
            ],
            "versions": versions(),
            "date": datetime.now(UTC).date().isoformat(),
        }
    )


def _cell(grid: "Grid", cell: "Cell") -> dict[str, Any]:
    parts: dict[str, Any] = {
        "title": cell.title,
        "model": cell.model.title,
        "corpus": cell.corpus.title,
        "seed": cell.seed,
        "split_by": cell.assignment.by,
        "unheard_by": cell.assignment.unheard_by,
        "clips": {
            name: {"clips": len(part), "speakers": len(part.speakers)}
            for name, part in zip(("validation", "identification", "evaluation"), cell.splits, strict=True)
        },
    }
    does = grid.config.does
    if does("check") and (check := _kept(lambda: cell.check)):
        parts["check"] = list(check.notes)
    if does("baseline") and (baseline := _kept(lambda: cell.baseline)):
        parts["baseline"] = {
            "uar": interval(baseline.uar),
            "accuracy": baseline.accuracy,
            "macro_f1": baseline.macro_f1,
            "recall": dict(zip(baseline.emotions, baseline.recall.tolist(), strict=True)),
        }
    if does("collect") and (statistics := _kept(lambda: cell.statistics)):
        parts["filter"] = {"seen": statistics.seen, "kept": statistics.kept, "used": cell.corpus.filter}
    if does("select") and (neurons := _kept(lambda: cell.neurons)):
        parts["chosen"] = {"selector": neurons.selector, "top": neurons.parameters.get("top")}
    if does("ablate") and (silenced := _kept(lambda: cell.ablation)):
        parts["ablation"] = {
            "self": interval(silenced.self_change),
            "cross": interval(silenced.cross_change),
            "random": interval(silenced.random_self),
            "specificity": interval(silenced.specificity),
        }
    if does("dose") and (doses := _kept(lambda: cell.doses)):
        parts["steering"] = {
            "alpha": cell.alpha,
            "flip_rate": interval(doses.flip_rate(cell.alpha)),
            "random_flip_rate": interval(doses.random_flip_rate(cell.alpha)),
            "spearman": doses.spearman,
        }
    if does("layers") and (layers := _kept(lambda: cell.layers)):
        parts["layers"] = {"summary": layers.summary()}
    return parts


def _pair(grid: "Grid", pair: "Pair") -> dict[str, Any]:
    parts: dict[str, Any] = {"title": pair.title, "corpora": [pair.one.corpus.title, pair.other.corpus.title]}
    if grid.config.does("overlap") and (shared := _kept(lambda: pair.overlap)):
        parts["overlap"] = {"summary": shared.summary(), "notes": list(shared.notes)}
    if grid.config.does("transfer") and (carried := _kept(lambda: pair.transfer)):
        parts["transfer"] = {"summary": carried.summary(), "notes": list(carried.notes)}
    return parts


def _kept(result: Any) -> Any:
    """A result, or None where its task could not be done."""
    try:
        return result()
    except Undone:
        return None


def interval(value: Interval) -> dict[str, Any]:
    """An interval as JSON."""
    return {"value": value.value, "low": value.low, "high": value.high, "speakers": value.speakers}
