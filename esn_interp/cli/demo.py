"""`esn demo`: the whole study, offline."""

import time
from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.shared import ModelOptions, Run, in_folder

MODEL, CORPUS = "toy-omni", "toy-studio"


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
    in_folder(out / "results.json")
    run.remark(f"Loading {MODEL} and {CORPUS}")
    started = time.monotonic()

    from esn_interp.speech.corpora import corpus
    from esn_interp.studies.demo.protocol import run_study

    lm, clips = ModelOptions().load(MODEL, progress=False), corpus(CORPUS)
    study = run_study(lm, clips, out, seed=run.seed, progress=run.progress, say=run.remark)
    run.remark(f"Done in {time.monotonic() - started:.0f} s.")
    content = {"out": out, "report": study.report, "results": study.results, "summary": study.summary}
    run.result(content, study.describe(), study.report)
