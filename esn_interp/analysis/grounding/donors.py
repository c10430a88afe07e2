"""Pairs of clips that differ in emotion only: whose gates may be lent to whom."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from esn_interp.speech.clips import Clips

NOBODY = -1


@dataclass(frozen=True, eq=False)
class Donors:
    """For every emotion and clip, the row of another clip of the same speaker; `NOBODY` without one.

    A clip of another emotion has a donor of this one, a clip of this emotion has a donor of another.
    ``same_words`` says where donor and clip share the sentence too.
    """

    row: Int64[np.ndarray, "emotion clip"]
    same_words: Bool[np.ndarray, "emotion clip"]


def find_donors(clips: Clips, emotions: Sequence[str]) -> Donors:
    """A donor of the same speaker and sentence where there is one, else of the same speaker.

    Where there are several, they take turns over the clips that they can serve, so that none serves them all.
    """
    keys = list(
        zip(*(map(str, clips.column(name)) for name in ("speaker", "sentence", "emotion")), strict=True)
    )
    by_speaker: dict[str, list[int]] = defaultdict(list)
    turn = np.zeros(len(keys), dtype=np.int64)
    seen: dict[tuple[str, ...], int] = defaultdict(int)
    for row, (speaker, _, emotion) in enumerate(keys):
        by_speaker[speaker].append(row)
        turn[row] = seen[speaker, emotion]
        seen[speaker, emotion] += 1
    donor = np.full((len(emotions), len(keys)), NOBODY, dtype=np.int64)
    same = np.zeros(donor.shape, dtype=np.bool_)
    for at, wanted in enumerate(emotions):
        for row, (speaker, sentence, emotion) in enumerate(keys):
            lenders = [
                other
                for other in by_speaker[speaker]
                if keys[other][2] != emotion and wanted in (emotion, keys[other][2])
            ]
            alike = [other for other in lenders if sentence and keys[other][1] == sentence]
            if served := alike or lenders:
                donor[at, row], same[at, row] = served[turn[row] % len(served)], bool(alike)
    return Donors(donor, same)


def limit_matched(clips: Clips, count: int, *, seed: int = 0) -> Clips:
    """``count`` clips at most, in whole groups of one speaker and sentence, so that they can be paired.

    Groups are drawn by ``seed``, one of each speaker in turn. Where not even one is that small (a corpus
    without sentences, say), it is `Clips.limit`.
    """
    speaker, sentence = (np.array(list(map(str, clips.column(name)))) for name in ("speaker", "sentence"))
    groups = sorted(set(zip(speaker.tolist(), sentence.tolist(), strict=True)))
    shuffled = [groups[at] for at in np.random.default_rng(seed).permutation(len(groups))]
    turn: dict[str, int] = defaultdict(int)
    dealt: list[tuple[int, tuple[str, str]]] = []
    for group in shuffled:
        dealt.append((turn[group[0]], group))
        turn[group[0]] += 1
    taken: list[int] = []
    for _, group in sorted(dealt, key=lambda one: one[0]):
        rows = np.flatnonzero((speaker == group[0]) & (sentence == group[1])).tolist()
        if len(taken) + len(rows) <= count:
            taken += rows
    return clips.take(sorted(taken)) if taken else clips.limit(count, seed=seed)
