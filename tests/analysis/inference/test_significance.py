"""Intervals and tests over speakers, against scipy, against brute force, and against simulated truth."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from esn_interp.analysis.inference.significance import (
    SpeakerMeans,
    few_speakers_note,
    holm,
    min_speakers,
    nan_mean,
    sign_flip_test,
    sign_flip_tests,
)
from esn_interp.analysis.recall_changes import RecallChanges
from esn_interp.errors import StatisticsError

# On a grid, so that sums tie exactly or not at all.
finite = st.integers(-10_000, 10_000).map(lambda thousandths: thousandths / 1000)


def speaker_values(smallest: int = 2, largest: int = 12):
    return st.integers(smallest, largest).flatmap(lambda n: arrays(np.float64, n, elements=finite))


@given(speaker_values(2, 9), st.sampled_from(["two-sided", "less", "greater"]))
def test_sign_flip_test_equals_scipy_permutation_test(values, alternative):
    # Whole numbers: their sums are exact, so that both see the same ties.
    values = np.round(values * 1000)
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
    assert few_speakers_note(5) == "only 5 speakers: wide, rough intervals, and no p-value (given from 6 on)"
    assert "one speaker only" in (few_speakers_note(1) or "")
    assert few_speakers_note(8, tests=5) is None
    assert few_speakers_note(7, tests=5) == "7 speakers are too few for 5 tests together: no p-value (given from 8 on)"


@pytest.mark.parametrize("tests", [1, 2, 5, 12])
def test_a_family_is_tested_from_the_first_number_of_speakers_that_could_reject_anything(tests: int):
    least = min_speakers(tests)
    for speakers, tested in ((least - 1, False), (least, True)):
        p_values = sign_flip_tests(np.ones((speakers, tests)))
        assert (~np.isnan(p_values)).all() == tested
        # As extreme as can be: all speakers alike. With one speaker fewer, Holm leaves nothing under .05.
        extreme = np.full(tests, sign_flip_test(np.ones(speakers)))
        assert (holm(extreme) <= 0.05).all() == tested


def test_a_column_that_nobody_has_is_not_a_test():
    values = np.ones((6, 3))
    values[:, 1:] = np.nan
    assert np.isnan(sign_flip_tests(values)).tolist() == [False, True, True]


def test_holms_last_steps_need_fewer_speakers():
    values = np.ones((8, 5))
    values[6:, 3] = np.nan
    assert (~np.isnan(sign_flip_tests(values))).all()
    values[6:, 2] = np.nan  # two tests of six speakers: the first of them would be doubled
    assert np.isnan(sign_flip_tests(values)).tolist() == [False, False, True, True, False]


def test_mean_of_nothing_is_unknown_without_a_warning():
    assert nan_mean(np.array([[1.0, np.nan, 3.0], [np.nan] * 3])) == pytest.approx([2.0, np.nan], nan_ok=True)


# ---------------------------------------------------------------- calibration on simulated truth

LEVELS = (0.01, 0.05, 0.1)
REPETITIONS = 500


def assert_valid(p_values: np.ndarray) -> None:
    """Under the null, P(p <= a) is at most a, within two standard errors of so many repetitions."""
    for level in LEVELS:
        allowed = level + 2 * np.sqrt(level * (1 - level) / len(p_values))
        assert (p_values <= level).mean() <= allowed, level


@pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
@pytest.mark.parametrize("speakers", [6, 10])
@pytest.mark.parametrize("kind", ["normal", "ties"])
def test_sign_flip_p_values_are_valid_whatever_the_values(alternative, speakers, kind):
    rng = np.random.default_rng([speakers, ord(alternative[0]), ord(kind[0])])
    shape = (REPETITIONS, speakers)
    # Differences of recall on eight clips lie on a grid, and many of them are exactly 0.
    values = rng.normal(size=shape) if kind == "normal" else rng.integers(-1, 2, shape) / 8
    assert_valid(np.array([sign_flip_test(row, alternative=alternative) for row in values]))


def test_sign_flip_p_values_are_valid_where_signs_are_drawn():
    values = np.random.default_rng(8).standard_t(3, size=(REPETITIONS, 18))
    assert_valid(np.array([sign_flip_test(row, draws=499, seed=at) for at, row in enumerate(values)]))


def test_holm_holds_the_error_of_the_whole_family():
    """Five emotions, no effect anywhere, speakers who are better or worse at all of them alike."""
    rng = np.random.default_rng(9)
    smallest = []
    for _ in range(REPETITIONS):
        values = rng.normal(size=(8, 5)) + rng.normal(size=(8, 1))
        smallest.append(holm(np.array([sign_flip_test(column) for column in values.T])).min())
    assert_valid(np.array(smallest))


def test_own_against_random_neurons_is_valid_when_the_own_are_random():
    """Through the very code of an ablation: own answers and those under five draws are alike, right or wrong."""
    rng = np.random.default_rng(10)
    speakers, sets, clips, draws = 8, 5, 6, 5
    count = np.full((speakers, 2, sets, sets), clips)
    count[:, 1] *= draws
    p_values = []
    for at in range(REPETITIONS // sets):
        skill = np.clip(0.7 + 0.1 * rng.standard_normal((speakers, 1, 1, 1)), 0, 1)
        changes = rng.binomial(count, skill) - rng.binomial(count, skill)
        means = SpeakerMeans(changes.astype(float), count)
        changes = RecallChanges(means, np.eye(sets, dtype=bool), np.ones(sets, dtype=bool))
        p_values.append(changes.p_values(0, 1, seed=at))
    assert_valid(np.concatenate(p_values))


# ---------------------------------------------------------------- independent references


def test_statsmodels_agrees():
    from statsmodels.api import OLS
    from statsmodels.stats.multitest import multipletests
    from statsmodels.stats.weightstats import DescrStatsW

    rng = np.random.default_rng(11)
    values = rng.normal(-0.2, 0.3, 9)
    ours = SpeakerMeans(values, np.ones(9, dtype=np.int64)).interval()
    assert (ours.low, ours.high) == pytest.approx(DescrStatsW(values).tconfint_mean(0.05))

    # As many clips of every speaker: the cluster-robust regression on a constant, with its t of S - 1.
    speaker = np.repeat(np.arange(9), 7)
    clips = rng.random(63) + 0.3 * rng.standard_normal(9)[speaker]
    model = OLS(clips, np.ones((63, 1))).fit(cov_type="cluster", cov_kwds={"groups": speaker}, use_t=True)
    means = SpeakerMeans.of(clips, np.ones(63, dtype=bool), speaker, speakers=9)
    assert means.value == pytest.approx(model.params[0])
    assert tuple(map(float, means.bounds())) == pytest.approx(tuple(model.conf_int(0.05)[0]))

    # Unequal numbers: every speaker counts once, as in a regression of the speakers' means.
    uneven = speaker[rng.random(63) < 0.6]
    clips = rng.random(len(uneven)) + 0.3 * rng.standard_normal(9)[uneven]
    of_speakers = np.array([clips[uneven == s].mean() for s in np.unique(uneven)])
    low, high = SpeakerMeans.of(clips, np.ones(len(uneven), dtype=bool), uneven, speakers=9).bounds()
    assert (float(low), float(high)) == pytest.approx(DescrStatsW(of_speakers).tconfint_mean(0.05))

    p_values = rng.random(8) ** 3
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1])
