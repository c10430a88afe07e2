"""Whether a corpus can carry a study: sound clips, no clip in two splits, and speakers who say everything."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int, Int64
from scipy.stats import random_table

from esn_interp.analysis.corpus_check.result import Confounding, CorpusCheck
from esn_interp.errors import CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.hygiene import CLIPPED, Sound, listen
from esn_interp.speech.labels import SPLITS
from esn_interp.speech.splits import Assignment, in_several_splits

DRAWS = 1_000
_AT_ONCE = 50  # random tables in memory at a time






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
        contradictions=_contradictions(sounds, dict(zip(frame["id"], frame["emotion"], strict=True))),
        evaluated=_evaluated(given, frame["speaker"].tolist()) if assignment is not None else -1,
    )


def counted(
    rows: Sequence[str], row_names: Sequence[str], columns: Sequence[str], column_names: Sequence[str]
) -> Int64[np.ndarray, " row column"]:
    """How often each pair of names occurs."""
    found = Counter(zip(rows, columns, strict=True))
    return np.array([[found[row, column] for column in column_names] for row in row_names], dtype=np.int64)


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


def _contradictions(sounds: Sequence[Sound], emotion_of: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    """Groups of clips with the very same samples and not the same emotion; each clip with its emotion."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for sound in sounds:
        if sound.digest:
            groups[sound.digest].append(sound.clip)
    return tuple(
        tuple(f"{clip} ({emotion_of[clip]})" for clip in group)
        for group in groups.values()
        if len({emotion_of[clip] for clip in group}) > 1
    )


def _evaluated(splits: Sequence[str], speakers: Sequence[str]) -> int:
    """The number of speakers to evaluate on; -1 where one of them is not known."""
    those = {speaker for split, speaker in zip(splits, speakers, strict=True) if split == SPLITS[2]}
    return -1 if "" in those else len(those)


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


