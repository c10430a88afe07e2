"""The results file of a study of one model on one corpus: every number of the article, readable without us."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from plotly.offline import get_plotlyjs

from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.errors import NotDone
from esn_interp.files import write_text
from esn_interp.report.page import figure_page
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import CORPORA
from esn_interp.studies.cache import Undone
from esn_interp.studies.recognition.cell import SPLITS, Cell
from esn_interp.studies.results import interval, made_by, of_null
from esn_interp.tasks.recognition import FREE_QUESTION

KIND, VERSION = "study", 1

FILES = {"neurons": "esns.safetensors", "ablation": "ablation.json", "doses": "dose.json"}
"""Where the results stand that the page is made of."""

PAGES = "neurons.json"
"""What is known of the strongest neurons, where it was asked for."""

SUMMARY = (
    "uar",
    "selector",
    "top",
    "self_ablation",
    "cross_ablation",
    "random_ablation",
    "specificity_ci",
    "null_specificity",
    "selection_p",
    "steer_best_flip_rate",
    "steer_random_flip_rate",
    "steer_spearman",
    "transcription_drop",
    "sex_drop",
    "steer_parse_rate",
)
"""Keys of the summary, in order."""


def article_record(cell: Cell, undone: Mapping[tuple[str, str], str], seconds: float) -> dict[str, Any]:
    """The content of ``results.json``.

    Raises
    ------
    NotDone
        When a stage could not be done: an article leaves nothing out.
    """
    if undone:
        raise NotDone("; ".join(f"not done: {stage}: {reason}" for (stage, _), reason in undone.items()))
    config, origin, setting, ablation = cell.config, cell.statistics.origin, cell.setting, cell.ablation
    emotions, doses, costs = list(ablation.emotions), cell.doses, cell.costs
    return {
        "kind": KIND,
        "version": VERSION,
        "summary": _summary(cell),
        "emotions": emotions,
        "settings": {
            **vars(setting),
            "pooling": cell.neurons.parameters.get("pooling"),
            "filter": cell.neurons.parameters.get("filter"),
            "how": ablation.how,
            "positions": list(ablation.positions),
            "alpha": cell.alpha,
            "alphas": doses.alphas.tolist(),
            "draws": ablation.draws,
            "seed": cell.seed,
            "prompt": cell.statistics.prompt,
            "free_question": FREE_QUESTION,
            "rule": config.rule,
            "least_loss": config.least_loss,
            "most_collateral": config.most_collateral,
        },
        "model": {
            "name": cell.model.title,
            "family": cell.model.lm.family.title,
            "fingerprint": origin.fingerprint,
            "component": origin.component,
            "layers": len(origin.widths),
            "gates": sum(origin.widths),
            "widths": list(origin.widths),
        },
        "corpus": _corpus(cell),
        "filter": {"seen": cell.statistics.seen, "kept": cell.statistics.kept},
        "choice": {
            "grid": [trial.row() for trial in cell.choice.trials],
            "unusable": list(cell.choice.unusable),
            "alpha": [
                {"alpha": alpha, "flip_rate": rate}
                for alpha, rate in zip(
                    cell.trial_doses.alphas.tolist(), cell.trial_doses.flip.mean.tolist(), strict=True
                )
            ],
        },
        "recognition": {
            "uar": interval(ablation.baseline_uar),
            "recall": dict(zip(ablation.emotions, ablation.baseline_recall.tolist(), strict=True)),
            "confusion": ablation.confusion().tolist(),
            "clips": len(ablation.clips),
        },
        "ablation": _ablation(ablation),
        "steering": _steering(doses),
        "off_target": {"clips": len(costs.clips), "conditions": costs.rows()},
        "examples": asdict(cell.examples),
        "notes": _notes(cell),
        **made_by(),
        "seconds": seconds,
    }


def write_article_files(cell: Cell, out: Path) -> None:
    """Write what stands beside ``results.json``: statistics, neurons, analyses, sounds, and a page for each figure."""
    cell.statistics.save(out / "stats.safetensors")
    results = {"neurons": cell.neurons, "ablation": cell.ablation, "doses": cell.doses}
    for name, result in results.items():
        result.save(out / FILES[name])
    if cell.config.does("neuron"):
        with suppress(Undone):
            cell.pages.save(out / PAGES)
    cell.examples.write_sounds(cell.evaluation, out)
    figures = {"neuron_map": cell.neurons, "ablation": cell.ablation, "dose": cell.doses}
    for name, result in figures.items():
        # All pages use the one copy of plotly that lies beside them.
        write_text(out / "figures" / f"{name}.html", figure_page(result.plot(), plotly=False))
    write_text(out / "figures" / "plotly.min.js", get_plotlyjs())


def _summary(cell: Cell) -> dict[str, Any]:
    ablation, dose, costs = cell.ablation, cell.doses, cell.costs
    null = ablation.specificity_null
    values = (
        ablation.baseline_uar.value,
        cell.setting.selector,
        cell.setting.top,
        ablation.self_change.value,
        ablation.cross_change.value,
        ablation.random_self.value,
        [ablation.specificity.low, ablation.specificity.high],
        null.mean if null else None,
        null.omnibus_p if null else None,
        dose.flip_rate(cell.alpha).value,
        dose.random_flip_rate().value,
        dose.spearman,
        *costs.drop.tolist(),
        costs.parse_rate,
    )
    return dict(zip(SUMMARY, values, strict=True))


def _split_by(cell: Cell) -> str:
    return "unheard" if cell.assignment.unheard_by else cell.assignment.by


def _corpus(cell: Cell) -> dict[str, Any]:
    info = CORPORA.get(cell.clips.name)
    return {
        "name": cell.clips.name,
        "title": info.title if info else "",
        "licence": info.licence if info else "",
        "fingerprint": cell.statistics.origin.corpus_fingerprint,
        "split_by": _split_by(cell),
        "splits": {name: _split(part) for name, part in zip(SPLITS, cell.splits, strict=True)},
    }


def _split(clips: Clips) -> dict[str, Any]:
    sexes = dict(zip(clips.column("speaker"), clips.column("sex"), strict=True))
    return {
        "clips": len(clips),
        "speakers": list(clips.speakers),
        "sexes": dict(sorted(Counter(sex for sex in sexes.values() if sex).items())),
        "sentences": len(set(clips.column("sentence"))),
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
                "p_selection": ablation.specificity_null.p_values[i] if ablation.specificity_null else None,
            }
        )
    own = np.array([[a == b for b in ablation.emotions] for a in ablation.sets])
    return {
        "emotions": rows,
        "self": interval(ablation.self_change),
        "cross": interval(ablation.cross_change),
        "random": interval(ablation.random_self),
        "self_minus_cross": interval(ablation.specificity),
        "self_minus_random": interval(ablation.self_minus_random),
        "largest_cross_loss": np.nanmin(ablation.change[~own]),
        "selection": of_null(ablation.specificity_null),
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
        "selection": of_null(dose.flip_null),
    }


def _notes(cell: Cell) -> list[str]:
    """What a reader should know before believing the numbers."""
    speakers, ablation = len(set(cell.ablation.speakers)), cell.ablation
    found_on = len(cell.identification.speakers)
    apart = "sentences" if _split_by(cell) == "sentence" else "voices"
    notes = [
        f"The unit of inference is the speaker: intervals are 95 % intervals over {speakers} "
        "evaluation speakers, and p (Holm) comes from sign-flip tests over them, adjusted over the emotions: they "
        "concern new voices. p (selection) concerns the neurons: it compares them with those that the same selection "
        "gives when labels are permuted, adjusted over the emotions.",
        f"Three sets of {apart} that do not overlap: neurons were found on {found_on} speakers, settings "
        f"chosen on {len(cell.validation.speakers)}, effects measured once on {speakers}. No setting "
        "was chosen by what it does to the evaluation clips.",
        f"The control of the ablation is {ablation.draws} random sets per emotion, as many neurons "
        "in every layer, none of them the emotion's own; the control of the steering is "
        f"{cell.doses.draws} such sets, dealt out over the clips.",
        "Effects are measured on all evaluation clips, also those that the unedited model gets wrong.",
        f"Answers to single clips are scored among {len(ablation.emotions)} options; what the model "
        "would say freely is counted apart, by whether an emotion can be read from it.",
    ]
    found = [*ablation.notes, *cell.doses.notes]
    found += [f"clip {clip} was skipped: {reason}" for clip, reason in cell.statistics.skipped]
    return notes + [note[:1].upper() + note[1:] + "." for note in dict.fromkeys(found)]
