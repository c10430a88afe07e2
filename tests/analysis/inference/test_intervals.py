"""Intervals with the speaker as the unit: against scipy, plain loops, and simulated truth."""


import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from benchmarks.intervals import PROMISED, Cell, grid, simulate, verdict
from esn_interp.analysis.inference.significance import (
    CHANGE,
    RATE,
    Interval,
    SpeakerMeans,
    nan_mean,
    standardised_effect,
)

# On a grid, so that sums tie exactly or not at all.
finite = st.integers(-10_000, 10_000).map(lambda thousandths: thousandths / 1000)


def speaker_values(smallest: int = 2, largest: int = 12):
    return st.integers(smallest, largest).flatmap(lambda n: arrays(np.float64, n, elements=finite))

REPETITIONS = 500


def one_each(values: np.ndarray) -> SpeakerMeans:
    return SpeakerMeans(np.nan_to_num(values), (~np.isnan(values)).astype(np.int64))


@given(speaker_values())
def test_cluster_t_of_one_value_per_speaker_is_the_one_sample_t_interval(values):
    ours = one_each(values).interval()
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


def test_with_unequal_numbers_of_clips_every_speaker_counts_once_and_the_mean_over_clips_is_held():
    rng = np.random.default_rng(1)
    speaker = np.repeat(np.arange(6), [3, 9, 1, 20, 5, 7])
    outcome = rng.random((len(speaker), 2))
    outcome[speaker == 3] = 9.0  # so far out that the mean over clips is outside what the speakers alone say
    mask = rng.random((len(speaker), 2)) < 0.8
    mask[speaker == 2, 1] = False  # a speaker who has nothing to say about the second cell
    means = SpeakerMeans.of(outcome, mask, speaker, speakers=6)
    low, high = means.bounds()
    for cell in range(2):
        kept, mine = outcome[mask[:, cell], cell], speaker[mask[:, cell]]
        of_speakers = np.array([kept[mine == s].mean() for s in np.unique(mine)])
        theirs = stats.ttest_1samp(of_speakers, 0).confidence_interval(0.95)
        assert means.value[cell] == pytest.approx(kept.mean())
        assert means.speakers[cell] == len(of_speakers)
        assert low[cell] == pytest.approx(min(theirs.low, kept.mean()))
        assert high[cell] == pytest.approx(max(theirs.high, kept.mean()))


def test_reduction_of_cells_uses_all_speakers_and_survives_one_who_lacks_a_cell():
    rng = np.random.default_rng(2)
    count = rng.integers(3, 7, (8, 3))
    count[0, 2] = 0
    total = np.where(count > 0, rng.random((8, 3)) * count, 0.0)
    means = SpeakerMeans(total, count)
    interval = means.interval(nan_mean)
    assert interval.value == pytest.approx((total.sum(axis=0) / count.sum(axis=0)).mean())
    own = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    middle = np.nanmean(own, axis=0).mean()
    left_out = [np.nanmean(np.delete(own, s, axis=0), axis=0).mean() for s in range(8)]
    half = stats.t.ppf(0.975, 7) * np.sqrt(7 / 8 * ((np.array(left_out) - middle) ** 2).sum())
    assert (interval.low, interval.high) == pytest.approx((middle - half, middle + half))
    assert interval.speakers == 8


def test_a_number_of_many_cells_is_no_surer_than_an_event_that_no_clip_shows():
    """Nobody changes in any of five cells of 4 speakers and 6, 8, 8, 8 clips: up to -ln(0.025) / n still may."""
    count = np.repeat(np.array([6, 8, 8, 8])[:, None], 5, axis=1)
    nothing = SpeakerMeans(np.zeros((4, 5)), count)
    alike = 16 / (1 / 6 + 3 / 8)  # clips that a mean over these speakers is worth
    bound = -np.log(0.025) / alike
    each = nothing.interval(nan_mean, within=CHANGE)
    assert (each.low, each.high) == pytest.approx((-bound / 5, bound / 5), rel=1e-3)
    weighed = nothing.interval(lambda cells: 0.75 * cells[..., 0] - 0.5 * cells[..., 1], within=CHANGE)
    assert (weighed.low, weighed.high) == pytest.approx((-0.75 * bound, 0.75 * bound), rel=1e-3)
    _, low, high = nothing.reduced(lambda cells: np.stack([nan_mean(cells), cells[..., 2]], axis=-1), within=CHANGE)
    np.testing.assert_allclose([low, high], [[-bound / 5, -bound], [bound / 5, bound]], rtol=1e-3)


def test_draws_on_the_same_clips_add_no_certainty():
    count = np.full((5, 2), 8)
    own = SpeakerMeans(np.zeros((5, 2)), count)
    drawn = own.pool([SpeakerMeans(np.zeros((5, 2)), count) for _ in range(20)])
    assert drawn.count.sum() == 20 * count.sum()
    np.testing.assert_array_equal(drawn.bounds(within=CHANGE), own.bounds(within=CHANGE))
    dealt = own.pool([SpeakerMeans(np.zeros((5, 2)), np.full((5, 2), 2)) for _ in range(3)])
    assert (dealt.bounds(within=CHANGE)[1] > own.bounds(within=CHANGE)[1]).all()


