"""Whether the same neurons are found again: on another corpus, by another selector, in another model."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.overlap.null import with_nulls
from esn_interp.analysis.overlap.pair import PairOverlap, Side, default_persistence, jaccard, pair_overlap
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import resampled_sets, select_alike
from esn_interp.neurons.statistics import GateStatistics


def overlap(
    *sets: NeuronSet,
    names: Sequence[str] | None = None,
    statistics: Sequence[GateStatistics] | None = None,
    tops: Sequence[float] = (),
    resamples: int = 50,
    relabellings: int | None = None,
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
    relabellings
        How often every set is selected anew from permuted labels, for p-values that know of the selection; 99 by
        default where ``statistics`` keep single clips, 0 for none.
    persistence
        Of the rank-biased overlap, in (0, 1): its mean depth is ``1 / (1 - persistence)`` gates. By default
        that is the mean number of neurons per emotion (our choice).
    across_models
        Allow models of other weights but the same shape, such as fine-tuned ones. A neuron is then compared
        with the one at the same place, which means something only where one model descends from the other.

    Raises
    ------
    StatisticsError
        With fewer than two sets, sets of different gates, statistics that do not give the sets, or permutations that
        were asked for and can't be made.
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
    pairs, why = with_nulls(pairs, sets, statistics, relabellings=relabellings, seed=seed)
    resampled, told = _resample(sets, statistics, resamples=resamples, seed=seed)
    notes += [
        f"{name} has no neurons for {', '.join(one.empty)}: nothing to share there"
        for name, one in zip(labels, sets, strict=True)
        if one.empty
    ]
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
        notes=(*notes, *told, *why),
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
    """Exclusive intersections, observed and expected: those of most sets first, and of these the most frequent."""
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
