"""The page of `esn corpora check`: one self-contained HTML file about a corpus."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from esn_interp.analysis.corpus_check import CorpusCheck
from esn_interp.files import package_version, write_atomic
from esn_interp.plots.corpus import balance, sound
from esn_interp.report.builder import asset, figure_data, figure_height, prose
from esn_interp.speech.labels import SPLITS

MOST = 25
"""Rows of a table that may be endless."""


def write_corpus_page(check: CorpusCheck, path: str | Path) -> None:
    """Write the page; a folder that is missing is made."""
    html = corpus_page(check)
    write_atomic(path, lambda file: _write(file, html))


def corpus_page(check: CorpusCheck) -> str:
    """The page as text."""
    environment = Environment(
        loader=PackageLoader("esn_interp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters["prose"] = prose
    figures = {"balance": balance(check), "sound": sound(check)}
    return environment.get_template("corpus.html.j2").render(
        check=check,
        splits=split_rows(check),
        problems=problem_rows(check),
        version=package_version(),
        figures={
            name: {"data": figure_data(figure), "height": figure_height(figure)}
            for name, figure in figures.items()
        },
        style=Markup(asset("style.css")),
        draw=Markup(asset("draw.js")),
        plotly=Markup(get_plotlyjs()),
    )


def balance_rows(check: CorpusCheck) -> list[Sequence[str]]:
    """Clips by speaker and emotion, and in all; the speakers with most clips where they are many."""
    totals = check.balance.sum(axis=1)
    order = sorted(range(len(totals)), key=lambda row: (-int(totals[row]), row))
    shown = sorted(order[:MOST])
    rows = [
        [check.speakers[row] or "(unknown)", *_numbers([*check.balance[row].tolist(), int(totals[row])])]
        for row in shown
    ]
    if others := order[MOST:]:
        rest = check.balance[others].sum(axis=0).tolist()
        rows.append([f"{len(others):,} others", *_numbers([*rest, sum(rest)])])
    return [*rows, ["all", *_numbers([*check.counts.values(), check.clips])]]


def split_rows(check: CorpusCheck) -> list[Sequence[str]]:
    """Clips by split and emotion, and in all."""
    return [
        [split, *_numbers([*check.splits[split].values(), sum(check.splits[split].values())])]
        for split in SPLITS
        if split in check.splits
    ]


def problem_rows(check: CorpusCheck) -> list[Sequence[str]]:
    """The clips that cannot be used, and why; the first ones where they are many."""
    rows: list[Sequence[str]] = [list(problem) for problem in check.problems[:MOST]]
    if (more := len(check.problems) - MOST) > 0:
        rows.append([f"{more:,} more", "use --json for all of them"])
    return rows


def _numbers(values: Sequence[int]) -> list[str]:
    return [f"{value:,}" for value in values]


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