def test_pooling_means_adds_up():
    one = SpeakerMeans(np.array([1.0, 2.0]), np.array([2, 2]))
    two = SpeakerMeans(np.array([3.0, 0.0]), np.array([4, 0]))
    assert (one + two).value == pytest.approx(6 / 8)


def test_one_speaker_has_a_value_and_no_interval():
    interval = one_each(np.array([0.25, np.nan])).interval()
    assert interval.value == 0.25
    assert np.isnan([interval.low, interval.high]).all()
    assert not interval.excludes_zero
    assert f"{interval:.2f}" == "0.25 [no interval]"


def test_speakers_who_agree_exactly_leave_a_width_all_the_same():
    """Seven speakers, one clip each: what so few clips can't exclude; of outcomes without limits, nothing is known."""
    low, high = one_each(np.ones(7)).bounds(within=RATE)
    assert (float(low), float(high)) == pytest.approx((0.025 ** (1 / 7), 1.0))
    low, high = one_each(np.zeros(7)).bounds(within=RATE)
    assert (float(low), float(high)) == pytest.approx((0.0, 1 - 0.025 ** (1 / 7)))
    low, high = one_each(np.zeros(7)).bounds(within=CHANGE)
    rare = stats.beta.ppf(0.975, 0.5, 7.5)
    assert (float(low), float(high)) == pytest.approx((-rare, rare))
    unknown = one_each(np.full(7, -0.5)).interval()
    assert unknown.value == -0.5
    assert f"{unknown:.1f}" == "-0.5 [no interval]"


def test_changes_are_bounded_by_their_gains_and_their_losses():
    """By hand: of 40 clips 3 are gained and 5 lost, spread over speakers so that t is the narrower."""
    gained, lost = np.array([1, 1, 1, 0, 0]), np.array([1, 1, 1, 1, 1])
    count = np.full(5, 8)
    low, high = SpeakerMeans((gained - lost).astype(float), count, gained.astype(float)).bounds(within=CHANGE)
    gain, loss = stats.beta(3.5, 37.5), stats.beta(5.5, 35.5)
    down = np.hypot(3 / 40 - gain.ppf(0.025), loss.ppf(0.975) - 5 / 40)
    up = np.hypot(gain.ppf(0.975) - 3 / 40, 5 / 40 - loss.ppf(0.025))
    assert (float(low), float(high)) == pytest.approx((-2 / 40 - down, -2 / 40 + up))


def test_interval_formats_scales_and_judges():
    interval = Interval(-0.2, -0.3, -0.1, 9)
    assert f"{interval.scaled(100):+.0f}" == "-20 [-30, -10]"
    assert interval.excludes_zero
    assert Interval(0.2, 0.1, 0.3, 9).excludes_zero
    assert not Interval(0.0, -0.1, 0.1, 9).excludes_zero


HARD = (
    Cell("share", 0.0, 0.97, "equal", 0.08, 4),
    Cell("share", 0.0, 0.97, "one huge", 0.15, 10),
    Cell("share", 0.0, 0.5, "one huge", 0.15, 6),
    Cell("change", 0.02, 0.0, "equal", 0.08, 4),
    Cell("change", 0.12, 0.10, "unequal", 0.15, 6),
)


@pytest.mark.parametrize("cell", HARD, ids=str)
def test_intervals_hold_the_truth_where_cluster_t_does_not(cell):
    """A minute of the simulation of the docs; the whole of it is `python -m benchmarks.intervals`."""
    found = simulate(cell, 3000)
    assert found["ours_coverage"] >= PROMISED
    assert found["ours_coverage"] > found["cluster_t_coverage"]
    assert verdict(found) == ""


def test_the_grid_of_the_docs_has_every_cell_that_is_possible():
    cells = list(grid())
    assert len(cells) == len(set(cells))
    assert {cell.speakers for cell in cells} == {4, 6, 10}
    assert all(cell.possible for cell in cells)
    assert Cell("share", 0.0, 0.03, "equal", 0.15, 4) in cells
    assert not Cell("share", 0.0, 0.03, "equal", 0.18, 4).possible


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


@pytest.mark.parametrize("speakers", [6, 10, 20])
@pytest.mark.parametrize("truth", [0.0, -1.0, 2.5])
def test_standardised_effects_cover(speakers, truth):
    values = np.random.default_rng([speakers, int(10 + truth)]).normal(truth, 1, (REPETITIONS, speakers))
    found = [standardised_effect(row) for row in values]
    assert np.mean([one.low <= truth <= one.high for one in found]) >= 0.92
    assert np.mean([one.value for one in found]) == pytest.approx(truth, abs=0.3 * abs(truth) + 0.06)


@example(np.array([0.126, 0.0, 0.0, 0.0, -0.132]), 0.99)
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
