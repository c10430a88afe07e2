"""`esn demo`: the whole study, offline."""

import time
from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Run, study_folder
from esn_interp.cli.shared.door import PARTLY_DONE


def demo(
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report and the results.")
    ] = Path("esn-demo"),
    run: Run,
) -> None:
    """The whole study on the bundled model and corpus, offline.

    In a few minutes it finds the neurons of five emotions in toy-omni, silences them, turns them up, and
    writes DIR/report.html, DIR/results.json and the figures.

    Example:
        esn demo --out esn-demo
    """
    study_folder(out, "study")
    started = time.monotonic()

    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    done = esn.study("demo", out, seeds=(run.seed,), progress=run.progress, say=run.remark)
    run.remark(f"Done in {time.monotonic() - started:.0f} s.")
    content = {"out": out, "report": done.report, "results": done.results, "summary": done.content["summary"]}
    run.result(content, done.describe(), *done.notes, done.report)
    if done.content.get("not_done"):
        raise typer.Exit(PARTLY_DONE)
