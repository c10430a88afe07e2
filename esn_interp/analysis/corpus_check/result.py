"""What was found when a corpus was listened to, and what of it spoils a study."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.significance import min_speakers
from esn_interp.analysis.result import Result, told
from esn_interp.drawing.numbers import count
from esn_interp.errors import CorpusError
from esn_interp.speech.hygiene import CLIPPED
from esn_interp.speech.labels import listing

CONFOUNDED = 0.3
"""Cramér's V from which speaker and emotion are called confounded (Cohen 1988: a medium effect)."""


@dataclass(frozen=True, eq=False)
class Confounding:
    """How much the name of a unit, such as the speaker, tells of the emotion.

    ``cramers_v``, corrected for bias, runs from 0 to 1; ``p`` is the share of random tables with the same
    margins whose chi-square reaches that of the corpus. ``guess`` is how often the unit's commonest emotion is
    the right one, ``chance`` how often the corpus's is.
    """

    unit: str
    units: int
    cramers_v: float
    p: float
    guess: float
    chance: float

    @property
    def serious(self) -> bool:
        """Whether it is both large and more than chance."""
        return self.cramers_v >= CONFOUNDED and self.p < 0.05


@dataclass(frozen=True, eq=False)
class CorpusCheck(Result):
    """What `check_corpus` found. ``balance`` counts clips by speaker and emotion, before anything is left out.

    ``repeats``, ``leaks`` and ``contradictions`` name the clips that are one recording: within a split, in several, and
    under several emotions. ``evaluated`` counts the speakers of the evaluation clips; -1 where that is not known.
    """

    kind: ClassVar[str] = "corpus-check"

    corpus: str
    fingerprint: str
    preparation: str
    clips: int
    emotions: tuple[str, ...]
    speakers: tuple[str, ...]
    balance: Int64[np.ndarray, " speaker emotion"]
    hours: float
    seconds: Float64[np.ndarray, " emotion quartile"]
    level: Float64[np.ndarray, " emotion quartile"]
    problems: tuple[tuple[str, ...], ...]
    clipped: tuple[str, ...]
    repeats: tuple[tuple[str, ...], ...]
    leaks: tuple[tuple[str, ...], ...]
    confounding: tuple[Confounding, ...]
    split_by: str
    seed: int
    splits: dict[str, dict[str, int]]
    shared_speakers: tuple[str, ...]
    loading: tuple[str, ...]
    contradictions: tuple[tuple[str, ...], ...] = ()
    evaluated: int = -1

    def require(self) -> "CorpusCheck":
        """This check, when no clip is in two splits and none has two labels.

        Raises
        ------
        CorpusError
            When one is: a model would be judged by clips that its neurons were found on, or by a label that is wrong.
        """
        if self.contradictions:
            raise CorpusError(
                f"corpus {self.corpus}: recordings that are there under several emotions: {len(self.contradictions)}, "
                f"such as {' and '.join(self.contradictions[0])}; all labels but one are wrong: correct or remove them"
            )
        if self.leaks:
            raise CorpusError(
                f"corpus {self.corpus}: recordings in more than one split under different names: {len(self.leaks)}, "
                f"such as {' and '.join(self.leaks[0])}; remove the copies or split otherwise"
            )
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know before trusting results on these clips, the gravest first."""
        serious = [found for found in self.confounding if found.serious]
        few = [f"{count} {emotion}" for emotion, count in self.counts.items() if count < 20]
        return told(
            f"recordings under several emotions: {_named(self.contradictions)}; that is an error"
            if self.contradictions
            else "",
            f"recordings in more than one split: {len(self.leaks)}; that is an error" if self.leaks else "",
            *(
                f"{found.unit} and emotion are confounded (Cramér's V {found.cramers_v:.2f}): knowing only the "
                f"{found.unit}, the best guess is right for {found.guess:.0%} of the clips, against {found.chance:.0%}"
                for found in serious
            ),
            f"speakers with clips in more than one split: {len(self.shared_speakers)}; nothing is shown for new voices"
            if self.shared_speakers
            else "",
            f"clips that cannot be used: {listing(_kinds(self.problems))}" if self.problems else "",
            f"clips with {CLIPPED:.1%} of their samples or more at full scale: {len(self.clipped)}"
            if self.clipped
            else "",
            f"recordings that occur more than once within a split: {_named(self.repeats)}"
            if self.repeats
            else "",
            f"fewer than 20 clips: {', '.join(few)}" if few else "",
            f"{count(self.evaluated, 'speaker')} to evaluate on: intervals will be wide and rough, and no p-value is"
            f" given for {len(self.emotions)} emotions (from {min_speakers(len(self.emotions))} speakers on);"
            " clips.folds() evaluates every speaker once"
            if 0 <= self.evaluated < min_speakers(len(self.emotions)) and self.split_by == "speaker"
            else "",
            "speakers are not known: intervals cannot be over speakers" if self.speakers == ("",) else "",
            *self.loading,
        )

    @property
    def counts(self) -> dict[str, int]:
        """Clips per emotion."""
        return dict(zip(self.emotions, self.balance.sum(axis=0).tolist(), strict=True))

    def summary(self) -> str:
        """The outcome in one sentence."""
        speakers = f"{len(self.speakers)} speakers" if self.speakers != ("",) else "unknown speakers"
        usable = self.clips - len(self.problems)
        return (
            f"{self.corpus}: {usable:,} of {self.clips:,} clips can be used, {self.hours:.1f} hours by {speakers} in "
            f"{len(self.emotions)} emotions; {count(len(self.notes), 'remark') if self.notes else 'no remarks'}"
        )

    def to_frame(self) -> pd.DataFrame:
        """The balance table: one row a speaker and emotion."""
        return pd.DataFrame(
            [
                {"speaker": speaker, "emotion": emotion, "clips": int(self.balance[s, e])}
                for s, speaker in enumerate(self.speakers)
                for e, emotion in enumerate(self.emotions)
            ]
        )


def _named(groups: Sequence[Sequence[str]], *, most: int = 3) -> str:
    """How many groups of clips there are, and the first of them by name."""
    some = "; ".join(" = ".join(group) for group in groups[:most])
    return f"{len(groups)} ({some}{', ...' if len(groups) > most else ''})"


def _kinds(problems: Sequence[Sequence[str]]) -> Counter[str]:
    """How often each kind of problem occurs: its sentence without the numbers in it."""
    kinds = {
        **{"no such file": "missing", "empty file": "empty", "not audio": "not audio", "silent": "silent"},
        **{"not finite": "not finite", "longer": "too long", "shorter": "too short", "no samples": "empty"},
    }
    return Counter(
        next((kind for mark, kind in kinds.items() if mark in reason), "otherwise unreadable")
        for _, reason in problems
    )

