"""Fusion recovers gates that are planted in every corpus and leaves those of one corpus behind."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_gates import statistics_from_rates

from esn_interp.errors import StatisticsError
from esn_interp.neurons.fusion import PENALTY, by_overlap, by_z_score, fuse
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics

NAMES = ("neutral", "happy", "angry")
WIDTHS = (40, 40)
SHARED = {0: [3, 50], 1: [7, 61], 2: [12, 70]}


def planted(corpora: int = 4, *, seed: int = 0) -> dict[str, GateStatistics]:
    """Shared gates stand out everywhere; each corpus has some of its own that stand out four times as far."""
    rng = np.random.default_rng(seed)
    found = {}
    for at in range(corpora):
        mean = 0.3 + 0.01 * rng.standard_normal((3, sum(WIDTHS)))
        for emotion, gates in SHARED.items():
            mean[emotion, gates] += 0.1
            alone = 14 + 6 * at + 2 * emotion  # nobody else's
            mean[emotion, [alone, alone + 1]] += 0.4
        stats = statistics_from_rates(np.clip(mean, 0, 1), mean, WIDTHS, NAMES)
        found[f"c{at}"] = replace(stats, origin=replace(stats.origin, corpus=f"c{at}", corpus_fingerprint=f"f{at}"))
    return found


@pytest.mark.parametrize("how", ["overlap", "zscore"])
@pytest.mark.parametrize("seed", range(3))
def test_the_shared_set_is_recovered_and_corpus_only_gates_are_not(how: str, seed: int):
    stats = planted(seed=seed)
    found = fuse(stats, "mad", how=how, count=2)
    for emotion, gates in SHARED.items():
        assert found[NAMES[emotion]].indices().tolist() == gates
    # A corpus by itself finds its own, which stand out further.
    alone = select(stats["c0"], "mad", count=2)
    assert all(set(alone[NAMES[e]].indices().tolist()).isdisjoint(gates) for e, gates in SHARED.items())
    assert found.corpus == "c0+c1+c2+c3"


def test_scores_are_joined_as_the_formulas_say():
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((3, 2, 7))
    z = [[[(v - np.mean(row)) / np.std(row) for v in row] for row in corpus] for corpus in scores]
    for e in range(2):
        for n in range(7):
            each = [z[c][e][n] for c in range(3)]
            assert by_z_score(scores)[e, n] == pytest.approx(np.mean(each) - PENALTY * np.std(each))
            ranks = [sorted(scores[c, e], reverse=True).index(scores[c, e, n]) for c in range(3)]
            assert by_overlap(scores)[e, n] == -max(ranks)


def test_pooled_is_the_selection_from_all_clips_as_one():
    one, other = list(planted(2).values())
    found = fuse([one, other], "mad", how="pooled", count=3)
    np.testing.assert_array_equal(found.indices(), select(one + other, "mad", count=3).indices())


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"how": "mean"}, "unknown fusion 'mean'"),
        ({"selector": "best"}, "unknown selector"),
        ({"selector": "lape"}, "whole model"),
    ],
)
def test_what_can_not_be_fused_is_told(options: dict, part: str):
    with pytest.raises(StatisticsError, match=part):
        fuse(planted(2), **{"count": 2, **options})
    with pytest.raises(StatisticsError, match="two or more"):
        fuse(list(planted(1).values()), count=2)
