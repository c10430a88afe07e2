"""Several estimates at once: their mean over the sets, by hand."""

import numpy as np
import pytest

from esn_interp.analysis.inference.estimates import BySet, Curves, Estimates, mean_over_sets
from esn_interp.analysis.inference.significance import RATE, SpeakerMeans


def test_the_mean_over_sets_keeps_speakers_and_doses_and_counts_each_set_that_is_known_once():
    cells = np.array([[[1.0, 2.0, 4.0], [3.0, np.nan, 8.0]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]]])
    np.testing.assert_array_equal(mean_over_sets(cells), [[2.0, 2.0, 6.0], [0.0, 0.5, 0.5]])


@pytest.fixture
def means() -> SpeakerMeans:
    """Four speakers, two sets, three doses; 5 clips of each."""
    return SpeakerMeans(
        np.random.default_rng(0).integers(1, 5, (4, 2, 3)).astype(float), np.full((4, 2, 3), 5)
    )


def test_curves_have_a_mean_at_every_dose_with_its_own_bounds(means: SpeakerMeans):
    curves = Curves.of(means)
    shares = means.total / 5
    np.testing.assert_allclose(curves.value, shares.mean(axis=0))
    np.testing.assert_allclose(curves.mean, shares.mean(axis=(0, 1)))
    for dose in range(3):
        alone = means.interval(lambda cells, at=dose: cells[..., at].mean(axis=-1), within=RATE)
        told = curves.at(dose)
        assert (told.value, told.low, told.high) == pytest.approx((alone.value, alone.low, alone.high))
        assert told.speakers == 4


def test_what_is_computed_of_each_set_is_averaged_after_it_was_computed(means: SpeakerMeans):
    squared = BySet.computed(means, np.square)
    shares = (means.total / 5).mean(axis=0)
    np.testing.assert_allclose(squared.value, shares**2)
    np.testing.assert_allclose(squared.mean, (shares**2).mean(axis=-1))
    assert (squared.each.low < squared.value).all()
    assert squared.each.at(1, 2, speakers=4).value == pytest.approx(shares[1, 2] ** 2)


def test_a_part_and_another_unit_take_the_bounds_along(means: SpeakerMeans):
    percent = Estimates.of(means, within=RATE)[0].mapped(lambda values: 100 * values)
    low, high = means.bounds(within=RATE)
    np.testing.assert_allclose([percent.low, percent.high], [100 * low[0], 100 * high[0]])
