"""The results file of a study: every number of the report, readable without us."""

import math
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from esn_interp.analysis.ablation.measure import Ablation
from esn_interp.analysis.dose.measure import DoseResponse
from esn_interp.analysis.inference.significance import Interval
from esn_interp.files import package_version
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import CORPORA
from esn_interp.studies.demo.choice import GainChoice, NeuronChoice
from esn_interp.studies.demo.page import KIND, VERSION
from esn_interp.studies.demo.subject import Subject
from esn_interp.tasks.recognition import BASELINE, FREE_QUESTION, Recognition
from esn_interp.tasks.side_tasks import OffTarget

SUMMARY = (
    "uar",
    "selector",
    "top",
    "self_ablation",
    "cross_ablation",
    "random_ablation",
    "specificity_ci",
    "steer_best_flip_rate",
    "steer_random_flip_rate",
    "steer_spearman",
    "transcription_drop",
    "sex_drop",
    "steer_parse_rate",
)
"""Keys of the summary, in order."""


@dataclass(frozen=True)
class Findings:
    """What the steps of a study hand to its record."""

    split_by: str
    validation: Clips
    identification: Clips
    evaluation: Clips
    statistics: GateStatistics
    choice: NeuronChoice
    gain: GainChoice
    ablation: Ablation
    dose: DoseResponse
    costs: OffTarget
    parsed: float
    examples: dict[str, Any]


def record(lm: Subject, findings: Findings, *, seed: int, seconds: float) -> dict[str, Any]:
    """The content of ``results.json``; numbers that are not finite become null."""
    chosen, ablation, dose = findings.choice.chosen.setting, findings.ablation, findings.dose
    emotions = list(ablation.emotions)
    content = {
        "kind": KIND,
        "version": VERSION,
        "summary": _summary(findings),
        "emotions": emotions,
        "settings": {
            "selector": chosen.selector,
            "top": chosen.top,
            "scope": chosen.scope,
            "pooling": findings.choice.neurons.parameters.get("pooling"),
            "filter": findings.choice.neurons.parameters.get("filter"),
            "how": ablation.how,
            "positions": list(ablation.positions),
            "alpha": findings.gain.chosen,
            "alphas": list(findings.gain.alphas),
            "draws": ablation.draws,
            "seed": seed,
            "prompt": Recognition(tuple(emotions)).prompt,
            "free_question": FREE_QUESTION,
        },
        "model": {
            "name": lm.name,
            "family": lm.family.title,
            "fingerprint": lm.fingerprint,
            "component": lm.component,
            "layers": len(lm.widths),
            "gates": sum(lm.widths),
            "widths": list(lm.widths),
        },
        "corpus": _corpus(findings),
        "filter": {"seen": findings.statistics.seen, "kept": findings.statistics.kept},
        "choice": {
            "grid": [trial.row() for trial in findings.choice.trials],
            "unusable": list(findings.choice.unusable),
            "alpha": [
                {"alpha": alpha, "flip_rate": rate}
                for alpha, rate in zip(findings.gain.alphas, findings.gain.flip_rates, strict=True)
            ],
        },
        "recognition": _recognition(ablation),
        "ablation": _ablation(ablation),
        "steering": _steering(dose),
        "off_target": _off_target(findings.costs),
        "examples": findings.examples,
        "notes": _notes(findings),
        "versions": versions(),
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": seconds,
    }
    return plain(content)


def _summary(findings: Findings) -> dict[str, Any]:
    ablation, dose, costs = findings.ablation, findings.dose, findings.costs
    values = (
        ablation.baseline_uar.value,
        findings.choice.chosen.setting.selector,
        findings.choice.chosen.setting.top,
        ablation.self_change.value,
        ablation.cross_change.value,
        ablation.random_self.value,
        [ablation.specificity.low, ablation.specificity.high],
        dose.flip_rate(findings.gain.chosen).value,
        dose.random_flip_rate().value,
        dose.spearman,
        costs.mean_drop("transcription"),
        costs.mean_drop("sex"),
        findings.parsed,
    )
    return dict(zip(SUMMARY, values, strict=True))


def _corpus(findings: Findings) -> dict[str, Any]:
    clips = findings.evaluation
    info = CORPORA.get(clips.name)
    return {
        "name": clips.name,
        "title": info.title if info else "",
        "licence": info.licence if info else "",
        "fingerprint": findings.statistics.origin.corpus_fingerprint,
        "split_by": findings.split_by,
        "splits": {
            name: _split(getattr(findings, name)) for name in ("validation", "identification", "evaluation")
        },
    }


