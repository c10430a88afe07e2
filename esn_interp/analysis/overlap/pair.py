"""Two neuron sets side by side: what every emotion of one shares with every emotion of the other."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from esn_interp.analysis.inference.enrichment import SharedCount
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.rankings import (
    rank_biased_overlap,
    ranking,
    spearman,
    spearman_within_layers,
)
from esn_interp.analysis.inference.significance import holm, quotient
from esn_interp.drawing.brief import brief
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import score_alike
from esn_interp.neurons.statistics import GateStatistics

_DEPTHS = 10
"""Rankings are compared down to this many times their mean depth: what is cut off weighs less than e^-10."""


@dataclass(frozen=True)
class Pooled:
    """Several cells taken together: what they share over what they would by chance, as one count.

    ``low`` and ``high`` are exact conditional 95 % bounds of ``fold``, ``p`` the upper tail; both take the
    cells as independent. NaN where nothing is expected.
    """

    shared: int
    expected: float
    fold: float
    low: float
    high: float
    p: float

    @classmethod
    def of(cls, nulls: Sequence[SharedCount], shared: int) -> "Pooled":
        """From the null of each cell."""
        if not nulls:
            return cls(shared, 0.0, *[float("nan")] * 4)
        columns = ("population", "first", "second")
        null = SharedCount(*(np.concatenate([getattr(one, name) for one in nulls]) for name in columns))
        p = null.p_value(shared) if null.expected else float("nan")
        return cls(shared, null.expected, null.fold(shared), *null.fold_bounds(shared), p)


@dataclass(frozen=True, eq=False)
class PairOverlap:
    """What the sets ``a`` (rows) and ``b`` (columns) share, emotion by emotion.

    ``jaccard`` is shared over joint members, ``coefficient`` shared over the smaller set. ``expected`` is the
    number that independent sets with the same numbers of members in every layer would share, the sum over
    layers of K n / N; ``fold`` is shared over expected, with exact conditional 95 % bounds ``fold_low`` and
    ``fold_high`` that take neurons as independent; ``p_values`` are the upper tails (convolved
    hypergeometrics, see `SharedCount`), ``p_holm`` adjusts them over all cells. The ``global_`` fields are the
    same as if all layers were one, which independent sets fail that merely prefer the same layers.

    ``rbo`` (rank-biased overlap, see `overlap` for its depth), ``spearman`` and ``spearman_within`` (of ranks
    within each layer) compare the scores of all gates; they are NaN without statistics. Cells of an empty set
    are NaN. ``same_emotion`` and ``other_emotion`` take the cells of equal and of different emotions together.
    ``top`` is the fraction of gates that was selected for this comparison, NaN for the sets as given.

    None of these p-values knows of the selection: selectors that prefer certain gates find them again on noise.
    ``fold_null`` compares the enrichment of the same emotions, and ``contrast_null`` that minus the enrichment of
    different emotions, with what the same selections give when each corpus's labels are permuted; None where that could
    not be done.
    """

    a: str
    b: str
    top: float
    emotions_a: tuple[str, ...]
    emotions_b: tuple[str, ...]
    size_a: Int64[np.ndarray, " a"]
    size_b: Int64[np.ndarray, " b"]
    shared: Int64[np.ndarray, "a b"]
    jaccard: Float64[np.ndarray, "a b"]
    coefficient: Float64[np.ndarray, "a b"]
    expected: Float64[np.ndarray, "a b"]
    fold: Float64[np.ndarray, "a b"]
    fold_low: Float64[np.ndarray, "a b"]
    fold_high: Float64[np.ndarray, "a b"]
    p_values: Float64[np.ndarray, "a b"]
    p_holm: Float64[np.ndarray, "a b"]
    global_expected: Float64[np.ndarray, "a b"]
    global_fold: Float64[np.ndarray, "a b"]
    global_p: Float64[np.ndarray, "a b"]
    global_holm: Float64[np.ndarray, "a b"]
    rbo: Float64[np.ndarray, "a b"]
    spearman: Float64[np.ndarray, "a b"]
    spearman_within: Float64[np.ndarray, "a b"]
    same_emotion: Pooled
    other_emotion: Pooled
    fold_null: SelectionNull | None = None
    contrast_null: SelectionNull | None = None

    __repr__ = brief

    @property
    def same(self) -> Bool[np.ndarray, "a b"]:
        """Which cells compare an emotion with itself; all others are the control."""
        return np.array([[one == two for two in self.emotions_b] for one in self.emotions_a], dtype=np.bool_)

    def to_frame(self) -> pd.DataFrame:
        """One row per emotion of a and of b."""
        rows, columns = (index.ravel() for index in np.indices(self.shared.shape))
        matrices = {
            name: getattr(self, name).ravel()
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray) and value.ndim == 2
        }
        labels = {
            "a": self.a,
            "b": self.b,
            "top": self.top,
            "emotion_a": [self.emotions_a[row] for row in rows],
            "emotion_b": [self.emotions_b[column] for column in columns],
            "relation": np.where(self.same.ravel(), "same", "other"),
            "size_a": self.size_a[rows],
            "size_b": self.size_b[columns],
        }
        return pd.DataFrame({**labels, **matrices})


@dataclass(frozen=True, eq=False)
class Side:
    """One of the compared sets, as masks over all gates.

    With the statistics that it was selected from, ``eligible`` are the gates that could have been selected
    for each emotion (else all), and ``score`` their scores.
    """

    name: str
    neurons: NeuronSet
    member: Bool[np.ndarray, "emotion gate"]
    eligible: Bool[np.ndarray, "emotion gate"]
    score: Float64[np.ndarray, "emotion gate"] | None

    @classmethod
    def of(cls, name: str, neurons: NeuronSet, stats: GateStatistics | None) -> "Side":
        """A set, and the statistics that it was selected from, when these are at hand."""
        member = np.zeros((len(neurons.emotions), neurons.n_gates), dtype=np.bool_)
        member[neurons.emotion, neurons.flat] = True
        if stats is None:
            return cls(name, neurons, member, np.ones_like(member), None)
        scores = score_alike(stats, neurons)
        # Where one ranking serves all emotions, an emotion's own is that of the gates that may join it.
        score = scores.score if scores.cut == "emotion" else np.where(scores.eligible, scores.score, -np.inf)
        return cls(name, neurons, member, scores.eligible, score)


def pair_overlap(
    a: Side, b: Side, *, top: float = float("nan"), persistence: float | None = None
) -> PairOverlap:
    """Compare every emotion of ``a`` with every emotion of ``b``.

    The sets are compared among the gates that were eligible in both: only these could be shared.
    """
    origin, shape = a.neurons.origin, (len(a.member), len(b.member))
    layers = origin.offsets
    shared = np.zeros(shape, dtype=np.int64)
    found = {name: np.full(shape, np.nan) for name in ("expected", "fold", "low", "high", "p")}
    overall = {name: np.full(shape, np.nan) for name in ("expected", "fold", "p")}
    nulls: dict[bool, list[SharedCount]] = {True: [], False: []}
    for row, column in np.ndindex(shape):
        among = a.eligible[row] & b.eligible[column]
        one, two = a.member[row] & among, b.member[column] & among
        shared[row, column] = count = int((one & two).sum())
        by_layer = SharedCount(*(np.add.reduceat(mask, layers, dtype=np.int64) for mask in (among, one, two)))
        pooled = SharedCount(*(np.array([mask.sum()], dtype=np.int64) for mask in (among, one, two)))
        for null, told in ((by_layer, found), (pooled, overall)):
            if null.expected:
                told["expected"][row, column] = null.expected
                told["fold"][row, column] = null.fold(count)
                told["p"][row, column] = null.p_value(count)
        nulls[a.neurons.emotions[row] == b.neurons.emotions[column]].append(by_layer)
        found["low"][row, column], found["high"][row, column] = by_layer.fold_bounds(count)
    sizes = [side.member.sum(axis=1) for side in (a, b)]
    joint = sizes[0][:, None] + sizes[1] - shared
    smaller = np.minimum(sizes[0][:, None], sizes[1])
    rbo, rho, rho_within = _rankings(a, b, persistence)
    same = np.array([[one == two for two in b.neurons.emotions] for one in a.neurons.emotions])
    return PairOverlap(
        a=a.name,
        b=b.name,
        top=top,
        emotions_a=a.neurons.emotions,
        emotions_b=b.neurons.emotions,
        size_a=sizes[0],
        size_b=sizes[1],
        shared=shared,
        jaccard=quotient(shared, joint),
        coefficient=quotient(shared, smaller),
        expected=found["expected"],
        fold=found["fold"],
        fold_low=found["low"],
        fold_high=found["high"],
        p_values=found["p"],
        p_holm=holm(found["p"].ravel()).reshape(shape),
        global_expected=overall["expected"],
        global_fold=overall["fold"],
        global_p=overall["p"],
        global_holm=holm(overall["p"].ravel()).reshape(shape),
        rbo=rbo,
        spearman=rho,
        spearman_within=rho_within,
        same_emotion=Pooled.of(nulls[True], int(shared[same].sum())),
        other_emotion=Pooled.of(nulls[False], int(shared[~same].sum())),
    )


def jaccard(a: NeuronSet, b: NeuronSet) -> Float64[np.ndarray, "a b"]:
    """Shared over joint members of every emotion of ``a`` and every emotion of ``b``; NaN where both are
    empty."""
    one, two = (Side.of("", side, None).member.astype(np.int64) for side in (a, b))
    shared = one @ two.T
    return quotient(shared, one.sum(axis=1)[:, None] + two.sum(axis=1) - shared)


def _rankings(a: Side, b: Side, persistence: float | None) -> Sequence[Float64[np.ndarray, "a b"]]:
    """Rank-biased overlap, Spearman's correlation, and that within layers; NaN without scores."""
    shape = (len(a.member), len(b.member))
    if a.score is None or b.score is None:
        return [np.full(shape, np.nan) for _ in range(3)]
    if persistence is None:
        persistence = default_persistence([a.neurons, b.neurons])
    depth = min(a.neurons.n_gates, round(_DEPTHS / (1 - persistence)))
    ranked = [[ranking(score, depth) for score in side.score] for side in (a, b) if side.score is not None]
    rbo = [[rank_biased_overlap(one, two, persistence=persistence) for two in ranked[1]] for one in ranked[0]]
    within = spearman_within_layers(a.score, b.score, a.neurons.origin)
    return [np.array(rbo), spearman(a.score, b.score), within]


def default_persistence(sets: Sequence[NeuronSet]) -> float:
    """That of which the mean depth is the mean number of neurons per emotion: ``1 - 1 / k``."""
    sizes = [one.counts().sum(axis=1) for one in sets]
    return 1 - 1 / max(2.0, float(np.concatenate(sizes).mean()))
