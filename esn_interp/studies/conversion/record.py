"""The results file of a study of conversions: every headline number, and where the rest is."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from esn_interp.analysis.conversion.acoustic_demand import Direction, directions
from esn_interp.analysis.conversion.effect_result import RANDOM, STEERED, UNSTEERED, ConversionEffect
from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.studies.conversion.cell import Cell
from esn_interp.studies.conversion.cell_units import SPLITS
from esn_interp.studies.conversion.listening import told_players
from esn_interp.studies.results import interval, known

if TYPE_CHECKING:
    from esn_interp.studies.conversion.plan import ConversionPlan

KIND, VERSION = "conversion study", 1
SUMMARY = (
    "unsteered_accuracy",
    "steered_accuracy",
    "gain",
    "gain_ci",
    "gain_by_target",
    "probability_gain",
    "random_gain",
    "wer_unsteered",
    "wer_rise",
    "seen_gain",
    "filter_kept",
    "filter_on_minus_off",
    "filter_on_minus_off_ci",
    "own_neurons",
    "other_neurons",
    "directions_agree",
    "directions_demanded",
    "failed",
    "selector",
    "top",
    "alpha",
)
"""Keys of the summary of a model on a corpus, in order."""

def record(plan: "ConversionPlan") -> dict[str, Any]:
    """The content of ``results.json``; only ``date`` and ``command`` differ between runs of the same study."""
    cells = [_cell(cell) for cell in plan.cells]
    return {
        "kind": KIND,
        "version": VERSION,
        "summary": {cell["title"]: cell.pop("summary") for cell in cells},
        "settings": plan.config.model_dump(mode="json", exclude={"models", "corpora", "workers"}),
        "cells": cells,
        **plan.about(),
    }


def _cell(cell: Cell) -> dict[str, Any]:
    does = cell.config.does
    choice = known(lambda: cell.choice) if does("select") else None
    unseen, seen, sieve = (
        known(one) if does("evaluate") else None
        for one in (lambda: cell.unseen, lambda: cell.seen, lambda: cell.filter_effect)
    )
    cross = known(lambda: cell.cross) if does("cross") else None
    sample, statistics = known(lambda: sampled(cell)), known(lambda: cell.statistics)
    moved = directions(unseen) if unseen else ()
    parts: dict[str, Any] = {
        "title": cell.title,
        "model": cell.model.title,
        "component": statistics.origin.component if statistics else None,
        "weights": statistics.origin.fingerprint if statistics else None,
        "corpus": cell.corpus.title,
        "seed": cell.seed,
        "split_by": cell.clips.split_by,
        "clips": {
            name: {"clips": len(part), "speakers": len(set(part.column("speaker")))}
            for name, part in ((name, cell.splits[name]) for name in SPLITS)
        },
        "sample": sample,
    }
    if choice:
        parts["choice"] = {
            "rule": choice.rule,
            "chosen": vars(choice.setting) | {"title": choice.setting.title},
            "neurons": dict(zip(choice.targets, choice.neurons[choice.chosen].tolist(), strict=True)),
            "settings": choice.to_frame().to_dict("records"),
            "unusable": list(choice.unusable),
            "notes": list(choice.notes),
        }
    for name, effect in (("unseen", unseen), ("seen", seen)):
        if effect:
            parts[name] = _effect(effect)
    if sieve:
        parts["filter"] = {
            "by_target": {t: interval(sieve.change_of("accuracy", STEERED, t)) for t in sieve.targets},
            "accuracy": interval(sieve.change_of("accuracy")),
            "probability": interval(sieve.change_of("probability")),
            "wer": interval(sieve.change_of("wer")),
            "verdict": filter_verdict(sieve),
        }
    if cross:
        parts["cross"] = {name: interval(getattr(cross, name)) for name in ("own", "other", "pulled")}
    if moved:
        parts["directions"] = [{**vars(one), "verdict": one.verdict} for one in moved]
    if does("listen"):
        parts["players"] = told_players(cell)
    effects = {"unseen": unseen, "seen": seen, "filter": sieve}
    values = _summary(effects, moved, sample, choice.setting if choice else None, cross)
    parts["summary"] = dict(zip(SUMMARY, values, strict=True))
    return parts


def _summary(
    effects: dict[str, ConversionEffect | None],
    moved: Sequence[Direction],
    sample: dict[str, Any] | None,
    setting: Any,
    cross: Any,
) -> tuple[Any, ...]:
    unseen, seen, sieve = effects.values()
    gain = unseen.change_of("accuracy") if unseen else None
    on_off = sieve.change_of("accuracy") if sieve else None
    judged = [one for one in moved if one.demanded]
    return (
        unseen and unseen.of("accuracy", UNSTEERED).value,
        unseen and unseen.of("accuracy", STEERED).value,
        gain and gain.value,
        gain and [gain.low, gain.high],
        unseen and {target: unseen.change_of("accuracy", STEERED, target).value for target in unseen.targets},
        unseen and unseen.change_of("probability").value,
        unseen.change_of("accuracy", RANDOM).value if unseen and RANDOM in unseen.conditions else None,
        unseen and unseen.of("wer", UNSTEERED).value,
        unseen and unseen.change_of("wer").value,
        seen and seen.change_of("accuracy").value,
        sample and {target: row["kept"] for target, row in sample["targets"].items()},
        on_off and on_off.value,
        on_off and [on_off.low, on_off.high],
        cross and cross.own.value,
        cross and cross.other.value,
        sum(one.verdict == "agrees" for one in judged) if moved else None,
        len(judged) if moved else None,
        unseen and unseen.of("failed", STEERED).value,
        setting and setting.selector,
        setting and setting.top,
        setting and setting.alpha,
    )


def sampled(cell: Cell) -> dict[str, Any]:
    """How the unsteered conversions of the identification speakers fared before the success filter."""
    rows = [row for unit in cell.sampling for row in cell.outcomes(unit).rows]
    return {
        "conversions": len(rows),
        "kept": sum(not row.reasons for row in rows),
        "problems": _count(row.problem for row in rows if row.problem),
        "reasons": _count(reason for row in rows for reason in row.reasons),
        "targets": {
            target: _passed([row for row in rows if row.target == target]) for target in cell.config.targets
        },
    }


def _passed(rows: Sequence[Outcome]) -> dict[str, Any]:
    return {
        "made": len(rows),
        "kept": sum(not row.reasons for row in rows),
        "reasons": _count(reason for row in rows for reason in row.reasons),
    }


def _count(names: Iterable[str]) -> dict[str, int]:
    return dict(Counter(names).most_common())


def filter_verdict(sieve: ConversionEffect) -> str:
    """Whether the success filter was worth it, in one plain sentence."""
    change = sieve.change_of("accuracy")
    points = f"{change.scaled(100):+.1f} points of target accuracy over those found without it"
    if change.low > 0:
        return f"The success filter helps: neurons found with it reach {points}."
    if change.high < 0:
        return f"The success filter does not help here, it harms: neurons found with it reach {points}."
    return f"The success filter makes no clear difference here: neurons found with it reach {points}."


def _effect(effect: ConversionEffect) -> dict[str, Any]:
    at = {condition: {} for condition in effect.conditions}
    for condition in effect.conditions:
        for measure in effect.measures:
            level, change = effect.of(measure, condition), effect.change_of(measure, condition)
            at[condition][measure] = {"level": interval(level), "change": interval(change)}
    return {
        "conditions": at,
        "by_target": {
            target: {
                condition: {
                    "accuracy": interval(effect.of("accuracy", condition, target)),
                    "gain": interval(effect.change_of("accuracy", condition, target)),
                    "wer": interval(effect.of("wer", condition, target)),
                }
                for condition in effect.conditions
            }
            for target in effect.targets
        },
        "p_holm": dict(zip(effect.targets, effect.p_holm.tolist(), strict=True)),
        "problems": [vars(problem) for problem in effect.problems],
        "clips": len(effect.clips),
        "speakers": list(effect.speakers),
        "notes": list(effect.notes),
    }
