"""`esn demo` and `esn report`: the whole study, and its report."""

import time
from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.console import AsJson, Console, Quiet, Seed
from esn_interp.cli.options import in_folder, load_model

MODEL, CORPUS = "toy-omni", "toy-studio"


def demo(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the report and the results.")
    ] = Path("esn-demo"),
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """The whole study on the bundled model and corpus, offline.

    In a few minutes it finds the neurons of five emotions in toy-omni, silences them, turns them up, and
    writes DIR/report.html, DIR/results.json and the figures.
    """
    console = Console(json=as_json, quiet=quiet)
    in_folder(out / "results.json")
    console.remark(f"Loading {MODEL} and {CORPUS}")
    started = time.monotonic()

    from esn_interp.speech.corpora import corpus
    from esn_interp.studies.demo.protocol import run_study

    lm, clips = load_model(MODEL, progress=False), corpus(CORPUS)
    with console.warnings():
        study = run_study(lm, clips, out, seed=seed, progress=console.progress, say=console.remark)
    console.remark(f"Done in {time.monotonic() - started:.0f} s.")
    content = {"out": out, "report": study.report, "results": study.results, "summary": study.summary}
    console.result(content, text=f"{study.describe()}\n{study.report}")


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `esn demo` wrote.")],
    seed: Seed = 0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write DIR/report.html anew from the results in DIR."""
    console = Console(json=as_json, quiet=quiet)

    from esn_interp.studies.demo.page import build_report

    path = build_report(folder)
    console.result({"report": path, "bytes": path.stat().st_size}, text=str(path))
