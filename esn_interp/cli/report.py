"""`esn report`: a study's report, anew."""

from pathlib import Path
from typing import Annotated

import typer

from esn_interp.cli.shared import Run, out_page


def report(
    *,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a study.")],
    run: Run,
) -> None:
    """Write DIR/report.html anew from the results in DIR.

    Example:
        esn report esn-demo
    """
    from esn_interp.files import locked
    from esn_interp.studies.whole import report as written_anew

    if folder.is_dir():
        out_page(folder / "report.html")
    with locked(folder):
        path = written_anew(folder)
    run.result({"report": path, "bytes": path.stat().st_size}, path)
