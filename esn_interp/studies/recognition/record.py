"""The results file of a study of several models and corpora: every headline number, and where the rest is."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.analysis.transfer.result import Transfer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.studies.recognition.baseline import Baseline
from esn_interp.studies.recognition.cell import SPLITS, Cell
from esn_interp.studies.recognition.costs import SideCosts
from esn_interp.studies.results import interval, known, of_null

if TYPE_CHECKING:
    from esn_interp.studies.recognition.plan import Pair, RecognitionPlan

KIND, VERSION = "study grid", 1


def record(plan: "RecognitionPlan") -> dict[str, Any]:
    """The content of ``results.json``; only ``date`` and ``command`` differ between runs of the same study."""
    return {
        "kind": KIND,
        "version": VERSION,
        "settings": plan.config.model_dump(mode="json", exclude={"models", "corpora"}),
        "cells": [_cell(cell) for cell in plan.cells],
        "pairs": [_pair(pair) for pair in plan.pairs],
        **plan.about(),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    about = {
        "title": cell.title,
        "model": cell.model.title,
        "corpus": cell.corpus.title,
        "seed": cell.seed,
        "split_by": cell.assignment.by,
        "unheard_by": cell.assignment.unheard_by,
        "clips": {
            name: {"clips": len(part), "speakers": len(part.speakers)}
            for name, part in zip(SPLITS, cell.splits, strict=True)
        },
        "evaluated": list(cell.evaluation.speakers),
    }
    parts: Parts = {
        "check": ("check", lambda: list(cell.check.notes)),
        "baseline": ("baseline", lambda: of_baseline(cell.baseline)),
        "filter": ("collect", lambda: of_filter(cell.statistics) | {"used": cell.corpus.filter}),
        "weights": ("collect", lambda: of_weights(cell.statistics)),
        "choice": ("select", lambda: _choice(cell)),
        "chosen": ("select", lambda: of_neurons(cell.neurons)),
        "ablation": ("ablate", lambda: of_ablation(cell.ablation)),
        "figures": ("ablate", lambda: _figures(cell)),
        "protocols": ("protocols", lambda: cell.side_by_side.rows()),
        "steering": ("dose", lambda: of_doses(cell.doses, cell.alpha)),
        "costs": ("cost", lambda: of_costs(cell.costs)),
        "layers": ("layers", lambda: of_summary(cell.layers)),
    }
    return about | _known(parts, cell.config.does) | {"files": cell.files}


def _pair(pair: "Pair") -> dict[str, Any]:
    about = {"title": pair.title, "corpora": [pair.one.corpus.title, pair.other.corpus.title]}
    parts: Parts = {
        "overlap": ("overlap", lambda: of_notes(pair.overlap)),
        "transfer": ("transfer", lambda: of_notes(pair.transfer)),
    }
    return about | _known(parts, pair.one.config.does) | {"files": pair.files}


Parts = Mapping[str, tuple[str, Callable[[], Any]]]


def _known(parts: Parts, does: Callable[[str], bool]) -> dict[str, Any]:
    """What is asked for and could be done."""
    told = {name: known(part) for name, (stage, part) in parts.items() if does(stage)}
    return {name: part for name, part in told.items() if part is not None}


def of_baseline(baseline: Baseline) -> dict[str, Any]:
    """How well the unedited model recognises emotions."""
    return {
        "uar": interval(baseline.uar),
        "accuracy": baseline.accuracy,
        "macro_f1": baseline.macro_f1,
        "recall": dict(zip(baseline.emotions, baseline.recall.tolist(), strict=True)),
    }


def of_filter(statistics: GateStatistics) -> dict[str, Any]:
    """How many clips passed the success filter."""
    return {"seen": statistics.seen, "kept": statistics.kept}


def of_weights(statistics: GateStatistics) -> dict[str, Any]:
    """Which weights were looked at."""
    return {"fingerprint": statistics.origin.fingerprint, "component": statistics.origin.component}


def _choice(cell: Cell) -> dict[str, Any]:
    choice = cell.choice
    return {
        "rule": cell.config.rule,
        "summary": cell.comparison.summary(),
        "settings": [trial.row() for trial in choice.trials],
        "unusable": list(choice.unusable),
    }


def of_neurons(neurons: NeuronSet) -> dict[str, Any]:
    """How the neurons were selected."""
    return {"selector": neurons.selector, "top": neurons.parameters.get("top")}


def of_ablation(silenced: Ablation) -> dict[str, Any]:
    """What silencing does."""
    return {
        "self": interval(silenced.self_change),
        "cross": interval(silenced.cross_change),
        "random": interval(silenced.random_self),
        "specificity": interval(silenced.specificity),
        "selection": of_null(silenced.specificity_null),
    }


def _figures(cell: Cell) -> dict[str, Any] | None:
    """The figures of silencing under the names of the study's protocol; None where these are ours."""
    told, names = of_ablation(cell.ablation), cell.config.how.figures
    if all(name == ours for ours, name in names.items()):
        return None
    return {name: told[ours] for ours, name in names.items()}


def of_doses(doses: DoseResponse, alpha: float) -> dict[str, Any]:
    """What turning up by the chosen gain does."""
    return {
        "alpha": alpha,
        "flip_rate": interval(doses.flip_rate(alpha)),
        "random_flip_rate": interval(doses.random_flip_rate(alpha)),
        "spearman": doses.spearman,
    }


def of_costs(costs: SideCosts) -> dict[str, Any]:
    """What silencing costs beside the emotion."""
    return {"clips": len(costs.clips), "conditions": costs.rows()}


def of_summary(result: LayerProfile) -> dict[str, Any]:
    """A result in one sentence."""
    return {"summary": result.summary()}


def of_notes(result: Overlap | Transfer) -> dict[str, Any]:
    """A result in one sentence, and what to know before trusting it."""
    return {"summary": result.summary(), "notes": list(result.notes)}
