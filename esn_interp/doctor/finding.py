"""What one look found, and everything that was found."""

from collections import Counter
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from esn_interp.analysis.result import Result
from esn_interp.drawing.numbers import count

FINE, NOTE, BAD = "fine", "note", "bad"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    about
        What was looked at: ``python``, ``torch``, a file.
    outcome
        ``fine``; ``note`` for what works but costs time or surprises people; ``bad`` for what will fail.
    told
        What was found, and for anything that is not fine what to do about it.
    """

    about: str
    outcome: str
    told: str


@dataclass(frozen=True, eq=False)
class Diagnosis(Result):
    """Everything that was looked at, in this order; ``seconds`` is how long it took."""

    kind: ClassVar[str] = "diagnosis"

    findings: tuple[Finding, ...]
    seconds: float

    @property
    def healthy(self) -> bool:
        """Whether nothing was found that will fail."""
        return not self.of(BAD)

    def of(self, outcome: str) -> tuple[Finding, ...]:
        """The findings of this outcome."""
        return tuple(finding for finding in self.findings if finding.outcome == outcome)

    def to_frame(self) -> pd.DataFrame:
        """One row a finding: about, outcome, told."""
        return pd.DataFrame([vars(finding) for finding in self.findings], columns=["about", "outcome", "told"])

    def summary(self) -> str:
        """One sentence: how much is fine, to know, and bad."""
        seen = Counter(finding.outcome for finding in self.findings)
        fine = f"{count(len(self.findings), 'thing')} looked at in {self.seconds:.0f} s"
        if not seen[NOTE] and not seen[BAD]:
            return f"{fine}: all fine."
        bad = f"{seen[BAD]} will fail" if seen[BAD] else "nothing that will fail"
        return f"{fine}: {seen[FINE]} fine, {seen[NOTE]} to know of, {bad}."
