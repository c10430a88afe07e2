"""The bounds that intervals are made of: each against scipy, and at its edges."""

import numpy as np
import pytest
from scipy import stats

from esn_interp.analysis.inference.bounds import Speakers, cell_bounds, cluster_t_bounds, share_bounds_of


def test_bounds_of_shares_are_those_of_scipys_exact_test():
    hits = np.arange(13)
    low, high = share_bounds_of(hits / 12, np.full(13, 12.0), level=0.9)
    exact = [stats.binomtest(int(n), 12).proportion_ci(0.9, method="exact") for n in hits]
    np.testing.assert_allclose(low, [one.low for one in exact], atol=1e-12)
    np.testing.assert_allclose(high, [one.high for one in exact], atol=1e-12)


def test_less_than_one_clip_that_hit_or_missed_is_not_none():
    """Means of speakers' means are worth fractions of clips."""
    low, high = share_bounds_of(np.array([0.1, 0.9]), np.array([4.0, 4.0]), level=0.95)
    assert low[0] == pytest.approx(stats.beta.ppf(0.025, 0.4, 4.6))
    assert high[1] == pytest.approx(stats.beta.ppf(0.975, 4.6, 0.4))


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_the_jackknife_over_speakers_is_the_one_sample_t_interval(level: float):
    values = np.random.default_rng(0).normal(2, 1, (7, 3))
    without = (values.sum(axis=0) - values) / 6
    low, high = cluster_t_bounds(values.mean(axis=0), without, np.full(3, 7), level=level)
    exact = stats.ttest_1samp(values, 0).confidence_interval(level)
    np.testing.assert_allclose([low, high], [exact.low, exact.high])


def test_bounds_of_the_jackknife_are_cut_at_what_can_be_and_need_two_speakers():
    values = np.array([[0.1, 0.1], [0.9, 0.9]])
    low, high = cluster_t_bounds(values.mean(axis=0), values[::-1], np.array([2, 1]), within=(0.0, 1.0))
    np.testing.assert_array_equal([low, high], [[0.0, np.nan], [1.0, np.nan]])
    wide = stats.ttest_1samp(values[:, 0], 0).confidence_interval(0.95)
    found = cluster_t_bounds(values.mean(axis=0), values[::-1], np.array([2, 2]))
    np.testing.assert_allclose(found, [[wide.low] * 2, [wide.high] * 2])


@pytest.mark.parametrize(("speakers", "known"), [(1, False), (2, True), (3, True)])
def test_two_speakers_are_enough_for_an_interval(speakers: int, known: bool):
    count = np.full((speakers, 1), 8)
    some = Speakers.of(np.full((speakers, 1), 4.0), count, count)
    low, high = cell_bounds(some.value, some, some.value, share=True, level=0.95)
    exact = stats.binomtest(4 * speakers, 8 * speakers).proportion_ci(0.95, method="exact")
    expected = [[exact.low], [exact.high]] if known else [[np.nan], [np.nan]]
    np.testing.assert_allclose([low, high], expected)
