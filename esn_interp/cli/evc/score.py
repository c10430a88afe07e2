"""`esn evc score`: what listeners preferred."""

from pathlib import Path
from typing import Annotated

import typer

import esn_interp as esn
from esn_interp.cli.shared import Run, out_result, table, write_page


def score(
    *,
    answers: Annotated[
        list[Path], typer.Argument(metavar="CSV ...", help="What listeners saved: one file or more of each.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="R", help="The .json file to write; the figure goes beside it.")
    ] = None,
    interval: Annotated[
        str, typer.Option("--interval", metavar="NAME", help="wilson, or clopper-pearson: wider, never too narrow.")
    ] = "wilson",
    least_checks: Annotated[
        float,
        typer.Option("--pass", min=0, max=1, metavar="F", help="Leave out who gets less of the catch trials right."),
    ] = 0.8,
    run: Run,
) -> None:
    """What listeners preferred, with intervals over listeners.

    Shares for every pair of conditions and emotion, and Bradley-Terry strengths where more than two conditions
    were compared.

    Example:
        esn evc score anna.csv bernd.csv --out preference.json
    """
    if out is not None:
        out_result(out)
    result = esn.preference(*answers, interval=interval, least_checks=least_checks)
    written: list[Path] = []
    if out is not None:
        from esn_interp.files import together

        written = [out, out.with_suffix(".html")]
        with together():
            result.save(out)
            write_page(result.plot(), written[1])
    content = {"files": written, "summary": result.summary(), "notes": list(result.notes), "result": result.to_dict()}
    run.result(content, result.summary(), _table(result), *result.notes, *written)


def _table(result: "esn.Preference") -> str:
    rows = [
        (
            *(f"{one.first} > {one.second}", one.emotion, f"{one.chosen} of {one.answers}"),
            *(f"{100 * one.share:.0f} %", f"[{100 * one.low:.0f}, {100 * one.high:.0f}]"),
        )
        for one in result.comparisons
    ]
    parts = [table(("preferred", "emotion", "times", "share", "95 %"), rows)]
    if result.strengths:
        strengths = [
            (one.condition, one.emotion, f"{one.value:+.2f}", f"[{one.low:+.2f}, {one.high:+.2f}]")
            for one in result.strengths
        ]
        parts.append(table(("strength", "emotion", "log-odds", "95 %"), strengths))
    return "\n\n".join(parts)
