"""Intervals and tests over speakers, against scipy, against brute force, and against simulated truth."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from esn_interp.analysis.significance import (
    Interval,
    SpeakerMeans,
    cluster_t_interval,
    few_speakers_note,
    holm,
    nan_mean,
    sign_flip_test,
    studentised_bootstrap_interval,
)
from esn_interp.errors import StatisticsError

# On a grid, so that sums tie exactly or not at all.
finite = st.integers(-10_000, 10_000).map(lambda thousandths: thousandths / 1000)


def speaker_values(smallest: int = 2, largest: int = 12):
    return st.integers(smallest, largest).flatmap(lambda n: arrays(np.float64, n, elements=finite))


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


@given(speaker_values(2, 9), st.sampled_from(["two-sided", "less", "greater"]))
def test_sign_flip_test_equals_scipy_permutation_test(values, alternative):
    theirs = stats.permutation_test(
        (values,),
        lambda x, axis: x.sum(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf,
        alternative=alternative,
    )
    # scipy doubles the smaller tail, ours counts both tails: equal, since the null is symmetric, but for the
    # cap at 1 and ties in the middle.
    ours = sign_flip_test(values, alternative=alternative)
    assert ours == pytest.approx(min(theirs.pvalue, 1.0), abs=1e-12)


def test_sign_flip_beyond_enumeration_agrees_with_its_normal_limit():
    values = np.random.default_rng(3).normal(0.3, 1.0, 60)
    z = values.sum() / np.sqrt((values**2).sum())
    expected = 2 * stats.norm.sf(abs(z))
    assert sign_flip_test(values, draws=20_000, seed=1) == pytest.approx(expected, abs=0.01)
    assert sign_flip_test(np.full(40, 5.0), draws=999) == 1 / 1000


def test_sign_flip_test_is_valid_under_the_null():
    rng = np.random.default_rng(4)
    p = np.array([sign_flip_test(rng.normal(size=8)) for _ in range(500)])
    for level in (0.01, 0.05, 0.1):
        assert (p <= level).mean() <= level + 2 * np.sqrt(level * (1 - level) / 500)


def test_sign_flip_test_of_nothing_and_of_nonsense():
    assert np.isnan(sign_flip_test(np.array([np.nan])))
    assert sign_flip_test(np.zeros(7)) == 1.0
    assert sign_flip_test(np.array([1.0, np.nan, 1.0]), alternative="greater") == 0.25
    with pytest.raises(StatisticsError, match="two-sided, less, greater"):
        sign_flip_test(np.ones(3), alternative="bigger")


@given(arrays(np.float64, st.integers(1, 6), elements=st.floats(0, 1)))
def test_holm_is_the_closure_of_bonferroni(p_values):
    adjusted = holm(p_values)
    for i in range(len(p_values)):
        families = [
            family
            for size in range(1, len(p_values) + 1)
            for family in combinations(range(len(p_values)), size)
        ]
        closed = max(min(1.0, len(f) * min(p_values[list(f)])) for f in families if i in f)
        assert adjusted[i] == pytest.approx(closed)


def test_holm_leaves_out_what_was_not_tested():
    adjusted = holm(np.array([0.01, np.nan, 0.04]))
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
    assert np.isnan(adjusted[1])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_few_speakers_are_told():
    assert few_speakers_note(6) is None
    assert "only 5 speakers" in (few_speakers_note(5) or "")
    assert "one speaker only" in (few_speakers_note(1) or "")


def test_mean_of_nothing_is_unknown_without_a_warning():
    assert nan_mean(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])) == pytest.approx([2.0, np.nan], nan_ok=True)
