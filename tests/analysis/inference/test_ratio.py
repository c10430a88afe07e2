"""Fieller's interval: covers the true ratio, is 1 for an effect over itself, and undefined over nothing."""

import numpy as np
import pytest
from scipy import optimize, stats

from esn_interp.analysis.inference.ratio import ratio_interval


def of_means(numerators: np.ndarray, denominators: np.ndarray):
    """The ratio of the means of one value per speaker."""

    def without(values: np.ndarray) -> np.ndarray:
        return (values.sum() - values) / (len(values) - 1)

    return ratio_interval(
        float(numerators.mean()), float(denominators.mean()), without(numerators), without(denominators)
    )


def speakers(rng: np.random.Generator, count: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Effects of two sets on the same speakers: correlated, as a speaker who is easy for one is for the other."""
    ease = 0.15 * rng.normal(size=count)
    own = 0.5 + ease + 0.1 * rng.normal(size=count)
    return ratio * (0.5 + ease) + 0.1 * rng.normal(size=count), own


@pytest.mark.parametrize(("count", "ratio"), [(6, 0.5), (10, 1.0), (20, 0.0)])
def test_the_interval_covers_the_true_ratio(count, ratio):
    rng = np.random.default_rng(count)
    found = [of_means(*speakers(rng, count, ratio)) for _ in range(1000)]
    covered = [one.low <= ratio <= one.high for one in found if not np.isnan(one.value)]
    assert len(covered) > 900
    assert np.mean(covered) >= 0.92


@pytest.mark.parametrize(
    ("numerators", "denominators"),
    [speakers(np.random.default_rng(3), 8, 0.7), (np.array([0.35, 0.36]), np.array([0.5, 0.52]))],
)
def test_its_bounds_are_where_the_paired_t_test_turns(numerators, denominators):
    found = of_means(numerators, denominators)
    assert found.value == pytest.approx(numerators.mean() / denominators.mean())

    def p_value(ratio: float) -> float:
        return float(stats.ttest_1samp(numerators - ratio * denominators, 0.0).pvalue) - 0.05

    low = optimize.brentq(p_value, found.value - 1, found.value)
    high = optimize.brentq(p_value, found.value, found.value + 1)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))


def test_an_effect_over_itself_is_one():
    _, own = speakers(np.random.default_rng(0), 7, 1.0)
    found = of_means(own, own)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    twice = of_means(2 * own, own)
    assert (twice.value, twice.low, twice.high) == pytest.approx((2, 2, 2))


def test_a_denominator_that_may_be_zero_leaves_the_ratio_undefined():
    rng = np.random.default_rng(1)
    numerators, nothing = rng.normal(0.5, 0.1, size=9), rng.normal(0.0, 0.3, size=9)
    assert stats.ttest_1samp(nothing, 0.0).pvalue > 0.05
    found = of_means(numerators, nothing)
    assert np.isnan([found.value, found.low, found.high]).all()
    assert np.isnan(of_means(numerators, np.zeros(9)).value)


def test_one_speaker_or_an_unknown_effect_has_no_ratio():
    assert np.isnan(ratio_interval(0.5, 0.5, np.array([np.nan]), np.array([np.nan])).value)
    assert np.isnan(ratio_interval(0.5, float("nan"), np.full(4, 0.5), np.full(4, np.nan)).value)
