"""Whether the same neurons are found again: on another corpus, by another selector, in another model."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.overlap.pair import (
    PairOverlap,
    Pooled,
    Side,
    default_persistence,
    jaccard,
    pair_overlap,
)
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import resampled_sets, select_alike
from esn_interp.neurons.statistics import GateStatistics

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Overlap(Result):
    """What two or more neuron sets share; ``pairs`` compares each two of them, see `PairOverlap`.

    ``curve`` holds the same comparisons with other fractions of the gates selected. ``resampled`` is, for
    each pair, the Jaccard index of the sets selected from bootstrap samples of both sides' clips (by speaker
    where speakers are known). A bootstrap sample holds fewer different speakers than the corpus, so these lie
    lower than the index of the sets themselves; their spread is what other speakers would change.

    ``patterns`` are the ways in which a neuron can be a member of some of the sets (columns: the sets), and
    ``pattern_counts`` how many neurons have exactly this pattern, for each emotion that all sets have.
    ``pattern_expected`` is what independent sets with the same numbers in every layer would give.
    """

    kind: ClassVar[str] = "overlap"

    names: tuple[str, ...]
    models: tuple[str, ...]
    corpora: tuple[str, ...]
    selectors: tuple[str, ...]
    widths: tuple[int, ...]
    among: str
    persistence: float
    seed: int
    pairs: tuple[PairOverlap, ...]
    curve: tuple[PairOverlap, ...]
    resampled: tuple[Float64[np.ndarray, "resample a b"], ...]
    emotions: tuple[str, ...]
    patterns: Bool[np.ndarray, "pattern set"]
    pattern_counts: Int64[np.ndarray, "pattern emotion"]
    pattern_expected: Float64[np.ndarray, "pattern emotion"]
    notes: tuple[str, ...]

    @property
    def resamples(self) -> int:
        """The number of bootstrap samples."""
        return len(self.resampled[0]) if self.resampled else 0

    def jaccard_range(self, pair: int = 0) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
        """2.5 and 97.5 % quantiles of a pair's resampled Jaccard index; NaN without resamples."""
        if not self.resamples:
            unknown = np.full(self.pairs[pair].shared.shape, np.nan)
            return unknown, unknown
        low, high = np.nanquantile(self.resampled[pair], [0.025, 0.975], axis=0)
        return low, high

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of sets and pair of emotions, the sets as given first, then each fraction."""
        return pd.concat([pair.to_frame() for pair in (*self.pairs, *self.curve)], ignore_index=True)

    def summary(self) -> str:
        """The result in one sentence: same emotions against different ones, for the first pair."""
        pair = self.pairs[0]
        same, other = (float(nan_mean(pair.jaccard[mask])) for mask in (pair.same, ~pair.same))
        told = f" (first of {len(self.pairs)} pairs)" if len(self.pairs) > 1 else ""
        return (
            f"{pair.a} and {pair.b}{told}: neurons of the same emotion overlap by {same:.2f} (Jaccard),"
            f" {_times(pair.same_emotion)} what their layers alone would give; those of different emotions by"
            f" {other:.2f}, {_times(pair.other_emotion)}."
        )

    def plot(self) -> "go.Figure":
        """The matrices of the first pair; with three sets or more, which neurons are in which sets."""
        return self.plot_pair() if len(self.names) == 2 else self.plot_sets()

    def plot_pair(self, pair: int = 0) -> "go.Figure":
        """Fold enrichment with its bounds, and the matrices, of one pair of sets."""
        from esn_interp.analysis.overlap.figure import overlap_matrix

        return overlap_matrix(self, pair)

    def plot_sets(self) -> "go.Figure":
        """How many neurons are in exactly which of the sets (an UpSet plot)."""
        from esn_interp.analysis.overlap.upset_figure import upset

        return upset(self)

    def plot_curve(self, pair: int = 0) -> "go.Figure":
        """Overlap of one pair over the fraction of gates that is selected.

        Raises
        ------
        StatisticsError
            When no fractions were compared.
        """
        if not self.curve:
            raise StatisticsError("no fractions were compared; call overlap with statistics= and tops=")
        from esn_interp.analysis.overlap.curve_figure import overlap_curve

        return overlap_curve(self, pair)


def _times(pooled: Pooled) -> str:
    if np.isnan(pooled.fold):
        return "an unknown multiple of"
    return f"{pooled.fold:.2g} [{pooled.low:.2g}, {pooled.high:.2g}] times"


def overlap(
    *sets: NeuronSet,
    names: Sequence[str] | None = None,
    statistics: Sequence[GateStatistics] | None = None,
    tops: Sequence[float] = (),
    resamples: int = 50,
    persistence: float | None = None,
    across_models: bool = False,
    seed: int = 0,
) -> Overlap:
    """Compare two or more neuron sets, every emotion of one with every emotion of the other.

    The sets may come from different corpora, selectors, languages, or speakers of one corpus (see
    `~esn_interp.neurons.resampling.subset`). Overlap of different emotions is the control.

    Parameters
    ----------
    names
        What the sets are called; by default by what tells them apart.
    statistics
        What each set was selected from, in the same order. Then only gates that were eligible in both count
        as possible, rankings are compared, and where single clips are kept, they are resampled.
    tops
        Further fractions of all gates to select and compare, which needs ``statistics``.
    resamples
        Bootstrap samples of the clips of every set.
    persistence
        Of the rank-biased overlap, in (0, 1): its mean depth is ``1 / (1 - persistence)`` gates. By default
        that is the mean number of neurons per emotion (our choice).
    across_models
        Allow models of other weights but the same shape, such as fine-tuned ones. A neuron is then compared
        with the one at the same place, which means something only where one model descends from the other.

    Raises
    ------
    StatisticsError
        With fewer than two sets, sets of different gates, or statistics that do not give the sets.
    """
    if len(sets) < 2:
        raise StatisticsError(f"an overlap needs two neuron sets or more, got {len(sets)}")
    notes = _check_gates(sets, across_models)
    given: Sequence[GateStatistics | None] = statistics if statistics is not None else [None] * len(sets)
    _check_statistics(sets, statistics, tops)
    labels = tuple(names) if names is not None else _names(sets)
    if len(set(labels)) != len(sets):
        raise StatisticsError(f"{len(sets)} sets need as many different names, not {', '.join(labels)}")
    if persistence is None:
        persistence = default_persistence(sets)
    if not 0 < persistence < 1:
        raise StatisticsError(f"persistence is between 0 and 1, not {persistence:g}")
    sides = [Side.of(*side) for side in zip(labels, sets, given, strict=True)]
    pairs = [pair_overlap(a, b, persistence=persistence) for a, b in combinations(sides, 2)]
    curve: list[PairOverlap] = []
    for top in tops:
        at_top = [
            Side.of(name, select_alike(stats, one, top=top), stats)
            for name, one, stats in zip(labels, sets, statistics or (), strict=True)
        ]
        curve += [
            pair_overlap(a, b, top=float(top), persistence=persistence) for a, b in combinations(at_top, 2)
        ]
    resampled, told = _resample(sets, statistics, resamples=resamples, seed=seed)
    for name, one in zip(labels, sets, strict=True):
        if empty := [emotion for emotion in one.emotions if not len(one[emotion])]:
            notes.append(f"{name} has no neurons for {', '.join(empty)}: nothing to share there")
    emotions = tuple(emotion for emotion in sets[0].emotions if all(emotion in one.emotions for one in sets))
    missing = [name for name, one in zip(labels, sets, strict=True) if set(one.emotions) - set(emotions)]
    if missing:
        had = ", ".join(emotions) or "none"
        notes.append(f"emotions that all sets have: {had}; {', '.join(missing)} have others")
    return Overlap(
        names=labels,
        models=tuple(one.model for one in sets),
        corpora=tuple(one.corpus for one in sets),
        selectors=tuple(one.selector for one in sets),
        widths=sets[0].widths,
        among="all gates" if statistics is None else "gates eligible in both",
        persistence=persistence,
        seed=seed,
        pairs=tuple(pairs),
        curve=tuple(curve),
        resampled=resampled,
        emotions=emotions,
        **_patterns(sides, emotions),
        notes=(*notes, *told),
    )


def _check_gates(sets: Sequence[NeuronSet], across_models: bool) -> list[str]:
    """Refuse gates that are not the same; with ``across_models``, what must be noted of it."""
    first, notes = sets[0], list[str]()
    for other in sets[1:]:
        if not across_models:
            first.check(other.origin)
        elif (first.widths, first.origin.component) != (other.widths, other.origin.component):
            raise StatisticsError(
                f"{first.model} and {other.model} differ in the shape of their gates, so no neuron of one is at"
                " the place of a neuron of the other"
            )
        elif first.origin.fingerprint != other.origin.fingerprint:
            notes.append(f"{first.model} and {other.model} have different weights: compared place by place")
    return notes


def _check_statistics(
    sets: Sequence[NeuronSet], statistics: Sequence[GateStatistics] | None, tops: Sequence[float]
) -> None:
    if statistics is None:
        if tops:
            raise StatisticsError("to compare other fractions, give the statistics that the sets come from")
        return
    if len(statistics) != len(sets):
        raise StatisticsError(
            f"{len(sets)} sets need as many statistics, in their order, not {len(statistics)}"
        )
    for at, (one, stats) in enumerate(zip(sets, statistics, strict=True), start=1):
        one.check(stats.origin)
        again = select_alike(stats, one)
        if again.emotions != one.emotions or not np.array_equal(again.flat, one.flat):
            raise StatisticsError(
                f"the statistics of {stats.corpus}, given for set {at}, do not give that set (selected on"
                f" {one.corpus}); give each set's own, in the order of the sets"
            )


def _names(sets: Sequence[NeuronSet]) -> tuple[str, ...]:
    """The sets by corpus, selector or model, whichever tells them apart; else by number."""
    for part in ("corpus", "selector", "model"):
        names = tuple(str(getattr(one, part)) for one in sets)
        if len(set(names)) == len(names):
            return names
    return tuple(f"set {number}" for number in range(1, len(sets) + 1))


def _resample(
    sets: Sequence[NeuronSet], statistics: Sequence[GateStatistics] | None, *, resamples: int, seed: int
) -> tuple[tuple[Float64[np.ndarray, "resample a b"], ...], tuple[str, ...]]:
    """Jaccard indices of every pair under resampling, where every set's clips are kept one by one."""
    if statistics is None or not resamples or any(stats.per_clip is None for stats in statistics):
        return (), ()
    drawn: list[list[NeuronSet]] = []
    notes: list[str] = []
    rngs = np.random.default_rng(seed).spawn(len(sets))
    for one, stats, rng in zip(sets, statistics, rngs, strict=True):
        again, told = resampled_sets(stats, [one], resamples=resamples, rng=rng)
        drawn.append([found for (found,) in again])
        notes += told
    return (
        tuple(
            np.array([jaccard(one, two) for one, two in zip(a, b, strict=True)])
            for a, b in combinations(drawn, 2)
        ),
        tuple(dict.fromkeys(notes)),
    )


