"""What two selections share where labels say nothing: each corpus's labels are permuted by themselves."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import quotient
from esn_interp.analysis.overlap.pair import PairOverlap, Side
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.relabelling import relabelled_statistics, unlabelled, why_no_null
from esn_interp.neurons.resampling import select_alike
from esn_interp.neurons.statistics import GateStatistics

PERMUTATIONS = 99
"""Unless a number is asked for."""


def with_nulls(
    pairs: Sequence[PairOverlap],
    sets: Sequence[NeuronSet],
    statistics: Sequence[GateStatistics] | None,
    *,
    relabellings: int | None,
    seed: int,
) -> tuple[list[PairOverlap], tuple[str, ...]]:
    """Each pair with what the same selections share when labels are permuted, and notes on that.

    Every set's labels are permuted by themselves, so that no emotion is left in either.

    Raises
    ------
    StatisticsError
        When permutations are asked for and can't be made.
    """
    if relabellings == 0:
        return list(pairs), ()
    given: Sequence[GateStatistics | None] = statistics if statistics is not None else [None] * len(sets)
    whys = dict.fromkeys(why_no_null(stats, one) for one, stats in zip(sets, given, strict=True))
    known = [stats for stats in given if stats is not None]
    if whys := [why for why in whys if why]:
        if relabellings is not None:
            raise StatisticsError(whys[0])
        return list(pairs), tuple(whys)
    number = PERMUTATIONS if relabellings is None else relabellings
    seeds = np.random.SeedSequence(seed).generate_state(len(sets)).tolist()
    permuted = [
        relabelled_statistics(stats, one, permutations=number, seed=own)
        for one, stats, own in zip(sets, known, seeds, strict=True)
    ]
    drawn: list[list[Float64[np.ndarray, " fold"]]] = [[] for _ in pairs]
    for draw in zip(*permuted, strict=True):
        sides = [Side.of("", select_alike(stats, one), stats) for one, stats in zip(sets, draw, strict=True)]
        for found, (a, b) in zip(drawn, combinations(sides, 2), strict=True):
            found.append(_shared(a, b))
    how = [unlabelled(stats, one) for one, stats in zip(sets, known, strict=True)]
    sides = [Side.of("", one, stats) for one, stats in zip(sets, known, strict=True)]
    done: list[PairOverlap] = []
    for pair, found, (a, b), (one, two) in zip(
        pairs, drawn, combinations(sides, 2), combinations(how, 2), strict=True
    ):
        about: dict[str, Any] = {
            "within": " and ".join(dict.fromkeys((one.within, two.within))),
            "clips": one.clips + two.clips,
            "fixed": one.fixed + two.fixed,
            "rises": True,
        }
        observed, of_draws = _shared(a, b), np.stack(found)
        emotions = tuple(emotion for emotion in a.neurons.emotions if emotion in b.neurons.emotions)
        same, other = observed[0], observed[1]
        of_same, of_other = of_draws[:, 0], of_draws[:, 1]
        done.append(
            replace(
                pair,
                fold_null=SelectionNull.of(
                    "fold enrichment, same emotion",
                    emotions,
                    observed[2:],
                    of_draws[:, 2:],
                    whole=(float(same), of_same),
                    **about,
                ),
                contrast_null=SelectionNull.of(
                    "fold enrichment, same emotion minus other emotions",
                    ("same minus other",),
                    observed[:1] - other,
                    (of_same - of_other)[:, None],
                    **about,
                ),
            )
        )
    return done, tuple(note for note in dict.fromkeys(one.note for one in how) if note)


def _shared(a: Side, b: Side) -> Float64[np.ndarray, " fold"]:
    """Shared over expected: of all cells of the same emotion, of all others, and of each emotion that both have."""
    layers = a.neurons.origin.offsets
    shape = (len(a.member), len(b.member))
    shared, expected = np.zeros((2, *shape))
    for row, column in np.ndindex(shape):
        among = a.eligible[row] & b.eligible[column]
        one, two = a.member[row] & among, b.member[column] & among
        shared[row, column] = (one & two).sum()
        sizes = (np.add.reduceat(mask, layers, dtype=np.int64) for mask in (one, two, among))
        first, second, population = sizes
        expected[row, column] = (first * second / np.maximum(population, 1)).sum()
    same = np.array([[one == two for two in b.neurons.emotions] for one in a.neurons.emotions])
    pooled = [quotient(shared[mask].sum(), expected[mask].sum()) for mask in (same, ~same)]
    return np.array([*map(float, pooled), *quotient(shared, expected)[same]])
