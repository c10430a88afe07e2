"""`esn evc study`: the whole protocol of emotion control in generated speech, from one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import esn_interp as esn
from esn_interp.cli.shared import ModelOptions, StudyChoice, duration, points, table
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.studies.conversion.config import ConversionConfig


def study(
    *,
    config: Annotated[
        Path,
        typer.Argument(
            metavar="[CONFIG]", help="A .yaml that says what to study, or a ready one: evc-toy, paper-conversion."
        ),
    ] = Path("evc-toy"),
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="M", help="Study this model instead of the config's.", rich_help_panel="Model"
        ),
    ] = None,
    options: ModelOptions,
    corpus: Annotated[
        str | None, typer.Option("--corpus", metavar="C", help="Study this corpus instead of the config's.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="W", help="Processes, each with a model of its own.")
    ] = None,
    choice: StudyChoice,
) -> None:
    """Sample conversions, filter, find neurons, steer, judge: every stage cached, one report with sound.

    A study that was interrupted goes on where it was when the same command is given again; after a change of the
    config only what depends on it is run. --dry-run tells how many conversions each stage takes.

    Example:
        esn evc study evc-toy --out evc --dry-run
    """
    from esn_interp.studies.config import load_config
    from esn_interp.studies.conversion.config import ConversionConfig

    settings = load_config(config, kind=ConversionConfig, roots=None if corpus else choice.roots)
    settings = settings.model_copy(update=_instead(settings, model, options, corpus, workers, choice))
    if choice.dry_run:
        _plan(settings, choice)
        return

    choice.claim("conversion study")
    from transformers.utils import logging as transformers_logging

    # Models and judges are many and small, or few and large; bars of each would hide what is being done.
    transformers_logging.disable_progress_bar()
    done = esn.study(settings, choice.out, progress=choice.progress, say=choice.remark)
    rows = [_row(title, summary) for title, summary in done.content["summary"].items()]
    header = ("model and corpus", "unsteered", "steered", "gain", "random", "WER", "seen", "chosen")
    choice.close(done.content, table(header, rows))


def _instead(
    settings: "ConversionConfig",
    model: str | None,
    options: ModelOptions,
    corpus: str | None,
    workers: int | None,
    choice: StudyChoice,
) -> dict[str, Any]:
    """What the command line says in the config's place."""
    from esn_interp.studies.config import CorpusSpec, ModelSpec
    from esn_interp.studies.conversion.config import SPEAKING

    changed: dict[str, Any] = {}
    if model is not None:
        spec = {"model": model, "component": SPEAKING, **options.given}
        changed["models"] = (ModelSpec.model_validate(spec),)
    elif options.given:
        changed["models"] = tuple(spec.model_copy(update=options.given) for spec in settings.models)
    if corpus is not None:
        if strange := sorted(set(choice.roots) - {corpus}):
            raise EsnError(f"no corpus {strange[0]!r} in this study to give a root; there is {corpus}")
        changed["corpora"] = (CorpusSpec(corpus=corpus, root=choice.roots.get(corpus)),)
    if workers is not None:
        changed["workers"] = workers
    if choice.seed is not None:
        changed["seeds"] = (choice.seed,)
    return changed


def _plan(settings: "ConversionConfig", choice: StudyChoice) -> None:
    from esn_interp.studies.conversion.estimate import estimate
    from esn_interp.studies.conversion.plan import ConversionPlan

    plan = estimate(ConversionPlan(settings, choice.out))
    rows = [
        (one.stage, one.title, f"{one.conversions:,}", f"{one.clips:,}", duration(one.seconds)) for one in plan
    ]
    total, times = sum(one.conversions for one in plan), [one.seconds for one in plan if one.seconds is not None]
    seconds = sum(times) if len(times) == len(plan) else None
    told = f"{total:,} conversions at most, roughly {duration(seconds)} of speaking; judges are not counted"
    if seconds is None:
        told = f"{total:,} conversions at most; the model's size is not known before it is loaded, so no time is told"
    choice.result(
        {"stages": [vars(one) for one in plan], "conversions": total, "seconds": seconds},
        *(table(("stage", "of", "conversions", "clips", "time"), rows), "", told),
    )


def _row(title: str, summary: dict[str, Any]) -> tuple[str, ...]:
    chosen = "-" if summary["selector"] is None else f"{summary['selector']} {summary['top']:g} x{summary['alpha']:g}"
    accuracy = (points(summary[name], "") for name in ("unsteered_accuracy", "steered_accuracy"))
    changes = (points(summary[name]) for name in ("gain", "random_gain", "wer_rise", "seen_gain"))
    return (title, *accuracy, *changes, chosen)
