"""Intervals with the speaker as the unit: against scipy, plain loops, and simulated truth."""


import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from esn_interp.analysis.inference.significance import (
    Interval,
    SpeakerMeans,
    cluster_t_interval,
    nan_mean,
    standardised_effect,
    studentised_bootstrap_interval,
)

# On a grid, so that sums tie exactly or not at all.
finite = st.integers(-10_000, 10_000).map(lambda thousandths: thousandths / 1000)


def speaker_values(smallest: int = 2, largest: int = 12):
    return st.integers(smallest, largest).flatmap(lambda n: arrays(np.float64, n, elements=finite))

REPETITIONS = 500


@given(speaker_values())
def test_cluster_t_of_one_value_per_speaker_is_the_one_sample_t_interval(values):
    ours = cluster_t_interval(values)
    assert ours.value == pytest.approx(values.mean(), abs=1e-9)
    if np.ptp(values) > 1e-6:
        theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-6, abs=1e-9)
    assert ours.speakers == len(values)


def test_equal_numbers_of_clips_reduce_to_the_t_interval_over_speaker_means():
    outcomes = np.random.default_rng(0).random((7, 12))
    means = SpeakerMeans.of(
        outcomes.ravel(), np.ones(84, dtype=bool), np.repeat(np.arange(7), 12), speakers=7
    )
    theirs = stats.ttest_1samp(outcomes.mean(axis=1), 0).confidence_interval(0.95)
    ours = means.interval()
    assert ours.value == pytest.approx(outcomes.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_unequal_numbers_of_clips_equal_a_jackknife_written_as_a_loop():
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(6), [3, 9, 1, 20, 5, 7])
    outcome = rng.random((len(speaker), 2))
    mask = rng.random((len(speaker), 2)) < 0.8
    mask[speaker == 2, 1] = False  # a speaker who has nothing to say about the second cell
    means = SpeakerMeans.of(outcome, mask, speaker, speakers=6)
    low, high = means.bounds()
    for cell in range(2):
        kept, mine = outcome[mask[:, cell], cell], speaker[mask[:, cell]]
        present = np.unique(mine)
        left_out = np.array([kept[mine != s].mean() for s in present])
        n = len(present)
        error = np.sqrt((n - 1) / n * ((left_out - kept.mean()) ** 2).sum())
        half = stats.t.ppf(0.975, n - 1) * error
        assert means.value[cell] == pytest.approx(kept.mean())
        assert means.speakers[cell] == n
        assert (low[cell], high[cell]) == pytest.approx((kept.mean() - half, kept.mean() + half))


def test_reduction_of_cells_uses_all_speakers_and_survives_one_who_lacks_a_cell():
    rng = np.random.default_rng(2)
    count = np.full((8, 3), 5)
    count[0, 2] = 0
    total = np.where(count > 0, rng.random((8, 3)) * 5, 0.0)
    means = SpeakerMeans(total, count)
    interval = means.interval(nan_mean)
    pooled = total.sum(axis=0) / count.sum(axis=0)
    assert interval.value == pytest.approx(pooled.mean())
    left_out = [
        (np.delete(total, s, axis=0).sum(axis=0) / np.delete(count, s, axis=0).sum(axis=0)).mean()
        for s in range(8)
    ]
    half = stats.t.ppf(0.975, 7) * np.sqrt(7 / 8 * ((np.array(left_out) - pooled.mean()) ** 2).sum())
    assert interval.high - interval.value == pytest.approx(half)
    assert interval.speakers == 8


def test_pooling_means_adds_up():
    one = SpeakerMeans(np.array([1.0, 2.0]), np.array([2, 2]))
    two = SpeakerMeans(np.array([3.0, 0.0]), np.array([4, 0]))
    assert (one + two).value == pytest.approx(6 / 8)


def test_one_speaker_has_a_value_and_no_interval():
    interval = cluster_t_interval(np.array([0.25, np.nan]))
    assert interval.value == 0.25
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.excludes_zero
    assert f"{interval:.2f}" == "0.25 [no interval]"


def test_speakers_who_agree_exactly_leave_no_width():
    assert cluster_t_interval(np.full(7, -0.5)) == Interval(-0.5, -0.5, -0.5, 7)
    assert studentised_bootstrap_interval(np.full(7, -0.5)) == Interval(-0.5, -0.5, -0.5, 7)


def test_interval_formats_scales_and_judges():
    interval = Interval(-0.2, -0.3, -0.1, 9)
    assert f"{interval.scaled(100):+.0f}" == "-20 [-30, -10]"
    assert interval.excludes_zero
    assert not Interval(0.0, -0.1, 0.1, 9).excludes_zero


@pytest.mark.parametrize("speakers", [6, 10, 20])
@pytest.mark.parametrize("even", [True, False])
def test_intervals_cover_with_between_speaker_variance(speakers, even):
    """Speakers differ (sd 0.08), clips are right or wrong: 95 % intervals cover at least 92 %."""
    rng = np.random.default_rng(speakers + even)
    repetitions = 1000
    clips = np.full(speakers, 16) if even else rng.integers(8, 25, speakers)
    skill = 0.7 + 0.08 * rng.standard_normal((repetitions, speakers))
    hits = rng.binomial(clips, np.clip(skill, 0, 1))
    # The repetitions are cells, so that the simulation runs through the very code that results use.
    counts = np.broadcast_to(clips, hits.shape)
    low, high = SpeakerMeans(hits.T.astype(float), counts.T.astype(np.int64)).bounds()
    assert ((low <= 0.7) & (high >= 0.7)).mean() >= 0.92