def _split(clips: Clips) -> dict[str, Any]:
    sexes = dict(zip(clips.column("speaker"), clips.column("sex"), strict=True))
    return {
        "clips": len(clips),
        "speakers": list(clips.speakers),
        "sexes": dict(sorted(Counter(sex for sex in sexes.values() if sex).items())),
        "sentences": len(set(clips.column("sentence"))),
    }


def _recognition(ablation: Ablation) -> dict[str, Any]:
    return {
        "uar": _interval(ablation.baseline_uar),
        "recall": dict(zip(ablation.emotions, ablation.baseline_recall.tolist(), strict=True)),
        "confusion": ablation.confusion().tolist(),
        "clips": len(ablation.clips),
    }


def _ablation(ablation: Ablation) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for i, emotion in enumerate(ablation.sets):
        j = ablation.emotions.index(emotion)
        others = np.arange(len(ablation.emotions)) != j
        rows.append(
            {
                "emotion": emotion,
                "neurons": ablation.neurons[i],
                "self": ablation.change[i, j],
                "self_low": ablation.change_low[i, j],
                "self_high": ablation.change_high[i, j],
                "cross": np.nanmean(ablation.change[i, others]),
                "random": ablation.random_change[i, j],
                "p": ablation.p_holm[i],
            }
        )
    own = np.array([[a == b for b in ablation.emotions] for a in ablation.sets])
    return {
        "emotions": rows,
        "self": _interval(ablation.self_change),
        "cross": _interval(ablation.cross_change),
        "random": _interval(ablation.random_self),
        "self_minus_cross": _interval(ablation.specificity),
        "self_minus_random": _interval(ablation.self_minus_random),
        "largest_cross_loss": np.nanmin(ablation.change[~own]),
    }


def _steering(dose: DoseResponse) -> dict[str, Any]:
    return {
        "alphas": dose.alphas.tolist(),
        "flip": dict(zip(dose.sets, dose.flip.value.tolist(), strict=True)),
        "mean_flip": dose.flip.mean.tolist(),
        "mean_flip_low": dose.flip.mean_low.tolist(),
        "mean_flip_high": dose.flip.mean_high.tolist(),
        "random_mean_flip": dose.random_flip.mean.tolist(),
        "mean_recall": dose.recall.mean.tolist(),
        "mean_target_log_prob": dose.log_prob.mean.tolist(),
        "spearman": dose.spearman,
        "page_p": dose.page_p,
    }


def _off_target(costs: OffTarget) -> dict[str, Any]:
    rows = [{str(key): value for key, value in row.items()} for row in costs.to_frame().to_dict("records")]
    # The report takes the first row for the unedited model.
    rows.sort(key=lambda row: row["condition"] != BASELINE)
    return {"clips": len(costs.clips), "conditions": rows}


def _notes(findings: Findings) -> list[str]:
    """What a reader should know before believing the numbers."""
    speakers = len(set(findings.ablation.speakers))
    found_on = len(findings.identification.speakers)
    apart = "sentences" if findings.split_by == "sentence" else "voices"
    notes = [
        f"The unit of inference is the speaker: intervals are 95 % cluster-t intervals over {speakers} "
        "evaluation speakers, and p-values come from sign-flip tests over them, adjusted by Holm over the "
        "emotions.",
        f"Three sets of {apart} that do not overlap: neurons were found on {found_on} speakers, settings "
        f"chosen on {len(findings.validation.speakers)}, effects measured once on {speakers}. No setting "
        "was chosen by what it does to the evaluation clips.",
        f"The control of the ablation is {findings.ablation.draws} random sets per emotion, as many neurons "
        "in every layer, none of them the emotion's own; the control of the steering is "
        f"{findings.dose.draws} such sets, dealt out over the clips.",
        "Effects are measured on all evaluation clips, also those that the unedited model gets wrong.",
        f"Answers to single clips are scored among {len(findings.ablation.emotions)} options; what the model "
        "would say freely is counted apart, by whether an emotion can be read from it.",
    ]
    found = [*findings.ablation.notes, *findings.dose.notes]
    found += [f"clip {clip} was skipped: {reason}" for clip, reason in findings.statistics.skipped]
    return notes + [note[:1].upper() + note[1:] + "." for note in dict.fromkeys(found)]


def versions() -> dict[str, str]:
    """The package and what it computes with."""
    libraries = ("torch", "transformers", "nnsight", "numpy")
    return {
        "esn_interp": package_version(),
        "Python": platform.python_version(),
        **{name: metadata.version(name) for name in libraries},
    }


def _interval(interval: Interval) -> dict[str, Any]:
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "speakers": interval.speakers,
    }


def plain(value: Any) -> Any:
    """JSON values only: numpy's numbers as Python's, and null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
