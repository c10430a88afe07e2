"""Scan statistic, concentration and trees: known truths, textbook formulas and scipy itself."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import jensenshannon, squareform
from scipy.stats import entropy
from statsmodels.stats.proportion import multinomial_proportions_confint

from esn_interp.analysis.inference.clustering import Tree, layer_tree, profile_tree
from esn_interp.analysis.inference.concentration import evenness, gini, goodman_bounds
from esn_interp.analysis.inference.scan import scan, strongest

ALPHAS = (0.01, 0.05, 0.1)
WIDTHS = (300,) * 12

counts_of_layers = st.lists(st.integers(0, 40), min_size=2, max_size=9)


def uniform(rng: np.random.Generator, members: int, widths: tuple[int, ...] = WIDTHS) -> np.ndarray:
    return rng.multivariate_hypergeometric(widths, members)


# ------------------------------------------------------------------ scan


@pytest.mark.parametrize(("first", "last"), [(0, 0), (3, 5), (7, 8), (11, 11)])
def test_a_planted_band_is_found_where_it_is(first: int, last: int):
    counts = uniform(np.random.default_rng(0), 60)
    counts[first : last + 1] += 30
    p, (band, *others) = scan(counts, WIDTHS)
    assert p == 1 / 2000
    assert (band.first, band.last, band.p) == (first, last, p)
    assert band.count == counts[first : last + 1].sum()
    assert band.expected == pytest.approx(counts.sum() * (last - first + 1) / 12)
    assert not others


def test_two_planted_bands_are_both_found():
    counts = uniform(np.random.default_rng(1), 60)
    counts[1:3] += 40
    counts[8:10] += 25
    _, found = scan(counts, WIDTHS)
    assert [(band.first, band.last) for band in found] == [(1, 2), (8, 9)]


def test_noise_has_no_band_and_its_p_values_are_valid():
    rng = np.random.default_rng(2)
    p_values = np.array([scan(uniform(rng, 50), WIDTHS, permutations=199, seed=n)[0] for n in range(500)])
    for alpha in ALPHAS:
        assert (p_values <= alpha).mean() <= alpha + 2 * np.sqrt(alpha * (1 - alpha) / 500)


def test_layers_of_different_widths_are_no_bands_by_themselves():
    widths, rng = (100, 100, 800, 900, 100, 100), np.random.default_rng(3)
    p_values = np.array(
        [scan(uniform(rng, 80, widths), widths, permutations=199, seed=n)[0] for n in range(300)]
    )
    assert (p_values <= 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)
    counts = uniform(rng, 80, widths)
    counts[4] += 25
    _, (band, *_) = scan(counts, widths)
    assert (band.first, band.last) == (4, 4)


def test_the_ratio_is_that_of_bernoulli_trials():
    """The observed window maximises the textbook log-likelihood ratio among all windows, and has this one."""
    counts, widths = np.array([3, 9, 14, 2, 6]), (40, 50, 60, 50, 40)

    def log_likelihood(hits: int, of: int, p: float) -> float:
        return (hits * np.log(p) if hits else 0) + ((of - hits) * np.log(1 - p) if of > hits else 0)

    best = {}
    for first in range(5):
        for last in range(first, 5):
            c, w = int(counts[first : last + 1].sum()), sum(widths[first : last + 1])
            n, total = int(counts.sum()), sum(widths)
            if 2 * w <= total and c / w > (n - c) / (total - w):
                best[first, last] = (
                    log_likelihood(c, w, c / w)
                    + log_likelihood(n - c, total - w, (n - c) / (total - w))
                    - log_likelihood(n, total, n / total)
                )
    _, (band, *_) = scan(counts, widths, level=1.0)
    assert (band.first, band.last) == max(best, key=best.__getitem__)
    draws, largest = np.array([counts, np.zeros(5, int), counts[::-1]]), max(best.values())  # widths mirror each other
    np.testing.assert_allclose(strongest(draws, widths), [largest, np.nan, largest])
    assert strongest(counts, widths) == pytest.approx(largest)
    assert np.isnan(strongest(np.array([[4], [0]]), (9,))).all()


def test_a_window_may_hold_half_of_all_gates_and_a_single_neuron():
    _, (band, *_) = scan(np.array([9, 1]), (20, 20), level=1.0)
    assert (band.first, band.last) == (0, 0)
    assert scan(np.array([3, 9, 1]), (10, 25, 10), level=1.0)[1][0].first != 1  # more than half is no window
    inside, everywhere = np.log(1 / 5) + 4 * np.log(4 / 5), np.log(1 / 20) + 19 * np.log(19 / 20)
    assert strongest(np.array([0, 1, 0, 0]), (5, 5, 5, 5)) == pytest.approx(inside - everywhere)


@pytest.mark.parametrize(
    ("counts", "widths"),
    [([0, 0, 0], (5, 5, 5)), ([4], (9,)), ([0], (9,))],
    ids=["no neurons", "one layer", "neither"],
)
def test_where_there_is_nothing_to_scan(counts: list[int], widths: tuple[int, ...]):
    p, found = scan(np.array(counts), widths)
    assert np.isnan(p)
    assert found == ()


def test_all_neurons_selected_is_no_band():
    assert scan(np.array([5, 9, 3]), (5, 9, 3)) == (1.0, ())


# ------------------------------------------------------------------ concentration


@given(counts_of_layers)
@settings(max_examples=60, deadline=None)
def test_gini_is_the_textbook_mean_difference(values: list[int]):
    v = np.array(values, dtype=float)
    if not v.sum():
        assert np.isnan(gini(v))
        return
    expected = np.abs(v[:, None] - v).sum() / (2 * len(v) ** 2 * v.mean())
    assert gini(v) == pytest.approx(expected, abs=1e-12)
    assert gini(3.5 * v) == pytest.approx(expected, abs=1e-12)


@given(counts_of_layers)
@settings(max_examples=60, deadline=None)
def test_evenness_is_scipys_entropy(values: list[int]):
    v = np.array(values, dtype=float)
    if not v.sum():
        assert np.isnan(evenness(v))
        return
    assert evenness(v) == pytest.approx(entropy(v) / np.log(len(v)), abs=1e-12)


def test_extremes_of_concentration():
    rows = np.array([[2.0, 2, 2, 2], [0, 0, 9, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(gini(rows), [0, 0.75, np.nan])
    np.testing.assert_allclose(evenness(rows), [1, 0, np.nan], atol=1e-15)
    assert np.isnan(evenness(np.array([[3.0]]))).all()
    assert gini(np.array([3.0])) == 0


@given(counts_of_layers)
@settings(max_examples=40, deadline=None)
def test_bounds_of_shares_are_goodmans(counts: list[int]):
    low, high = goodman_bounds(np.array([counts]))
    if not sum(counts):
        assert np.isnan(low).all()
        assert np.isnan(high).all()
        return
    reference = multinomial_proportions_confint(counts, 0.05, method="goodman")
    np.testing.assert_allclose(low[0], reference[:, 0], atol=1e-9)
    np.testing.assert_allclose(high[0], reference[:, 1], atol=1e-9)


# ------------------------------------------------------------------ trees


def test_rows_are_joined_as_scipy_joins_their_jensen_shannon_distances():
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(7), size=5)
    apart = np.array([[jensenshannon(one, two, base=2) for two in share] for one in share])
    expected = hierarchy.linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    tree = profile_tree(share)
    np.testing.assert_allclose(tree.merges, expected, atol=1e-9)
    assert tree.order == tuple(hierarchy.leaves_list(expected))
    drawn = hierarchy.dendrogram(expected, no_plot=True)
    np.testing.assert_allclose(tree.branches[..., 1], drawn["dcoord"], atol=1e-9)
    np.testing.assert_allclose(10 * tree.branches[..., 0] + 5, drawn["icoord"])


def test_layers_are_joined_as_scipy_joins_their_differences():
    fold = np.random.default_rng(1).gamma(1, 1, (4, 6))
    apart = np.array([[np.sqrt(((one - two) ** 2).mean()) for two in fold.T] for one in fold.T])
    expected = hierarchy.linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    np.testing.assert_allclose(layer_tree(fold).merges, expected, atol=1e-9)


def test_rows_without_a_profile_are_left_out():
    share = np.array([[0.5, 0.5], [np.nan, np.nan], [0.5, 0.5], [1, 0]])
    tree = profile_tree(share)
    assert tree.members == (0, 2, 3)
    assert set(tree.order) == {0, 2, 3}
    assert tree.merges[0, 2] == 0  # two equal profiles
    np.testing.assert_allclose(layer_tree(share).merges[:, 2], np.sqrt(1 / 3))


@pytest.mark.parametrize("rows", [0, 1])
def test_a_tree_needs_two(rows: int):
    tree = profile_tree(np.full((rows, 3), 1 / 3))
    assert tree.order == tree.members == tuple(range(rows))
    assert tree.branches.shape == (0, 4, 2)
    assert Tree.of((), np.zeros(0)).order == ()


def test_trees_of_two_of_one_known_row_and_of_none():
    pair = Tree.of((4, 7), np.array([0.5]))
    assert pair.merges.tolist() == [[0, 1, 0.5, 2]]
    assert set(pair.order) == {4, 7}
    one_row = layer_tree(np.array([[1.0, 2, 4], [np.nan, 1, 1]]))
    assert one_row.merges[:, 2].tolist() == [1, 2.5]  # |1 - 2|, then the mean of |1 - 4| and |2 - 4|
    unknown = layer_tree(np.full((2, 3), np.nan))
    assert unknown.merges[:, 2].tolist() == [0, 0]
    assert set(unknown.order) == {0, 1, 2}