def _patterns(sides: Sequence[Side], emotions: Sequence[str]) -> dict[str, np.ndarray]:
    """Exclusive intersections of the sets, observed and expected, the most frequent first."""
    codes = np.arange(1, 2 ** len(sides))
    patterns = (codes[:, None] >> np.arange(len(sides)) & 1).astype(np.bool_)
    counts = np.zeros((len(patterns), len(emotions)), dtype=np.int64)
    expected = np.zeros((len(patterns), len(emotions)))
    origin = sides[0].neurons.origin
    for column, emotion in enumerate(emotions):
        members = np.array([side.member[side.neurons.emotions.index(emotion)] for side in sides])
        code = (members * (1 << np.arange(len(sides)))[:, None]).sum(axis=0)
        counts[:, column] = np.bincount(code, minlength=len(codes) + 1)[1:]
        share = np.add.reduceat(members, origin.offsets, axis=1) / np.array(origin.widths)
        chance = np.where(patterns[:, :, None], share, 1 - share).prod(axis=1)
        expected[:, column] = chance @ np.array(origin.widths)
    order = np.lexsort((codes, -counts.sum(axis=1), -patterns.sum(axis=1)))
    return {
        "patterns": patterns[order],
        "pattern_counts": counts[order],
        "pattern_expected": expected[order],
    }
