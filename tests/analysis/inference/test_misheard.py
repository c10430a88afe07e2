"""What a judge's mistakes do to a difference of shares, and what can be said of the true one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from esn_interp.analysis.inference.misheard import band, sharpness
from esn_interp.analysis.inference.significance import Interval

NAMES = ("happy", "sad")


def test_sharpness_is_hits_minus_false_alarms_with_exact_bounds():
    confusion = np.array([[40, 10], [5, 45]])
    found = sharpness(confusion, NAMES, NAMES, "happy")
    assert found.value == pytest.approx(0.8 - 0.1)
    hits = binomtest(40, 50).proportion_ci(0.975, method="exact")
    alarms = binomtest(5, 50).proportion_ci(0.975, method="exact")
    assert (found.low, found.high) == pytest.approx((hits.low - alarms.high, hits.high - alarms.low))


def test_a_judge_without_a_mistake_may_make_some():
    found = sharpness(np.array([[50, 0], [0, 40]]), NAMES, NAMES, "happy")
    hits = binomtest(50, 50).proportion_ci(0.975, method="exact")
    alarms = binomtest(0, 40).proportion_ci(0.975, method="exact")
    assert (found.value, found.low, found.high) == pytest.approx((1.0, hits.low - alarms.high, 1.0))


@given(h=st.floats(0.5, 1.0), f=st.floats(0.0, 0.4), before=st.floats(0, 1), after=st.floats(0, 1))
def test_the_true_difference_lies_in_the_band_of_what_the_judge_makes_of_it(h, f, before, after):
    heard = (h * after + f * (1 - after)) - (h * before + f * (1 - before))
    found = band(heard, Interval(h - f, (h - f) * 0.8, min((h - f) * 1.2, 1.0), 0))
    assert found.low - 1e-9 <= after - before <= found.high + 1e-9


def test_a_judge_who_may_hear_nothing_leaves_everything_open_on_that_side():
    deaf = Interval(0.1, -0.1, 0.3, 0)
    assert (band(0.2, deaf).low, band(0.2, deaf).high) == (0.0, 1.0)
    assert (band(-0.2, deaf).low, band(-0.2, deaf).high) == (-1.0, 0.0)
    assert (band(0.0, deaf).low, band(0.0, deaf).high) == (-1.0, 1.0)
    assert (band(0.2, Interval(0.1, 0.0, 0.3, 0)).low, band(0.2, Interval(0.1, 0.0, 0.3, 0)).high) == (0.0, 1.0)
    assert (band(0.2, Interval(0, -0.2, 0.0, 0)).low, band(0.2, Interval(0, -0.2, 0.0, 0)).high) == (-1.0, 1.0)


def test_bands_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    h, f, true = 0.8, 0.15, 0.4
    held = []
    for _ in range(300):
        confusion = np.array([rng.multinomial(30, [h, 1 - h]), rng.multinomial(30, [f, 1 - f])])
        one = band((h - f) * true, sharpness(confusion, NAMES, NAMES, "happy"))
        held.append(one.low <= true <= one.high)
    assert np.mean(held) >= 0.95


@pytest.mark.parametrize(
    ("difference", "low", "high"),
    [(0.9, 1, 1), (-0.9, -1, -1), (0.5, 0.5 / 0.6, 1), (-0.5, -1, -0.5 / 0.6), (0.2, 0.2 / 0.6, 0.5), (0, 0, 0)],
)
def test_no_band_goes_beyond_what_a_difference_can_be(difference, low, high):
    """Not even where the judge can hardly have made so much of any difference."""
    found = band(difference, Interval(0.5, 0.4, 0.6, 0))
    assert (found.low, found.high) == pytest.approx((low, high))
