"""Neurons as they would be selected had the labels said nothing: the same selection, from permuted labels.

The success filter is decided once, with the true labels. Were it decided anew, it would keep the clips whose *answer*
is the permuted label, and the same neurons would be found again.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.layout import ALL, CLIP_SUMS, ROUTED, ROUTED_CLIPS
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.resampling import made_by_selection, require_single_clips, select_alike
from esn_interp.neurons.statistics import GateStatistics

_CROSSED = 0.9
"""Labels are exchanged within sentences where that is expected to change this share of those that exchanging within
speakers would. Two clips of a sentence keep their labels half of the time: by such labels the true neurons are found
again, and a null of them has no power. (Our choice.)"""

_FLOATS = 20_000_000
"""Numbers of one sum that are held at a time, of single clips or of several permutations."""


@dataclass(frozen=True, eq=False)
class Relabelled:
    """Sets that the same selection gives when the labels that it saw are permuted, one a permutation.

    ``within`` is what labels were exchanged within: ``speaker``, ``speaker and sentence``, or ``corpus`` where speakers
    are not known. ``clips`` is the number of clips that could be exchanged with one of another label, ``fixed`` that of
    the others: their speaker has one emotion only among the clips that selection saw.
    """

    sets: tuple[NeuronSet, ...]
    within: str
    clips: int
    fixed: int

    @property
    def about(self) -> dict[str, Any]:
        """How labels were permuted, as `SelectionNull` keeps it."""
        return {"within": self.within, "clips": self.clips, "fixed": self.fixed}

    @property
    def note(self) -> str | None:
        """What a reader must know of clips that could not be permuted."""
        if not self.fixed:
            return None
        return (
            f"{self.fixed} of {self.clips + self.fixed} clips that neurons were selected from kept their labels in"
            f" the permutations: nothing of another emotion to exchange with (within {self.within})"
        )


def permute_within(
    labels: Int[np.ndarray, " clip"], block: Int[np.ndarray, " clip"], rng: np.random.Generator
) -> Int64[np.ndarray, " clip"]:
    """The labels, exchanged with others of their block: every order within the blocks is equally likely."""
    order = np.lexsort((rng.random(len(labels)), block))
    permuted = np.empty(len(labels), dtype=np.int64)
    permuted[np.argsort(block, kind="stable")] = labels[order]
    return permuted


def why_no_null(stats: GateStatistics | None, esns: NeuronSet) -> str:
    """Why neurons can't be selected again from permuted labels, and what to do; empty where they can."""
    if not made_by_selection(esns):
        return f"no p for the selection: these neurons were made by {esns.selector!r}, not by one selector alone"
    if stats is None or stats.per_clip is None:
        return (
            "no p for the selection: it needs statistics with the sums of single clips (esn collect --per-clip, or"
            " --clips-beside where they are too many for memory, then --stats; in Python per_clip=True, then stats=)"
        )
    try:
        esns.check(stats.origin)
        again = select_alike(stats, esns)
    except StatisticsError as error:
        return f"no p for the selection: {error}"
    if again.emotions != esns.emotions or not np.array_equal(again.flat, esns.flat):
        return f"no p for the selection: the statistics of {stats.corpus} do not give these neurons"
    if not _blocks(stats.per_clip, _seen(stats.per_clip, esns))[1].any():
        return "no p for the selection: no speaker has two emotions among the clips that neurons were selected from"
    return ""


def relabelled_sets(
    stats: GateStatistics, esns: NeuronSet, *, permutations: int, seed: int = 0
) -> Relabelled:
    """The sets that the selection of ``esns`` gives from labels permuted within speakers.

    Only the clips that selection saw are permuted: those that passed the success filter, unless neurons were selected
    without it. They keep their speaker, and where speakers say the same sentences in several emotions, their sentence.

    Raises
    ------
    StatisticsError
        When the statistics keep no single clips or do not give ``esns``, or nothing can be permuted.
    """
    permuted = relabelled_statistics(stats, esns, permutations=permutations, seed=seed)
    sets = tuple(select_alike(one, esns) for one in permuted)
    return replace(unlabelled(stats, esns), sets=sets)


