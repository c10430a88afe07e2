"""The page of `esn corpora check`: one self-contained HTML file about a corpus."""

from collections.abc import Sequence
from pathlib import Path

from esn_interp.analysis.corpus_check.figure import draw, sound
from esn_interp.analysis.corpus_check.result import CorpusCheck
from esn_interp.files import package_version
from esn_interp.report.page import drawn, fill_with_figures, write_page
from esn_interp.speech.labels import SPLITS

MOST = 25
"""Rows of a table that may be endless."""


def write_corpus_page(check: CorpusCheck, path: str | Path) -> None:
    """Write the page; a folder that is missing is made."""
    write_page(path, corpus_page(check))


def corpus_page(check: CorpusCheck) -> str:
    """The page as text."""
    figures = {"balance": draw(check), "sound": sound(check)}
    return fill_with_figures(
        "analysis/corpus_check/page.html.j2",
        check=check,
        splits=split_rows(check),
        problems=problem_rows(check),
        version=package_version(),
        figures={name: drawn(figure) for name, figure in figures.items()},
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
