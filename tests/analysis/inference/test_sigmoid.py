"""The sigmoid finds the EC50 of a known curve, its interval covers it, and it says when it knows nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import curve_fit
from scipy.stats import sem

from esn_interp.analysis.inference.sigmoid import Sigmoid, fit_curves, fit_sigmoid
from esn_interp.analysis.inference.significance import SpeakerMeans

DOSES = np.array([0, 0.5, 1, 2, 4, 8, 16, 32.0])


def hill(doses: np.ndarray, ec50: float, slope: float, bottom: float, top: float) -> np.ndarray:
    return bottom + (top - bottom) * doses**slope / (doses**slope + ec50**slope)


def without_each(curves: np.ndarray) -> np.ndarray:
    """Means with each speaker left out in turn."""
    return (curves.sum(axis=0) - curves) / (len(curves) - 1)


def fit(curves: np.ndarray, doses: np.ndarray = DOSES) -> Sigmoid:
    return fit_sigmoid(doses, curves.mean(axis=0), without_each(curves))


@settings(max_examples=30, deadline=None)
@given(
    ec50=st.floats(0.7, 9), slope=st.floats(1.1, 4), bottom=st.floats(0, 0.3), rise=st.floats(0.1, 0.7)
)
def test_a_curve_without_noise_is_found_exactly(ec50, slope, bottom, rise):
    curves = np.tile(hill(DOSES, ec50, slope, bottom, bottom + rise), (5, 1))
    found = fit(curves)
    assert found.note == ""
    assert found.ec50.value == pytest.approx(ec50, rel=1e-4)
    assert found.ec50.low == pytest.approx(ec50, rel=1e-4)  # all speakers agree
    assert (found.slope, found.top) == (pytest.approx(slope, rel=1e-3), pytest.approx(bottom + rise, rel=1e-3))
    np.testing.assert_allclose(found.at(DOSES), curves[0], atol=1e-5)


def noisy(rng: np.random.Generator, speakers: int = 10, clips: int = 30) -> np.ndarray:
    """Speakers who differ in how far they can be moved, and whose clips fall on either side by chance."""
    top = np.clip(0.7 + 0.12 * rng.normal(size=(speakers, 1)), 0.2, 1)
    rates = hill(DOSES, 4.0, 1.6, 0.05, 1.0) * top
    return rng.binomial(clips, rates) / clips


def test_the_fit_equals_scipy_curve_fit():
    curve = noisy(np.random.default_rng(1)).mean(axis=0)
    found = fit_sigmoid(DOSES, curve, np.tile(curve, (4, 1)))
    (ec50, slope, top), _ = curve_fit(
        lambda dose, ec50, slope, top: hill(dose, ec50, slope, curve[0], top), DOSES, curve, p0=(3.0, 1.0, 0.8)
    )
    assert [found.ec50.value, found.slope, found.top] == pytest.approx([ec50, slope, top], rel=1e-3)


@pytest.mark.parametrize(("repetitions", "least"), [(100, 0.9), pytest.param(400, 0.92, marks=pytest.mark.long)])
def test_the_interval_covers_the_truth(repetitions: int, least: float):
    # The mean curve of many speakers is itself a sigmoid with EC50 4, as they differ in height alone.
    # With 400 repetitions the share itself is known to within a point, with 100 to within two.
    rng = np.random.default_rng(1)
    found = [fit(noisy(rng)) for _ in range(repetitions)]
    covered = [one.ec50.low <= 4.0 <= one.ec50.high for one in found]
    assert np.mean([np.isnan(one.ec50.low) for one in found]) < 0.02
    assert np.mean(covered) >= least
    # An interval from 0 to infinity would cover as well: this one says something.
    assert np.nanmedian([one.ec50.high / one.ec50.low for one in found]) < 2


@pytest.mark.parametrize(
    ("curve", "doses", "says"),
    [
        (hill(DOSES, 200, 1.5, 0.0, 1.0), DOSES, "has not reached its plateau"),
        (hill(DOSES, 0.1, 1.5, 0.0, 1.0), DOSES, "at the smallest dose"),
        (np.where(DOSES > 3, 0.8, 0.1), DOSES, "a step between two doses"),
        (np.full(8, 0.2), DOSES, "does not rise"),
        (np.linspace(0.4, 0.1, 8), DOSES, "does not rise"),
        (np.full(8, np.nan), DOSES, "does not rise"),
        (hill(DOSES[:4], 1, 2, 0, 1), DOSES[:4], "needs 4 doses above 0, there are 3"),
    ],
)
def test_what_is_not_identified_is_not_reported(curve, doses, says):
    found = fit_sigmoid(doses, curve, np.tile(curve, (6, 1)))
    assert says in found.note
    assert np.isnan([found.ec50.value, found.ec50.low, found.slope, found.top]).all()


def test_one_speaker_gives_an_estimate_without_an_interval():
    curve = hill(DOSES, 4, 2, 0.1, 0.9)
    found = fit_sigmoid(DOSES, curve, np.full((1, 8), np.nan))
    assert found.ec50.value == pytest.approx(4, rel=1e-3)
    assert np.isnan(found.ec50.low)
    assert "no interval for EC50" in found.note


UP_AND_DOWN = np.array([0.05, 0.10, 0.30, 0.60, 0.80, 0.85, 0.40])
SEVEN = DOSES[:7]


def test_a_curve_that_rises_and_falls_has_no_ec50_but_a_peak():
    found = fit_sigmoid(SEVEN, UP_AND_DOWN, np.tile(UP_AND_DOWN, (6, 1)))
    assert np.isnan([found.ec50.value, found.ec50.low, found.slope, found.top]).all()
    assert found.note.startswith("no EC50: a free curve fits better than a rising sigmoid")
    assert "its peak is 85% at 8, and 40% are left at 16" in found.note
    rising = fit_sigmoid(SEVEN[:-1], UP_AND_DOWN[:-1], np.tile(UP_AND_DOWN[:-1], (6, 1)))
    assert rising.ec50.value == pytest.approx(1.45, abs=0.01)
    half = fit_sigmoid(SEVEN, UP_AND_DOWN / 2, np.tile(UP_AND_DOWN / 2, (6, 1)))
    assert half.note.startswith("no EC50: a free curve fits better")
    alone = fit_sigmoid(SEVEN, UP_AND_DOWN, np.full((1, 7), np.nan))
    assert np.isnan(alone.ec50.value)


@pytest.mark.parametrize("repetitions", [20, pytest.param(60, marks=pytest.mark.long)])
def test_noise_of_speakers_tells_a_fall_from_a_plateau(repetitions: int):
    rng = np.random.default_rng(5)

    def refused(curve: np.ndarray) -> float:
        skill = 1 + 0.12 * rng.normal(size=(repetitions, 6, 1))
        drawn = rng.binomial(30, np.clip(curve * skill, 0, 1)) / 30
        return float(np.mean(["free curve" in fit(one, SEVEN).note for one in drawn]))

    assert refused(UP_AND_DOWN) >= 0.95
    assert refused(hill(SEVEN, 2, 1.6, 0.05, 0.8)) <= 0.05


def test_two_speakers_who_disagree_leave_the_sigmoid():
    """One falls, one does not: foretelling each from the other, the free curve is better by .003, give or take .006."""
    curves = np.array([[0, 2, 7, 20, 23, 27, 12], [4, 7, 8, 12, 18, 22, 16]]) / 30
    better = []
    for own, other in (curves, curves[::-1]):
        (ec50, slope, top), _ = curve_fit(
            lambda dose, ec50, slope, top, at=other[0]: hill(dose, ec50, slope, at, top),
            *(SEVEN, other, (2, 1.5, 0.8)),
            bounds=([0.01, 0.1, 0], [99, 20, 2]),
        )
        better.append(np.mean((own - hill(SEVEN, ec50, slope, other[0], top)) ** 2 - (own - other) ** 2))
    rise = np.ptp(curves.mean(axis=0))
    assert (0.05 * rise) ** 2 < np.mean(better) < sem(better)
    assert fit(curves, SEVEN).note == ""
    assert "free curve" in fit(np.array([UP_AND_DOWN, UP_AND_DOWN]), SEVEN).note


def test_every_set_has_its_curve_and_their_mean_one_more_without_what_damps():
    rng = np.random.default_rng(2)
    curves = np.stack([noisy(rng, speakers=6), noisy(rng, speakers=6)], axis=1)  # speaker, set, dose
    damped = np.concatenate([np.full((6, 2, 1), 0.5), curves[..., 1:]], axis=-1)
    none, doses = curves[..., :1], np.r_[-1.0, DOSES[1:]]
    clips = np.full(damped.shape, 30)
    overall, each = fit_curves(
        doses, SpeakerMeans(30 * none, clips[..., :1]), SpeakerMeans(30 * damped, clips)
    )
    expected = [fit(curves.mean(axis=1)), fit(curves[:, 0]), fit(curves[:, 1])]
    for found, one in zip((overall, *each), expected, strict=True):
        assert [found.ec50.value, found.ec50.low, found.ec50.high, found.top] == pytest.approx(
            [one.ec50.value, one.ec50.low, one.ec50.high, one.top], rel=1e-4
        )