def test_bootstrap_covers_a_skewed_mean_better_than_a_percentile_bootstrap():
    rng = np.random.default_rng(5)
    covered = percentile = 0
    for seed in range(300):
        values = rng.exponential(size=12)
        interval = studentised_bootstrap_interval(values, resamples=1000, seed=seed)
        covered += interval.low <= 1 <= interval.high
        drawn = values[np.random.default_rng(seed).integers(12, size=(1000, 12))].mean(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        percentile += low <= 1 <= high
    assert covered / 300 >= 0.92
    assert covered > percentile


@given(speaker_values(4, 9), st.floats(0.1, 5), st.floats(-3, 3))
def test_bootstrap_follows_a_change_of_unit_and_origin(values, scale, shift):
    if np.ptp(values) < 1e-3:
        values = np.arange(len(values), dtype=float)
    one = studentised_bootstrap_interval(values, resamples=200, seed=3)
    other = studentised_bootstrap_interval(values * scale + shift, resamples=200, seed=3)
    for a, b in ((one.value, other.value), (one.low, other.low), (one.high, other.high)):
        assert b == pytest.approx(a * scale + shift, rel=1e-6, abs=1e-6)
    assert one.low <= one.value <= one.high


@pytest.mark.parametrize("speakers", [6, 10, 20])
def test_intervals_of_differences_between_cells_cover(speakers):
    """Self minus cross change: speakers differ in both, and in how much; unequal numbers of clips."""
    rng = np.random.default_rng(speakers)
    covered = []
    for _ in range(400):
        count = rng.integers(4, 13, (speakers, 1, 1)) * np.ones((1, 3, 3), dtype=np.int64)
        truth = -0.3 * np.eye(3) - 0.05
        rate = np.clip(-truth + 0.08 * rng.standard_normal((speakers, 3, 3)), 0, 1)
        means = SpeakerMeans(-rng.binomial(count, rate).astype(float), count)
        own = np.eye(3, dtype=bool)
        found = means.interval(lambda c: nan_mean(c[..., own]) - nan_mean(c[..., ~own]))  # noqa: B023
        # Clipping at 0 moves the mean of the small rates a little: what is true is what was simulated.
        expected = -0.35 + _clipped_mean(0.05, 0.08)
        covered.append(found.low <= expected <= found.high)
    assert np.mean(covered) >= 0.92


def _clipped_mean(mean: float, deviation: float) -> float:
    """Mean of a normal variable that is cut at 0 (and hardly ever at 1)."""
    z = mean / deviation
    return mean * stats.norm.cdf(z) + deviation * stats.norm.pdf(z)


@pytest.mark.parametrize("speakers", [8, 10, 20])
def test_studentised_bootstrap_covers_with_between_speaker_variance(speakers):
    rng = np.random.default_rng(speakers)
    covered = []
    for seed in range(300):
        skill = np.clip(0.7 + 0.08 * rng.standard_normal(speakers), 0, 1)
        values = rng.binomial(16, skill) / 16
        found = studentised_bootstrap_interval(values, resamples=1000, seed=seed)
        covered.append(found.low <= 0.7 <= found.high)
    assert np.mean(covered) >= 0.92


@pytest.mark.parametrize("speakers", [6, 10, 20])
@pytest.mark.parametrize("truth", [0.0, -1.0, 2.5])
def test_standardised_effects_cover(speakers, truth):
    values = np.random.default_rng([speakers, int(10 + truth)]).normal(truth, 1, (REPETITIONS, speakers))
    found = [standardised_effect(row) for row in values]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.92
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.3 * abs(truth) + 0.06)


@given(speaker_values(5, 12), st.sampled_from([0.8, 0.95, 0.99]))
def test_standardised_effect_is_the_one_sample_t_inverted(values, level):
    if np.ptp(values) < 1e-2:
        values = np.arange(len(values), dtype=float)
    found, root = standardised_effect(values, level=level), np.sqrt(len(values))
    t = stats.ttest_1samp(values, 0).statistic
    assert found.value * root == pytest.approx(t, rel=1e-6, abs=1e-9)
    if abs(t) < 30:  # beyond, scipy's own distribution function gets inaccurate
        tail = (1 - level) / 2
        assert stats.nct.sf(t, len(values) - 1, found.low * root) == pytest.approx(tail, rel=1e-2)
        assert stats.nct.cdf(t, len(values) - 1, found.high * root) == pytest.approx(tail, rel=1e-2)


def test_standardised_effect_of_what_does_not_vary_is_unknown():
    for values in (np.full(7, -0.5), np.zeros(7), np.array([0.3]), np.array([np.nan, 0.3])):
        assert np.isnan([standardised_effect(values).value, standardised_effect(values).low]).all()
    with_gap = standardised_effect(np.array([1.0, np.nan, 3.0, 2.0]))
    assert (with_gap.value, with_gap.speakers) == (pytest.approx(2.0), 3)
