"""What a verification of a model says: every check with its figure, its bound, and what it took."""

from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from esn_interp.analysis.result import Result
from esn_interp.drawing.numbers import count

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


@dataclass(frozen=True)
class Check:
    """One check.

    Parameters
    ----------
    outcome
        ``passed``, ``failed`` or ``skipped``.
    figure, bound
        What was measured, and how large it may be; NaN for a check that was skipped.
    unit
        Of both.
    told
        What was compared with what, under which plan; or why the check was skipped.
    seconds, plain_seconds
        What it took, and what the same took in the bare model, where that is part of it (NaN elsewhere).
    memory
        Bytes at its peak: of the card where the model is on one, else of the process.
    """

    name: str
    outcome: str
    figure: float
    bound: float
    unit: str
    told: str
    seconds: float
    plain_seconds: float
    memory: float


@dataclass(frozen=True)
class Answer:
    """What the unedited model makes of one clip: the most likely option, and what it says freely."""

    clip: str
    emotion: str
    chosen: str
    said: str


@dataclass(frozen=True, eq=False)
class Verification(Result):
    """Whether a model does here what it does by itself, check by check.

    ``dtype`` is the working precision, from which bounds follow; ``versions`` names what it was run with, and
    ``machine`` where.
    """

    kind: ClassVar[str] = "verification"

    model: str
    fingerprint: str
    family: str
    component: str
    layers: int
    gates: int
    parameters: int
    dtype: str
    device: str
    corpus: str
    seed: int
    date: str
    checks: tuple[Check, ...]
    answers: tuple[Answer, ...]
    machine: dict[str, str]
    versions: dict[str, str]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return not self.of(FAILED)

    def of(self, outcome: str) -> tuple[Check, ...]:
        """The checks that ended so."""
        return tuple(check for check in self.checks if check.outcome == outcome)

    @property
    def notes(self) -> tuple[str, ...]:
        """What failed, and what was skipped and why."""
        failed = [f"failed: {check.name}: {check.told}" for check in self.of(FAILED)]
        return *failed, *(f"skipped: {check.name}: {check.told}" for check in self.of(SKIPPED))

    def summary(self) -> str:
        """One sentence."""
        others = [(len(self.of(outcome)), outcome) for outcome in (FAILED, SKIPPED)]
        told = "".join(f", {number} {outcome}" for number, outcome in others if number)
        size = f"{self.layers} layers, {count(self.gates, 'gate')}, {self.dtype} on {self.device}"
        passed = f"{len(self.of(PASSED))} of {count(len(self.checks), 'check')} passed"
        return f"{self.model} ({self.family}, {size}): {passed}{told}."

    def to_frame(self) -> pd.DataFrame:
        """One row per check."""
        return pd.DataFrame([vars(check) for check in self.checks])
