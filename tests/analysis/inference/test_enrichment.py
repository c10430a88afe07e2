"""The null of an overlap: against scipy for one layer, against enumeration and simulation for several."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom, nchypergeom_fisher
from scipy.stats.contingency import odds_ratio

from esn_interp.analysis.inference.enrichment import SharedCount

ALPHAS = (0.01, 0.05, 0.1)


def shared_count(*strata: tuple[int, int, int]) -> SharedCount:
    """From (gates, members of one set, members of the other) by stratum."""
    return SharedCount(*(np.array(column, dtype=np.int64) for column in zip(*strata, strict=True)))


@st.composite
def strata(draw: st.DrawFn) -> tuple[int, int, int]:
    gates = draw(st.integers(1, 12))
    return gates, draw(st.integers(0, gates)), draw(st.integers(0, gates))


@pytest.mark.parametrize("margins", [(1000, 50, 60), (18944, 95, 95), (40, 30, 25), (7, 7, 3)])
def test_one_layer_is_hypergeometric(margins: tuple[int, int, int]):
    null = shared_count(margins)
    reference = hypergeom(*margins)
    assert null.expected == pytest.approx(margins[1] * margins[2] / margins[0])
    assert (null.least, null.most) == reference.support()
    for shared in range(null.least, null.most + 1):
        assert null.p_value(shared) == pytest.approx(reference.sf(shared - 1), rel=1e-8)


@given(st.lists(strata(), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_several_layers_equal_enumeration(layers: list[tuple[int, int, int]]):
    null = shared_count(*layers)
    supports = [range(max(0, one + two - gates), min(one, two) + 1) for gates, one, two in layers]
    exact = np.zeros(sum(gates for gates, _, _ in layers) + 1)
    for combination in product(*supports):
        exact[sum(combination)] += np.prod(
            [hypergeom.pmf(x, *margins) for x, margins in zip(combination, layers, strict=True)]
        )
    assert null.expected == pytest.approx(exact @ np.arange(len(exact)))
    for shared in range(null.least, null.most + 1):
        assert null.p_value(shared) == pytest.approx(exact[shared:].sum(), rel=1e-8, abs=1e-12)


def test_many_layers_equal_a_simulation():
    rng = np.random.default_rng(0)
    layers = [(200, int(one), int(two)) for one, two in rng.integers(5, 60, (28, 2))]
    null = shared_count(*layers)
    drawn = sum(rng.hypergeometric(one, gates - one, two, size=200_000) for gates, one, two in layers)
    assert null.expected == pytest.approx(drawn.mean(), rel=0.005)
    for shared in np.quantile(drawn, [0.1, 0.5, 0.9, 0.99]).astype(int):
        assert null.p_value(int(shared)) == pytest.approx((drawn >= shared).mean(), abs=0.005)


@pytest.mark.parametrize("shared", [1, 3, 10, 25, 49])
def test_the_bounds_are_those_of_fishers_test(shared: int):
    gates, one, two = 1000, 50, 60
    table = [[shared, one - shared], [two - shared, gates - one - two + shared]]
    low, high = odds_ratio(np.array(table), kind="conditional").confidence_interval(0.95)
    expected = one * two / gates
    null = shared_count((gates, one, two))
    for ours, theta in zip(null.fold_bounds(shared), (low, high), strict=True):
        reference = nchypergeom_fisher.mean(gates, one, two, theta) / expected
        assert ours == pytest.approx(reference, rel=1e-5)


@given(st.lists(strata(), min_size=1, max_size=3), st.randoms())
@settings(max_examples=60, deadline=None)
def test_bounds_hold_the_estimate_and_what_is_possible(layers: list[tuple[int, int, int]], random):
    null = shared_count(*layers)
    shared = random.randint(null.least, null.most)
    low, high = null.fold_bounds(shared)
    if not null.expected:
        assert np.isnan([low, high, null.fold(shared)]).all()
        return
    assert low <= null.fold(shared) + 1e-9
    assert high >= null.fold(shared) - 1e-9
    assert low >= null.least / null.expected - 1e-9
    assert high <= null.most / null.expected + 1e-9


def test_far_tails_keep_their_precision():
    null = shared_count(*[(5000, 40, 40)] * 12)
    # The largest overlap has one way to come about in each layer.
    assert -700 < np.log(null.p_value(180)) < -400
    nearly = shared_count((1000, 30, 30))
    assert nearly.p_value(30) == pytest.approx(hypergeom.pmf(30, 1000, 30, 30), rel=1e-6)
    low, high = null.fold_bounds(300)
    assert low < 300 / null.expected < high


def test_degenerate_sets():
    everything = shared_count((10, 10, 4), (5, 5, 2))
    assert (everything.p_value(6), everything.fold(6)) == (1.0, 1.0)
    assert everything.fold_bounds(6) == (1.0, 1.0)
    nothing = shared_count((10, 0, 4), (5, 0, 2))
    assert nothing.p_value(0) == 1.0
    assert np.isnan(nothing.fold(0))
    empty_layer = shared_count((0, 0, 0), (10, 3, 4))
    assert empty_layer.expected == pytest.approx(1.2)


# ------------------------------------------------------------------ known truth

WIDTH, PROFILE = 400, np.array([2, 4, 40, 60, 30, 4, 2, 2])


def test_null_p_values_are_valid_and_a_shared_profile_is_no_enrichment():
    """Independent sets with the same layer profile: 500 times. Within layers the p-values are valid and the
    fold enrichment is 1; as if all layers were one, both are wrong."""
    rng = np.random.default_rng(1)
    layered = shared_count(*[(WIDTH, int(n), int(n)) for n in PROFILE])
    pooled = shared_count((WIDTH * len(PROFILE), int(PROFILE.sum()), int(PROFILE.sum())))
    drawn = sum(rng.hypergeometric(n, WIDTH - n, n, size=500) for n in PROFILE)
    p_values = {count: (layered.p_value(count), pooled.p_value(count)) for count in set(drawn.tolist())}
    ours, naive = np.array([p_values[count] for count in drawn.tolist()]).T
    for alpha in ALPHAS:
        allowed = alpha + 2 * np.sqrt(alpha * (1 - alpha) / 500)
        assert (ours <= alpha).mean() <= allowed
        assert (naive <= alpha).mean() > 0.5
    bounds = {count: layered.fold_bounds(count) for count in set(drawn.tolist())}
    holds_one = [bounds[count][0] <= 1 <= bounds[count][1] for count in drawn.tolist()]
    assert np.mean(holds_one) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 500)
    folds = drawn / layered.expected
    assert abs(folds.mean() - 1) < 3 * folds.std() / np.sqrt(500)
    assert (drawn / pooled.expected).mean() > 2


def test_bounds_cover_a_true_enrichment():
    rng = np.random.default_rng(2)
    odds, layers = 6.0, [(200, 20, 20), (300, 10, 25), (100, 15, 10)]
    null = shared_count(*layers)
    truth = sum(nchypergeom_fisher.mean(*margins, odds) for margins in layers) / null.expected
    drawn = sum(nchypergeom_fisher.rvs(*margins, odds, size=500, random_state=rng) for margins in layers)
    bounds = {count: null.fold_bounds(count) for count in set(drawn.tolist())}
    covered = [bounds[count][0] <= truth <= bounds[count][1] for count in drawn.tolist()]
    assert np.mean(covered) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 500)
