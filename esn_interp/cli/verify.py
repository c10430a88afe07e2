"""`esn verify`: does a model do here what it does by itself?"""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import ModelOptions, Run, out_result, table
from esn_interp.cli.shared.door import PARTLY_DONE


def verify(
    *,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A bundled model, a Hugging Face name or a folder.")
    ],
    options: ModelOptions,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="Clips of toy-studio that it listens to.")
    ] = 5,
    bake: Annotated[
        bool, typer.Option("--bake/--no-bake", help="Bake a checkpoint and load it, which takes its size on disk.")
    ] = True,
    out: Annotated[
        Path, typer.Option("--out", metavar="R", help="The .json file to write; the page goes beside it.")
    ] = Path("verification.json"),
    run: Run,
) -> None:
    """See whether a model does here what it does by itself.

    No-edit parity with the model's own code, gates as its projections use them, batches, an ablation in a trace and in
    the weights, a baked checkpoint loaded anew, and answers to a few bundled clips; time and memory of each. The exit
    code is 3 when a check fails. Page and file can be sent along with a report of a problem.

    Example:
        esn verify toy-omni --out verification.json
    """
    out_result(out)
    lm = options.load(model, progress=run.progress)
    result = esn.verify(lm, limit=limit, bake=bake, seed=run.seed, progress=run.progress)

    from esn_interp.analysis.verification.page import number, write_verification_page
    from esn_interp.files import together

    page = out.with_suffix(".html")
    with together():
        result.save(out)
        write_verification_page(result, page)
    rows = [
        (check.name, check.outcome, number(check.figure), number(check.bound), check.unit, f"{check.seconds:.2f} s")
        for check in result.checks
    ]
    told = table(("check", "outcome", "figure", "bound", "unit", "time"), rows)
    content = {"out": out, "page": page, "summary": result.summary(), "notes": list(result.notes)}
    run.result({**content, "result": result.to_dict()}, told, "", result.summary(), *result.notes, out, page)
    if not result.passed:
        raise typer.Exit(PARTLY_DONE)
