"""`esn study`: the whole protocol on any models and corpora, from one config."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, table
from esn_interp.cli.options import in_folder
from esn_interp.errors import EsnError

if TYPE_CHECKING:
    from esn_interp.studies.config import StudyConfig


def study(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="CONFIG",
            help="A .yaml that says what to study, or a ready one: paper-recognition, emodb-toy, real-speech.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report, the results and every stage.")
    ],
    root: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="CORPUS=PATH", help="Where a corpus of the config lies; may be repeated."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study in DIR; what it has done is never done again."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan: forward passes, time and memory. Run nothing.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Use this seed instead of the config's.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Find, choose, silence, turn up, compare: every model on every corpus, every stage cached.

    A study that was interrupted goes on where it was when the same command is given again; after a change of the
    config only what depends on it is run.
    """
    console = Console(json=as_json, quiet=quiet)

    from esn_interp.studies.config import load_config

    settings = load_config(config, roots=roots_of(root or []))
    if seed is not None:
        settings = settings.model_copy(update={"seeds": (seed,)})
    if resume and not (out / "stages").is_dir():
        raise EsnError(f"{out}: there is no study to resume; leave --resume out to begin one")
    if dry_run:
        _plan(settings, out, console)
        return
    in_folder(out / "results.json")
    from transformers.utils import logging as transformers_logging

    from esn_interp.studies.recognition.grid import run_grid

    if not console.progress:
        transformers_logging.disable_progress_bar()
    with console.warnings():
        content = run_grid(settings, out, progress=console.progress, say=console.remark)
    header = ("model and corpus", "UAR", "chosen", "self", "cross", "flips", "alpha")
    rows = [_row(cell) for cell in content["cells"]]
    files = {name: out / name for name in ("report.html", "results.json") if (out / name).exists()}
    undone = [f"not done: {one['stage']}, {one['of']}: {one['reason']}" for one in content["not_done"]]
    text = "\n".join([table(header, rows), *undone, *map(str, files.values())])
    console.result({"out": out, **files, "results": content}, text=text)


def roots_of(given: list[str]) -> dict[str, Path]:
    """What ``--root CORPUS=PATH`` says."""
    parts = [text.partition("=") for text in given]
    if wrong := next((text for text, (_, sign, path) in zip(given, parts, strict=True) if not (sign and path)), None):
        raise EsnError(f"--root {wrong}: write CORPUS=PATH, such as emodb=/data/emodb")
    return {name: Path(path) for name, _, path in parts}


def _plan(settings: "StudyConfig", out: Path, console: Console) -> None:
    from esn_interp.studies.recognition.estimate import estimate
    from esn_interp.studies.recognition.grid import Grid

    plan = estimate(Grid(settings, out, progress=False))
    rows = [
        (cost.stage, cost.title, f"{cost.passes:,}", "done" if cost.kept else _span(cost.seconds))
        for cost in plan.costs
    ]
    memory = [f"{name}: {told} of memory" for name, told in plan.memory.items()]
    total = f"{plan.passes:,} forward passes, roughly {_span(plan.seconds)} at {plan.flops / 1e9:,.0f} GFLOP/s"
    text = "\n".join([table(("stage", "of", "passes", "time"), rows), "", total, *memory])
    content: dict[str, Any] = {
        "tasks": [asdict(cost) for cost in plan.costs],
        "passes": plan.passes,
        "seconds": plan.seconds,
        "memory": {name: {**asdict(told), "total": told.total} for name, told in plan.memory.items()},
    }
    console.result(content, text=text)


def _row(cell: dict[str, Any]) -> tuple[str, ...]:
    def points(part: str, name: str, sign: str = "+") -> str:
        value = cell.get(part, {}).get(name)
        return "-" if value is None or value["value"] is None else f"{100 * value['value']:{sign}.1f}"

    chosen, steering = cell.get("chosen"), cell.get("steering")
    return (
        cell["title"],
        points("baseline", "uar", ""),
        f"{chosen['selector']} {chosen['top']:g}" if chosen else "-",
        points("ablation", "self"),
        points("ablation", "cross"),
        points("steering", "flip_rate", ""),
        f"{steering['alpha']:g}" if steering else "-",
    )


def _span(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
