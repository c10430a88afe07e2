"""`esn study`: the whole protocol on any models and corpora, from one config."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import esn_interp as esn
from esn_interp.cli.shared import EngineChoice, StudyChoice, duration, points, table

if TYPE_CHECKING:
    from esn_interp.studies.recognition.config import RecognitionConfig


def study(
    *,
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="A .yaml that says what to study, or a ready one: demo, authors-toy, grown, grown-null,"
            " grown-long, paper-recognition, emodb-toy, real-speech.",
        ),
    ],
    engine: EngineChoice,
    choice: StudyChoice,
) -> None:
    """Find, choose, silence, turn up, compare: every model on every corpus, every stage cached.

    A study that was interrupted goes on where it was when the same command is given again; after a change of the
    config only what depends on it is run. --dry-run tells of forward passes, time and memory. With --engine ray,
    replicas take a model and a corpus each.

    Example:
        esn study study.yaml --out study
    """
    from esn_interp.studies.config import load_config
    from esn_interp.studies.recognition.config import RecognitionConfig

    settings = load_config(config, kind=RecognitionConfig, roots=choice.roots)
    if choice.seed is not None:
        settings = settings.model_copy(update={"seeds": (choice.seed,)})
    if choice.dry_run:
        _plan(settings, choice)
        return
    choice.claim("study grid", "study")
    from transformers.utils import logging as transformers_logging

    if not choice.progress:
        transformers_logging.disable_progress_bar()
    if (replicated := engine.replicated()) is None:
        done = esn.study(settings, choice.out, progress=choice.progress, say=choice.remark)
    else:
        from esn_interp.scale.study import study_on

        done = study_on(replicated, settings, choice.out, progress=choice.progress, say=choice.remark)
    header = ("model and corpus", "UAR", "chosen", "self", "cross", "flips", "alpha")
    rows = [_row(cell) for cell in done.content.get("cells", ())]
    choice.close(done.content, table(header, rows) if rows else done.describe())


def _plan(settings: "RecognitionConfig", choice: StudyChoice) -> None:
    from esn_interp.studies.recognition.estimate import estimate
    from esn_interp.studies.recognition.plan import RecognitionPlan

    plan = estimate(RecognitionPlan(settings, choice.out, progress=False))
    rows = [
        (cost.stage, cost.title, f"{cost.passes:,}", "done" if cost.done else duration(cost.seconds))
        for cost in plan.costs
    ]
    memory = [f"{name}: {told} of memory" for name, told in plan.memory.items()]
    total = f"{plan.passes:,} forward passes, roughly {duration(plan.seconds)} at {plan.flops / 1e9:,.0f} GFLOP/s"
    content: dict[str, Any] = {
        "tasks": [asdict(cost) for cost in plan.costs],
        "passes": plan.passes,
        "seconds": plan.seconds,
        "memory": {name: {**asdict(told), "total": told.total} for name, told in plan.memory.items()},
    }
    choice.result(content, table(("stage", "of", "passes", "time"), rows), "", total, *memory)


def _row(cell: dict[str, Any]) -> tuple[str, ...]:
    def told(part: str, name: str) -> float | None:
        return (cell.get(part, {}).get(name) or {}).get("value")

    chosen, steering = cell.get("chosen"), cell.get("steering")
    return (
        cell["title"],
        points(told("baseline", "uar"), ""),
        f"{chosen['selector']} {chosen['top']:g}" if chosen else "-",
        points(told("ablation", "self")),
        points(told("ablation", "cross")),
        points(told("steering", "flip_rate"), ""),
        f"{steering['alpha']:g}" if steering else "-",
    )
