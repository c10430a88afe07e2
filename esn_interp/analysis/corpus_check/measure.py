"""Whether a corpus can carry a study: sound clips, no clip in two splits, and speakers who say everything."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int, Int64
from scipy.stats import random_table

from esn_interp.analysis.result import Result
from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.hygiene import CLIPPED, Sound, listen
from esn_interp.speech.labels import SPLITS, listing
from esn_interp.speech.splits import Assignment, in_several_splits

if TYPE_CHECKING:
    import plotly.graph_objects as go

DRAWS = 1_000
_AT_ONCE = 50  # random tables in memory at a time
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
    """What `check_corpus` found. ``balance`` counts clips by speaker and emotion, before anything is left out."""

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

    def require(self) -> "CorpusCheck":
        """This check, when no clip is in two splits.

        Raises
        ------
        CorpusError
            When one is: a model would be judged by clips that its neurons were found on.
        """
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
        notes = (
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
            f"recordings that occur more than once within a split: {len(self.repeats)}"
            if self.repeats
            else "",
            f"fewer than 20 clips: {', '.join(few)}" if few else "",
            "speakers are not known: intervals cannot be over speakers" if self.speakers == ("",) else "",
            *self.loading,
        )
        return tuple(filter(None, notes))

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
            f"{len(self.emotions)} emotions; {len(self.notes) or 'no'} remarks"
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

    def plot(self) -> "go.Figure":
        """The balance of speakers and emotions."""
        from esn_interp.analysis.corpus_check.figure import balance

        return balance(self)


def check_corpus(
    clips: Clips,
    *,
    by: str | None = None,
    identification: int | None = None,
    assignment: Assignment | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    progress: bool = False,
) -> CorpusCheck:
    """Listen to every clip, and look for what would spoil a study: see `CorpusCheck.notes`.

    ``by``, ``identification`` and ``seed`` are those of `Clips.split`, whose splits are checked, if no
    ``assignment`` says who is where. Confounding is
    measured by Cramér's V of the table of speakers (and sentences, where they repeat) by emotions, and tested
    against ``draws`` random tables with the same margins (our choice). The audio of one clip is in memory at a
    time.
    """
    sounds = list(listen(clips, progress=progress))
    trouble: tuple[str, ...] = ()
    if assignment is None:
        assignment, trouble = _assignment(clips, by, identification, seed)
    frame = clips.to_frame()
    speakers, emotions = clips.speakers, clips.emotions
    repeats, leaks = _same_sound(sounds, assignment)
    splits = assignment.splits if assignment is not None else {}
    given = [splits.get(clip, "") for clip in frame["id"]]
    # A unit with a clip or two tells nothing of the emotion but by chance.
    units = [unit for unit in ("speaker", "sentence") if 1 < frame[unit].nunique() <= len(frame) / 2]
    return CorpusCheck(
        corpus=clips.name,
        fingerprint=clips.fingerprint,
        preparation=str(clips.preparation),
        clips=len(clips),
        emotions=emotions,
        speakers=speakers,
        balance=counted(frame["speaker"].tolist(), speakers, frame["emotion"].tolist(), emotions),
        hours=float(np.nansum([sound.seconds for sound in sounds]) / 3600),
        seconds=_quartiles([sound.seconds for sound in sounds], frame["emotion"].tolist(), emotions),
        level=_quartiles([sound.level for sound in sounds], frame["emotion"].tolist(), emotions),
        problems=tuple((sound.clip, sound.problem) for sound in sounds if sound.problem),
        clipped=tuple(sound.clip for sound in sounds if sound.clipped >= CLIPPED),
        repeats=repeats,
        leaks=leaks,
        confounding=tuple(
            confounding(frame[unit].tolist(), frame["emotion"].tolist(), unit=unit, draws=draws, seed=seed)
            for unit in units
        ),
        split_by=assignment.by if assignment is not None else "",
        seed=seed,
        splits=_per_split(given, frame["emotion"].tolist(), emotions) if assignment is not None else {},
        shared_speakers=tuple(in_several_splits(given, frame["speaker"].tolist())),
        loading=(*clips.notes, *trouble),
    )


def counted(
    rows: Sequence[str], row_names: Sequence[str], columns: Sequence[str], column_names: Sequence[str]
) -> Int64[np.ndarray, " row column"]:
    """How often each pair of names occurs."""
    table = np.zeros((len(row_names), len(column_names)), dtype=np.int64)
    at_row = {name: number for number, name in enumerate(row_names)}
    at_column = {name: number for number, name in enumerate(column_names)}
    for row, column in zip(rows, columns, strict=True):
        table[at_row[row], at_column[column]] += 1
    return table


def confounding(
    units: Sequence[str], emotions: Sequence[str], *, unit: str, draws: int = DRAWS, seed: int = 0
) -> Confounding:
    """Cramér's V of units by emotions, with the p-value of a permutation test.

    With chi-square X of r units, k emotions and n clips, ``phi = max(0, X / n - (r - 1) (k - 1) / (n - 1))``,
    ``r' = r - (r - 1)^2 / (n - 1)``, ``k'`` alike, and ``V = sqrt(phi / min(r' - 1, k' - 1))``: corrected for
    the bias that many small units have (Bergsma, J. Korean Statistical Society 42, 2013).

    Random tables with the same margins are what shuffling the labels over the clips gives (Patefield 1981, as
    in scipy). The observed table counts among them, which keeps the test valid.
    """
    table = counted(units, sorted(set(units)), emotions, sorted(set(emotions)))
    guess, chance = table.max(axis=1).sum() / table.sum(), table.sum(axis=0).max() / table.sum()
    if min(table.shape) < 2:
        return Confounding(unit, len(table), 0.0, 1.0, float(guess), float(chance))
    observed = float(_chi_square(table[None])[0])
    tables = random_table(table.sum(axis=1), table.sum(axis=0), seed=np.random.default_rng(seed))
    reached = sum(
        int((_chi_square(tables.rvs(min(_AT_ONCE, draws - done))) >= observed - 1e-9).sum())
        for done in range(0, draws, _AT_ONCE)
    )
    return Confounding(
        unit=unit,
        units=len(table),
        cramers_v=_cramers_v(observed, table),
        p=(reached + 1) / (draws + 1),
        guess=float(guess),
        chance=float(chance),
    )


def _chi_square(tables: Int[np.ndarray, " draw row column"]) -> Float64[np.ndarray, " draw"]:
    rows, columns = tables[0].sum(axis=1), tables[0].sum(axis=0)
    expected = np.outer(rows, columns) / tables[0].sum()
    return ((tables - expected) ** 2 / expected).sum(axis=(1, 2))


def _cramers_v(chi_square: float, table: Int[np.ndarray, " row column"]) -> float:
    clips = int(table.sum())
    rows, columns = table.shape
    phi = max(0.0, chi_square / clips - (rows - 1) * (columns - 1) / (clips - 1))
    least = min(size - (size - 1) ** 2 / (clips - 1) for size in (rows, columns)) - 1
    return min(1.0, float(np.sqrt(phi / least))) if least > 0 else 0.0


def _assignment(
    clips: Clips, by: str | None, identification: int | None, seed: int
) -> tuple[Assignment | None, tuple[str, ...]]:
    """Who goes where; a corpus too small to be divided is still worth listening to."""
    try:
        return clips.assign(by=by, identification=identification, seed=seed), ()
    except CorpusError as error:
        if by is not None:
            raise
        return None, (str(error),)


def _same_sound(
    sounds: Sequence[Sound], assignment: Assignment | None
) -> tuple[tuple[tuple[str, ...], ...], tuple[tuple[str, ...], ...]]:
    """Groups of clips with the very same samples: those within one split, and those over several."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for sound in sounds:
        if sound.digest:
            groups[sound.digest].append(sound.clip)
    splits = assignment.splits if assignment is not None else {}
    same = [tuple(group) for group in groups.values() if len(group) > 1]
    leaks = [group for group in same if len({splits[clip] for clip in group if splits.get(clip)}) > 1]
    return tuple(group for group in same if group not in leaks), tuple(leaks)


def _quartiles(
    values: Sequence[float], emotions: Sequence[str], names: Sequence[str]
) -> Float64[np.ndarray, " emotion quartile"]:
    """First quartile, median and third quartile per emotion; NaN where no clip can be used."""
    known = pd.DataFrame({"value": values, "emotion": emotions}).dropna().groupby("emotion")["value"]
    table = known.quantile(np.array([0.25, 0.5, 0.75])).unstack()
    return table.reindex(list(names)).to_numpy(dtype=np.float64)


def _per_split(
    splits: Sequence[str], emotions: Sequence[str], names: Sequence[str]
) -> dict[str, dict[str, int]]:
    counts = Counter(zip(splits, emotions, strict=True))
    return {split: {emotion: counts[split, emotion] for emotion in names} for split in SPLITS}


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
