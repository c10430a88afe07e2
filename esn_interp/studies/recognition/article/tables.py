"""The rows of the report's tables: numbers in, readable cells out."""

from collections.abc import Mapping
from typing import Any

from esn_interp.drawing.numbers import count, interval, percent, points

_PURPOSE = {
    "validation": "choose selector, size, scope and gain",
    "identification": "find the neurons",
    "evaluation": "measure the effects, once",
}


def tables(study: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Every table of the page by its name in the template."""
    return {
        "splits": _splits(study),
        "passed": _passed(study),
        "silenced": _silenced(study),
        "costs": _costs(study),
        "tried": _tried(study),
        "gains": _gains(study),
    }


def _splits(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, purpose in _PURPOSE.items():
        split = study["corpus"]["splits"][name]
        sexes = ", ".join(f"{number} {sex}" for sex, number in split["sexes"].items())
        voices = f"{len(split['speakers'])}" + (f" ({sexes})" if sexes else "")
        rows.append({"name": name, "purpose": purpose, "voices": voices, "clips": f"{split['clips']:,}"})
    return rows


def _passed(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    seen, kept, recall = study["filter"]["seen"], study["filter"]["kept"], study["recognition"]["recall"]
    return [
        {
            "emotion": emotion,
            "seen": f"{seen[emotion]:,}",
            "kept": f"{kept[emotion]:,}",
            "share": percent(kept[emotion] / seen[emotion] if seen[emotion] else None),
            "recall": percent(recall[emotion]),
        }
        for emotion in study["emotions"]
    ]


def _silenced(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "emotion": row["emotion"],
            "neurons": f"{row['neurons']:,}",
            "own": points(row["self"], unit=False),
            "interval": interval(row["self_low"], row["self_high"]),
            "cross": points(row["cross"], unit=False),
            "random": points(row["random"], unit=False),
            "p": _p(row["p"]),
            "p_selection": _p(row.get("p_selection")),
        }
        for row in study["ablation"]["emotions"]
    ]


def _p(value: float | None) -> str:
    return "–" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"


def _costs(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = study["off_target"]["conditions"]
    before = rows[0]
    return [
        {
            "condition": "none" if row is before else row["condition"],
            "transcription": percent(row["transcription"]),
            "transcription_change": "" if row is before else _change(row, before, "transcription"),
            "sex": percent(row["sex"]),
            "sex_change": "" if row is before else _change(row, before, "sex"),
        }
        for row in rows
    ]


def _change(row: Mapping[str, Any], before: Mapping[str, Any], measure: str) -> str:
    if row[measure] is None or before[measure] is None:
        return points(None)
    return points(row[measure] - before[measure], unit=False)


def _tried(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    settings = study["settings"]
    chosen = (settings["selector"], settings["top"], settings["scope"])
    return [
        {
            "chosen": (row["selector"], row["top"], row["scope"]) == chosen,
            "selector": row["selector"],
            "scope": row["scope"],
            "top": percent(row["top"]),
            "own": points(row["self_ablation"], unit=False),
            "cross": points(row["cross_ablation"], unit=False),
            "specificity": points(row["specificity"], unit=False),
            "flip_rate": "–" if row["flip_rate"] is None else percent(row["flip_rate"]),
        }
        for row in sorted(study["choice"]["grid"], key=lambda row: row["specificity"])
    ]


def _gains(study: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {"alpha": f"{row['alpha']:g}", "flip_rate": percent(row["flip_rate"])}
        for row in study["choice"]["alpha"]
    ]


def _selection(study: Mapping[str, Any]) -> list[str]:
    null = study["ablation"].get("selection")
    if null is None:
        return []
    p = f"p {null['p']:.2g}, {null['permutations']} permutations"
    return [f"  labels permuted      own minus others {points(null['mean'])} ({p})"]


def describe(study: Mapping[str, Any]) -> str:
    """The summary as a few lines for a terminal."""
    summary, settings = study["summary"], study["settings"]
    low, high = summary["specificity_ci"]
    voices = len(study["corpus"]["splits"]["evaluation"]["speakers"])
    return "\n".join(
        (
            f"{study['model']['name']} on {study['corpus']['name']}, {count(voices, 'evaluation voice')}",
            f"  recognition          UAR {percent(summary['uar'])}",
            f"  neurons              {settings['selector']}, {percent(summary['top'])} of the gates per "
            f"emotion, scope {settings['scope']}",
            f"  silenced             own emotion {points(summary['self_ablation'])}, others "
            f"{points(summary['cross_ablation'])}, random neurons {points(summary['random_ablation'])}",
            f"  own minus others     95 % interval {interval(low, high)}",
            *_selection(study),
            f"  turned up (x {1 + settings['alpha']:g})    {percent(summary['steer_best_flip_rate'])} of "
            f"other clips flip, random neurons {percent(summary['steer_random_flip_rate'])} at most",
            f"  cost                 transcription {points(-summary['transcription_drop'])}, sex "
            f"{points(-summary['sex_drop'])}",
        )
    )