def relabelled_statistics(
    stats: GateStatistics, esns: NeuronSet, *, permutations: int, seed: int = 0
) -> Iterator[GateStatistics]:
    """The statistics behind `relabelled_sets`, one permutation after the other; their sums are made when asked for.

    Raises
    ------
    StatisticsError
        As `relabelled_sets`, before the first is made.
    """
    if why := why_no_null(stats, esns):
        raise StatisticsError(why)
    if permutations < 1:
        raise StatisticsError(f"permutations are 1 or more, not {permutations}")
    single = require_single_clips(stats)
    # By their ids: in whatever order clips were run, or run again after a stop, the same labels are exchanged.
    rows = np.flatnonzero(_seen(single, esns))
    rows = rows[np.argsort(np.array(single.ids)[rows], kind="stable")]
    block = _blocks(single, _seen(single, esns))[0]
    together = max(1, min(permutations, _FLOATS // (2 * len(stats.emotions) * stats.n_gates)))

    def permute() -> Iterator[GateStatistics]:
        sums, rng = _ClipSums(stats, single), np.random.default_rng(seed)
        for start in range(0, permutations, together):
            some = min(together, permutations - start)
            labels = np.repeat(single.emotion[None].astype(np.int64), some, axis=0)
            for one in labels:
                one[rows] = permute_within(one[rows], block[rows], rng)
            yield from sums.grouped(labels)

    return permute()


def unlabelled(stats: GateStatistics, esns: NeuronSet) -> Relabelled:
    """How labels would be permuted, and of how many clips; without any set."""
    single = require_single_clips(stats)
    seen = _seen(single, esns)
    _, movable, within = _blocks(single, seen)
    return Relabelled((), within, int(movable.sum()), int(seen.sum() - movable.sum()))


def _seen(single: PerClip, esns: NeuronSet) -> Bool[np.ndarray, " clip"]:
    """The clips that selection saw."""
    everything = esns.parameters.get("filter") == "none"
    return np.ones(len(single), dtype=np.bool_) if everything else single.kept.copy()


def _blocks(
    single: PerClip, seen: Bool[np.ndarray, " clip"]
) -> tuple[Int64[np.ndarray, " clip"], Bool[np.ndarray, " clip"], str]:
    """What each clip's label is exchanged within, which clips have somebody to exchange with, and its name."""
    speaker = np.unique(np.array(single.speakers, dtype=np.str_), return_inverse=True)[1]
    named = "speaker" if all(single.speakers) else "corpus"
    movable = _movable(single, speaker, seen)
    if all(single.sentences) and len(single.sentences) == len(single):
        sentence = np.unique(np.array(single.sentences, dtype=np.str_), return_inverse=True)[1]
        finer = speaker * (int(sentence.max(initial=0)) + 1) + sentence
        changed = _changed(single, finer, seen)
        if changed and changed >= _CROSSED * _changed(single, speaker, seen):
            return finer, _movable(single, finer, seen), f"{named} and sentence"
    return speaker, movable, named


def _changed(single: PerClip, block: Int64[np.ndarray, " clip"], seen: Bool[np.ndarray, " clip"]) -> float:
    """The number of clips that an exchange within blocks gives another label, on average."""
    counts = np.zeros((int(block.max(initial=0)) + 1, int(single.emotion.max(initial=0)) + 1))
    np.add.at(counts, (block[seen], single.emotion[seen]), 1)
    size = counts.sum(axis=1)
    return float(size.sum() - ((counts**2).sum(axis=1) / np.maximum(size, 1)).sum())


def _movable(
    single: PerClip, block: Int64[np.ndarray, " clip"], seen: Bool[np.ndarray, " clip"]
) -> Bool[np.ndarray, " clip"]:
    """Clips that selection saw in a block where it saw two emotions or more."""
    pairs = np.unique(np.stack([block[seen], single.emotion[seen].astype(np.int64)]), axis=1)
    several = np.unique(pairs[0], return_counts=True)
    return seen & np.isin(block, several[0][several[1] > 1])


class _ClipSums:
    """What every clip adds to every sum, so that sums of any grouping of the clips are one product of matrices."""

    def __init__(self, stats: GateStatistics, single: PerClip) -> None:
        self._stats, self._single = stats, single
        self._held: dict[str, Float64[np.ndarray, "clip gate"]] = {}

    def grouped(self, labels: Int64[np.ndarray, "grouping clip"]) -> Iterator[GateStatistics]:
        """The statistics that these labels of the clips would have given."""
        stats, single = self._stats, self._single
        emotions = len(stats.emotions)
        group = labels + np.where(single.kept, 0, emotions)
        member = (group[:, None] == np.arange(2 * emotions)[:, None]).astype(np.float64)
        computed: dict[str, np.ndarray] = {}

        def of(name: str) -> np.ndarray:
            if name not in computed:
                product = self._product(member.reshape(-1, len(single)), name)
                dtype = stats.sums[name].dtype
                whole = np.rint(product) if np.issubdtype(dtype, np.integer) else product
                computed[name] = whole.astype(dtype, copy=False).reshape(len(labels), 2 * emotions, -1)
            return computed[name]

        for at, one in enumerate(labels):
            yield replace(
                stats,
                clips=member[at].sum(axis=1).astype(np.int64),
                tokens={scope: (member[at] @ values).astype(np.int64) for scope, values in single.tokens.items()},
                sums=_Lazily(tuple(stats.sums), of, at),
                per_clip=replace(single, emotion=one.astype(np.int32)),
            )

    def _product(
        self, member: Float64[np.ndarray, "group clip"], name: str
    ) -> Float64[np.ndarray, "group gate"]:
        """Sums of groups of clips; some gates at a time where all of them are many."""
        if len(self._single) * self._stats.n_gates <= _FLOATS:
            return member @ self._added(name)
        columns = max(1, _FLOATS // len(self._single))
        starts = range(0, self._stats.n_gates, columns)
        return np.concatenate([member @ self.added(name, slice(at, at + columns)) for at in starts], axis=1)

    def _added(self, name: str) -> Float64[np.ndarray, "clip gate"]:
        """`added`, kept for the next grouping."""
        if name in self._held:
            return self._held[name]
        self._held[name] = self.added(name)
        return self._held[name]

    def added(self, name: str, columns: slice = slice(None)) -> Float64[np.ndarray, "clip gate"]:
        """What each clip adds to a sum of the statistics, for these gates."""
        scope, _, kind = name.rpartition("/")
        if kind == ROUTED_CLIPS:
            return (self._reached(scope, columns) > 0).astype(np.float64)
        if kind not in CLIP_SUMS:
            return self._single.sums[name][:, columns].astype(np.float64)
        level = (self._single.rate if kind.startswith("rate") else self._single.mean)(scope, columns)
        # As in a run: rates and means of single clips are rounded as their sums are.
        rounded = self._single.sums[f"{self._stats.scopes[0]}/sum"].dtype
        level = level.astype(rounded).astype(np.float64)
        return (level**2).astype(rounded).astype(np.float64) if kind.endswith("_sq") else level

    def _reached(self, scope: str, columns: slice) -> np.ndarray:
        parts = self._stats.scopes if scope == ALL else (scope,)
        return np.sum([self._single.sums[f"{part}/{ROUTED}"][:, columns] for part in parts], axis=0)


class _Lazily(Mapping[str, np.ndarray]):
    """Sums by name that are computed when they are asked for: a selector needs few of them."""

    def __init__(self, names: tuple[str, ...], compute: Callable[[str], np.ndarray], at: int) -> None:
        self._names, self._compute, self._at = names, compute, at

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._names:
            raise KeyError(name)
        return self._compute(name)[self._at]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
