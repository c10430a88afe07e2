"""The page of `esn verify`: one small HTML file, to be read or sent along."""

from pathlib import Path

import numpy as np

from esn_interp.analysis.verification.result import Check, Verification
from esn_interp.report.page import fill, write_page


def write_verification_page(result: Verification, path: str | Path) -> None:
    """Write the page; a folder that is missing is made."""
    write_page(path, verification_page(result))


def verification_page(result: Verification) -> str:
    """The page as text; it holds no figure, so that it stays small."""
    return fill(
        "analysis/verification/page.html.j2",
        result=result,
        rows=[row(check) for check in result.checks],
        right=sum(answer.chosen == answer.emotion for answer in result.answers),
        about=about(result),
        plotly="",
        draw="",
    )


def row(check: Check) -> dict[str, str]:
    """A check as it is shown."""
    known = np.isfinite(check.bound)
    beside = f"{check.plain_seconds:.2f} s plain" if np.isfinite(check.plain_seconds) else ""
    return {
        "name": check.name,
        "outcome": check.outcome,
        "told": check.told,
        "figure": number(check.figure),
        "bound": f"≤ {number(check.bound)} ({check.unit})" if known else "",
        "seconds": f"{check.seconds:.2f} s",
        "beside": beside,
        "memory": f"{check.memory / 1e9:.2f} GB" if np.isfinite(check.memory) else "–",
    }


def about(result: Verification) -> dict[str, str]:
    """What one needs to know to do it again."""
    return {
        "Model": f"{result.model}, weights {result.fingerprint}",
        "Kind": f"{result.family}, {result.parameters / 1e6:,.1f} million parameters",
        "Gates": f"{result.component}: {result.layers} layers, {result.gates:,} gates",
        "Precision and device": f"{result.dtype} on {result.device}",
        "Clips": f"{len(result.answers)} of {result.corpus}, seed {result.seed}",
        **{name.capitalize(): value for name, value in result.machine.items()},
        **result.versions,
    }


def number(value: float) -> str:
    """A figure in few digits; what is exactly zero is told apart from what is small."""
    if np.isnan(value):
        return "–"
    return "0" if value == 0 else "not finite" if np.isinf(value) else f"{value:.2g}"
