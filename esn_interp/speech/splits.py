"""Who is for choosing settings, who for finding neurons, who for the final figures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from heapq import heappop, heappush, heappushpop
from pathlib import Path

import numpy as np
import pandas as pd

from esn_interp.entries import Entries
from esn_interp.errors import CorpusError
from esn_interp.files import package_version, read_json, write_json
from esn_interp.speech.labels import SPLITS, emotion_order

SHARES = (0.2, 0.3, 0.5)  # validation, identification, evaluation: as in the bundled corpora
UNITS = ("speaker", "sentence", "session", "corpus")
LEFT_OUT = ""
KIND, VERSION = "split", 1


@dataclass(frozen=True)
class Assignment:
    """Which clip is in which split, and how that came about; made by `Clips.assign`.

    ``splits`` maps the id of every clip to validation, identification, evaluation or nothing at all;
    ``unheard_by`` is the model for which speakers that it had heard were kept out of the evaluation.
    """

    corpus: str
    fingerprint: str
    by: str
    seed: int
    shares: tuple[float, ...]
    identification: int | None
    fold: str
    splits: Mapping[str, str] = field(repr=False)
    unheard_by: str = ""

    def save(self, path: str | Path) -> None:
        """Write the assignment as JSON, to lie beside the results that rest on it."""
        header = {"kind": KIND, "version": VERSION, "package_version": package_version()}
        write_json(path, {**header, **asdict(self)})

    @classmethod
    def load(cls, path: str | Path) -> "Assignment":
        """Read what `save` wrote.

        Raises
        ------
        EsnError
            When the file is missing or of another kind or version, or an entry is missing or of another type.
        """
        told = Entries(read_json(path, kind=KIND, version=VERSION), where=str(path))
        splits = told.take("splits", dict[str, str])
        if strange := sorted(set(splits.values()) - {*SPLITS, LEFT_OUT}):
            raise told.damaged("splits", f"names a split {strange[0]!r}")
        return cls(
            corpus=told.take("corpus", str),
            fingerprint=told.take("fingerprint", str),
            by=told.take("by", str),
            seed=told.take("seed", int),
            shares=tuple(told.take("shares", list[float])),
            identification=told.or_null("identification", int),
            fold=told.take("fold", str),
            splits=splits,
            unheard_by=told.take("unheard_by", str),
        )

    def counts(self) -> dict[str, int]:
        """Clips per split."""
        given = list(self.splits.values())
        return {split: given.count(split) for split in SPLITS}


def how_to_split(splits: Sequence[str], speakers: Sequence[str]) -> str:
    """The unit: "corpus" where its own column is complete, "speaker" with three or more, else "sentence"."""
    if set(splits) == set(SPLITS):
        return "corpus"
    known = {speaker for speaker in speakers if speaker}
    return "speaker" if len(known) >= len(SPLITS) and all(speakers) else "sentence"


def assign_splits(
    frame: pd.DataFrame, *, by: str, seed: int, name: str, shares: Sequence[float] = SHARES
) -> np.ndarray:
    """The split of every row, as an array of strings. Clips of one speaker (or sentence) stay together."""
    if by == "corpus":
        splits: list[str] = frame["split"].tolist()
        if missing := [split for split in SPLITS if split not in splits]:
            raise CorpusError(
                f"corpus {name}: its own splits hold no clip for {missing[0]}; split by speaker or sentence"
            )
        return np.array(splits, dtype=object)
    units = units_of(frame, by, name)
    sexes: dict[str, str] = dict(zip(units, frame["sex"].tolist(), strict=True)) if by == "speaker" else {}
    dealt = _deal(
        sorted(set(units)), sexes, np.random.default_rng(seed), dict(zip(SPLITS, shares, strict=True))
    )
    if len(dealt) < len(SPLITS):
        raise CorpusError(
            f"corpus {name}: {len(dealt)} {by}s cannot be divided into {', '.join(SPLITS)}; "
            "add clips or a 'split' column"
        )
    return np.array([dealt[unit] for unit in units], dtype=object)


def assign_unheard(
    frame: pd.DataFrame, *, roles: Sequence[str], by: str | None, seed: int, name: str, model: str
) -> np.ndarray:
    """The split of every row such that a model is evaluated on speakers that it has not heard.

    ``roles`` are those of the speakers in the model's training, where at least one was heard. Neurons are found on
    the speakers that it learnt from, settings chosen on those by whom its training was chosen; where it has heard
    only one of the two kinds, they are dealt out for both, two to three.
    """
    if by not in (None, "speaker"):
        raise CorpusError(
            f"corpus {name}: {model} has heard some of its speakers, whom a split by {by} would not keep out of the "
            "evaluation; split by speaker"
        )
    speakers = units_of(frame, "speaker", name)
    role_of = dict(zip(speakers, roles, strict=True))
    heard = sorted(speaker for speaker, role in role_of.items() if role)
    if len(heard) == len(role_of):
        raise CorpusError(
            f"corpus {name}: {model} has heard every speaker ({', '.join(heard)}), so there is nobody to evaluate it "
            "on; add other speakers"
        )
    dealt = {speaker: SPLITS[role_of[speaker] == "training"] for speaker in heard}
    if len(set(dealt.values())) == 1:
        sexes: dict[str, str] = dict(zip(speakers, frame["sex"].tolist(), strict=True))
        rest: dict[str, float] = dict(zip(SPLITS[:2], SHARES[:2], strict=True))
        if len(heard) == 1:
            raise CorpusError(
                f"corpus {name}: {model} has heard one of its speakers ({heard[0]}), who cannot serve for validation "
                "and identification both; add clips of others that it has heard"
            )
        dealt = _deal(heard, sexes, np.random.default_rng(seed), rest)
    return np.array([dealt.get(speaker, SPLITS[2]) for speaker in speakers], dtype=object)


def assign_folds(frame: pd.DataFrame, *, folds: int | None, seed: int, name: str) -> list[np.ndarray]:
    """The splits of every row in each of some folds; every speaker is evaluated in exactly one of them.

    The other speakers of a fold are divided between validation and identification in the usual proportion.
    """
    units = units_of(frame, "speaker", name)
    speakers = sorted(set(units))
    number = min(5, len(speakers)) if folds is None else folds
    if not 2 <= number <= len(speakers) or len(speakers) < len(SPLITS):
        raise CorpusError(
            f"corpus {name}: {len(speakers)} speakers cannot be cross-fitted in {number} folds; "
            "that takes 3 speakers, and from 2 folds to as many as there are speakers"
        )
    sexes: dict[str, str] = dict(zip(units, frame["sex"].tolist(), strict=True))
    evaluated = _deal(
        speakers, sexes, np.random.default_rng(seed), {str(fold): 1 / number for fold in range(number)}
    )
    rest: dict[str, float] = dict(zip(SPLITS[:2], SHARES[:2], strict=True))
    assigned: list[np.ndarray] = []
    for fold in range(number):
        others = [speaker for speaker in speakers if evaluated[speaker] != str(fold)]
        if len(others) < len(rest):
            raise CorpusError(
                f"corpus {name}: a fold of {number} leaves {len(others)} speaker for both validation and "
                f"identification; give folds={len(speakers)}"
            )
        dealt = _deal(others, sexes, np.random.default_rng((seed, fold)), rest)
        assigned.append(np.array([dealt.get(unit, SPLITS[2]) for unit in units], dtype=object))
    return assigned


def at_most(
    splits: np.ndarray, emotions: Sequence[str], *, identification: int, seed: int, name: str
) -> np.ndarray:
    """The splits with so many identification clips per emotion at most, drawn by the seed; others are left out."""
    if identification < 1:
        raise CorpusError(f"corpus {name}: {identification} identification clips per emotion; give 1 or more")
    rng = np.random.default_rng(seed)
    limited = splits.copy()
    labels = np.array(emotions, dtype=object)
    for emotion in emotion_order(emotions):
        rows = np.flatnonzero((splits == SPLITS[1]) & (labels == emotion))
        limited[rng.permutation(rows)[identification:]] = LEFT_OUT
    return limited


def deal_evenly(emotions: Sequence[str], speakers: Sequence[str], *, count: int, seed: int) -> list[int]:
    """Rows of `count` clips: one of each emotion in turn, each of a speaker of whom fewest are taken so far."""
    rng = np.random.default_rng(seed)
    held: dict[str, dict[str, list[int]]] = {emotion: {} for emotion in emotion_order(emotions)}
    rows: list[int] = rng.permutation(len(emotions)).tolist()
    for row in rows:
        held[emotions[row]].setdefault(speakers[row], []).append(row)
    # For each emotion a heap of speakers: clips taken of this emotion, clips taken in all, the lot.
    taken: Counter[str] = Counter()
    heaps = {
        emotion: [(0, 0, lot, speaker) for lot, speaker in enumerate(of_speakers)]
        for emotion, of_speakers in held.items()
    }
    dealt: list[int] = []
    while len(dealt) < count and any(heaps.values()):
        for emotion, heap in heaps.items():
            if heap and len(dealt) < count:
                here, before, lot, speaker = heappop(heap)
                while before != taken[speaker]:  # of whom clips of other emotions were taken meanwhile
                    here, before, lot, speaker = heappushpop(heap, (here, taken[speaker], lot, speaker))
                dealt.append(held[emotion][speaker].pop())
                taken[speaker] += 1
                if held[emotion][speaker]:
                    heappush(heap, (here + 1, taken[speaker], lot, speaker))
    return dealt


def units_of(frame: pd.DataFrame, by: str, name: str) -> list[str]:
    """What is dealt out as one: the speaker, sentence or session of each clip; a clip without one is its own.

    Raises
    ------
    CorpusError
        When there is no such unit, or speakers or sessions are not known of every clip.
    """
    if by not in UNITS[:3]:
        raise CorpusError(f"corpus {name}: cannot split by {by!r}; choose {', '.join(UNITS)}")
    if by == "session":
        named = [str(extras.get("session", "") or "") for extras in frame["extras"]]
    else:
        named = frame[by].tolist()
    if by != "sentence" and not all(named):
        lacking = sum(not unit for unit in named)
        raise CorpusError(
            f"corpus {name}: {lacking} of {len(named)} clips have no {by}, so {by}s cannot be kept apart; "
            "split by sentence"
        )
    clips: list[str] = frame["id"].tolist()
    return [unit or clip for unit, clip in zip(named, clips, strict=True)]


def in_several_splits(splits: Sequence[str], units: Sequence[str]) -> list[str]:
    """The speakers, or other units, with clips in more than one split."""
    met = {(unit, split) for unit, split in zip(units, splits, strict=True) if unit and split}
    counts = Counter(unit for unit, _ in met)
    return sorted(unit for unit, count in counts.items() if count > 1)


def _deal(
    units: list[str], sexes: Mapping[str, str], rng: np.random.Generator, shares: Mapping[str, float]
) -> dict[str, str]:
    """Deals units out, one sex after the other, always to the split that lacks most of its share."""
    names, parts = list(shares), np.array(list(shares.values()))
    # Sorting is stable: within a sex the order stays the drawn one.
    shuffled = [units[index] for index in rng.permutation(len(units)).tolist()]
    places = sorted(range(len(units)), key=lambda place: sexes.get(shuffled[place], ""))
    given = np.zeros(len(names))
    dealt: dict[str, str] = {}
    for number, place in enumerate(places, start=1):
        lacking = parts * len(units) - given
        if number > len(units) - int((given == 0).sum()):
            lacking[given > 0] = -np.inf  # the last ones go where nobody is yet
        choice = int(np.argmax(lacking / parts))
        given[choice] += 1
        dealt[shuffled[place]] = names[choice]
    return dealt
