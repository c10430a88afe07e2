"""Outcome of a listening test: shares and strengths with their intervals, and who listened."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import pandas as pd

from esn_interp.analysis.result import Result

ALL = "all"
"""In place of an emotion: the answers to all of them together."""


@dataclass(frozen=True)
class Heard:
    """A listener: how many answers, how many catch trials of how many were right, whether the answers count."""

    listener: str
    answers: int
    right: int
    checks: int
    kept: bool


@dataclass(frozen=True)
class Comparison:
    """How often ``first`` was preferred to ``second``, for one emotion or for all of them.

    ``low`` and ``high`` are the interval to report: binomial bounds on as many answers as those of all listeners are
    worth (``worth``; see `effective_answers`). ``alone_low`` and ``alone_high`` take all answers as
    independent. ``shares`` are those of the single listeners, NaN for one who was not asked.
    """

    first: str
    second: str
    emotion: str
    chosen: int
    answers: int
    listeners: int
    share: float
    low: float
    high: float
    worth: float
    alone_low: float
    alone_high: float
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Strength:
    """Bradley-Terry strength of a condition in log-odds, with its interval; the mean over the conditions is 0."""

    condition: str
    emotion: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Preference(Result):
    """Outcome of a listening test.

    ``conditions`` stand in the order in which comparisons are told: steered ones first, ``unsteered`` last.
    ``strengths`` are there where more than two conditions were compared. ``left`` is how often the left one of two
    recordings was chosen, whatever it was: half of the times, for listeners without a side that they prefer.
    Intervals are of 95 %.
    """

    kind: ClassVar[str] = "preference"

    question: str
    interval: str
    least_checks: float
    conditions: tuple[str, ...]
    emotions: tuple[str, ...]
    listeners: tuple[Heard, ...]
    comparisons: tuple[Comparison, ...]
    strengths: tuple[Strength, ...]
    left: Comparison
    notes: tuple[str, ...]

    @property
    def kept(self) -> tuple[str, ...]:
        """The listeners whose answers count."""
        return tuple(heard.listener for heard in self.listeners if heard.kept)

    def overall(self) -> tuple[Comparison, ...]:
        """Every pair of conditions, all emotions together."""
        return tuple(one for one in self.comparisons if one.emotion == ALL)

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of conditions and emotion; the shares of single listeners are in the file only."""
        return pd.DataFrame([asdict(one) for one in self.comparisons]).drop(columns="shares")

    def summary(self) -> str:
        """The result in one sentence: each pair of conditions, all emotions together."""
        told = "; ".join(
            f"{one.first} was preferred to {one.second} in {100 * one.share:.0f} %"
            f" [{100 * one.low:.0f}, {100 * one.high:.0f}] of {one.answers} answers"
            for one in self.overall()
        )
        number = len(self.kept)
        return f"{told} ({number} listener{'s' if number > 1 else ''}, 95 % interval)."

