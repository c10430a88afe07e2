"""`esn doctor`: is everything here that is needed, and does it work?"""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.shared import Run, table
from esn_interp.cli.shared.door import USERS_FAULT


def doctor(
    *,
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE ...]", help="Statistics, neurons, results, studies, checkpoints, recordings."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None, typer.Option("--checkpoint", metavar="M", help="A model: read its configuration only.")
    ] = None,
    self_test: Annotated[
        bool, typer.Option("--self-test/--no-self-test", help="Find and silence neurons of the bundled model.")
    ] = True,
    run: Run,
) -> None:
    """What stands in the way: versions, cards, disks, settings, files; and a trial of the whole way in a few seconds.

    The exit code is 2 when something was found that will fail.

    Example:
        esn doctor --no-self-test
    """
    from transformers.utils import logging as transformers_logging

    from esn_interp.doctor.measure import diagnose

    transformers_logging.disable_progress_bar()
    found = diagnose(
        files or (), models=checkpoint or (), self_test=self_test, seed=run.seed, progress=run.progress
    )
    rows = [(finding.outcome, finding.about, finding.told) for finding in found.findings]
    content = {"healthy": found.healthy, "summary": found.summary(), "result": found.to_dict()}
    run.result(content, table(("", "looked at", "found"), rows), "", found.summary())
    if not found.healthy:
        raise typer.Exit(USERS_FAULT)
