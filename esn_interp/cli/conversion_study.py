"""`esn evc study`: the whole protocol of emotion control in generated speech, from one command."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, table
from esn_interp.cli.model_choice import chosen_model
from esn_interp.cli.options import in_folder
from esn_interp.cli.study import roots_of
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.studies.conversion.config import EvcConfig


def study(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="[CONFIG]", help="A .yaml that says what to study, or a ready one: evc-toy, paper-conversion."
        ),
    ] = Path("evc-toy"),
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report, the results and every stage.")
    ],
    model: Annotated[
        str | None, typer.Option("--model", metavar="M", help="Study this model instead of the config's.")
    ] = None,
    recordings: Annotated[
        str | None, typer.Option("--corpus", metavar="C", help="Study this corpus instead of the config's.")
    ] = None,
    root: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="CORPUS=PATH", help="Where a corpus lies; may be repeated."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="W", help="Processes, each with a model of its own.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the study in DIR; what it has done is never done again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan: how many conversions in each stage. Run nothing.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Use this seed instead of the config's.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Sample conversions, filter, find neurons, steer, judge: every stage cached, one report with sound.

    A study that was interrupted goes on where it was when the same command is given again; after a change of the
    config only what depends on it is run.
    """
    console = Console(json=as_json, quiet=quiet)

    from esn_interp.studies.config import load_config
    from esn_interp.studies.conversion.config import EvcConfig

    given = roots_of(root or [])
    settings = load_config(config, kind=EvcConfig, roots=None if recordings else given)
    settings = _instead(settings, model, recordings, given, workers, seed)
    if resume and not (out / "stages").is_dir():
        raise EsnError(f"{out}: there is no study to resume; leave --resume out to begin one")
    if dry_run:
        _plan(settings, out, console)
        return
    in_folder(out / "results.json")

    from transformers.utils import logging as transformers_logging

    from esn_interp.studies.conversion.grid import EvcGrid
    from esn_interp.studies.conversion.study import run_evc

    # Models and judges are many and small, or few and large; bars of each would hide what is being done.
    transformers_logging.disable_progress_bar()
    with console.warnings():
        done = run_evc(EvcGrid(settings, out), progress=console.progress, say=console.remark)
    files = {name: out / name for name in ("report.html", "results.json") if (out / name).exists()}
    rows = [_row(title, summary) for title, summary in done.content["summary"].items()]
    header = ("model and corpus", "unsteered", "steered", "gain", "random", "WER", "seen", "chosen")
    undone = [f"not done: {one['stage']}, {one['of']}: {one['reason']}" for one in done.content["not_done"]]
    text = "\n".join([table(header, rows), *undone, *map(str, files.values())])
    console.result({"out": out, **files, "results": done.content}, text=text)


def _instead(
    settings: "EvcConfig",
    model: str | None,
    corpus: str | None,
    roots: dict[str, Path],
    workers: int | None,
    seed: int | None,
) -> "EvcConfig":
    """The config with what the command line says in its place."""
    from esn_interp.studies.config import CorpusSpec, ModelSpec
    from esn_interp.studies.conversion.config import SPEAKING

    changed: dict[str, Any] = {}
    options = chosen_model().options
    if model is not None:
        changed["models"] = (ModelSpec.model_validate({"model": model, "component": SPEAKING, **options}),)
    elif options:
        changed["models"] = tuple(spec.model_copy(update=options) for spec in settings.models)
    if corpus is not None:
        if strange := sorted(set(roots) - {corpus}):
            raise EsnError(f"no corpus {strange[0]!r} in this study to give a root; there is {corpus}")
        changed["corpora"] = (CorpusSpec(corpus=corpus, root=roots.get(corpus)),)
    if workers is not None:
        changed["workers"] = workers
    if seed is not None:
        changed["seeds"] = (seed,)
    return settings.model_copy(update=changed)


def _plan(settings: "EvcConfig", out: Path, console: Console) -> None:
    from esn_interp.studies.conversion.estimate import evc_estimate
    from esn_interp.studies.conversion.grid import EvcGrid

    plan = evc_estimate(EvcGrid(settings, out))
    rows = [(one.stage, one.title, f"{one.conversions:,}", f"{one.clips:,}") for one in plan]
    total = sum(one.conversions for one in plan)
    text = "\n".join([table(("stage", "of", "conversions", "clips"), rows), "", f"{total:,} conversions at most"])
    console.result({"stages": [vars(one) for one in plan], "conversions": total}, text=text)


def _row(title: str, summary: dict[str, Any]) -> tuple[str, ...]:
    def points(name: str, sign: str = "+") -> str:
        value = summary[name]
        return "-" if value is None else f"{100 * value:{sign}.1f}"

    chosen = "-" if summary["selector"] is None else f"{summary['selector']} {summary['top']:g} x{summary['alpha']:g}"
    accuracy = (points("unsteered_accuracy", ""), points("steered_accuracy", ""), points("gain"))
    return (title, *accuracy, points("random_gain"), points("wer_rise"), points("seen_gain"), chosen)
