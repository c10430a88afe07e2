"""P-values against permuted labels: by counting, and under a null that is simulated."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from esn_interp.analysis.inference.permutation import SelectionNull, extreme_p, least_p, max_p

ABOUT = {"within": "speaker", "clips": 30, "fixed": 0}
tenths = st.integers(-9, 9).map(lambda n: n / 10)


@given(arrays(np.float64, (12, 3), elements=tenths), arrays(np.float64, 3, elements=tenths), st.booleans())
def test_p_is_one_and_the_number_as_extreme_over_one_and_all(drawn, observed, rises):
    by_test, by_most = extreme_p(observed, drawn, rises=rises), max_p(observed, drawn, rises=rises)
    for test, value in enumerate(observed):
        column = drawn[:, test] if rises else -drawn[:, test]
        most = (drawn if rises else -drawn).max(axis=1)
        seen = value if rises else -value
        assert by_test[test] == (1 + sum(one >= seen for one in column)) / 13
        assert by_most[test] == (1 + sum(one >= seen for one in most)) / 13
    assert (by_most >= by_test).all()


def test_a_set_without_neurons_is_no_extreme_draw_and_nothing_observed_is_no_p():
    drawn = np.array([[np.nan, 0.2], [0.5, 0.1], [np.nan, np.nan]])
    assert extreme_p(np.array([0.4, np.nan]), drawn) == pytest.approx([0.5, np.nan], nan_ok=True)
    assert max_p(np.array([0.4, np.nan]), drawn) == pytest.approx([0.5, np.nan], nan_ok=True)


def test_p_holds_its_level_and_the_maximum_that_of_the_family():
    """Whichever of 100 labellings is the true one: P(p <= a) is a, for one test and for the family."""
    drawn = np.random.default_rng(0).normal(size=(100, 5))
    others = [np.delete(drawn, row, axis=0) for row in range(100)]
    single = np.array([extreme_p(one, rest)[0] for one, rest in zip(drawn, others, strict=True)])
    family = np.array([max_p(one, rest).min() for one, rest in zip(drawn, others, strict=True)])
    for level in (0.01, 0.05, 0.1, 0.5):
        assert np.mean(single <= level + 1e-9) == pytest.approx(level)
        assert np.mean(family <= level + 1e-9) == pytest.approx(level)


def test_a_null_tells_its_p_values_its_mean_and_what_it_can_resolve():
    drawn = np.tile([[0.0, -0.1]], (20, 1)) + 0.01 * np.arange(20)[:, None]
    null = SelectionNull.of("change", ("happy", "sad"), np.array([-0.9, -0.02]), drawn, rises=False, **ABOUT)
    assert null.draws == 20
    assert null.p_values == pytest.approx([1 / 21, 10 / 21])
    assert null.omnibus == pytest.approx(-0.46)
    assert null.omnibus_p == pytest.approx(1 / 21) == pytest.approx(least_p(20))
    assert null.mean == pytest.approx(-0.05 + 0.095)
    assert null.edge == pytest.approx(-0.05)
    assert (null.resolves(0.05), null.resolves(1 / 21), null.resolves(0.01)) == (True, True, False)
    assert null.told() == (
        "neurons selected by permuted labels give +4.5 on average"
        " (selection: p 0.048, the least that 20 permutations can give)"
    )


def test_the_edge_is_what_one_labelling_in_twenty_reaches():
    drawn = np.arange(99.0)[:, None]
    rising = SelectionNull.of("fold", ("all",), np.array([94.0]), drawn, rises=True, **ABOUT)
    assert rising.edge == 94
    assert rising.omnibus_p == pytest.approx(0.06)
    assert SelectionNull.of("fold", ("all",), np.array([94.1]), drawn, rises=True, **ABOUT).omnibus_p == 0.05
    few = SelectionNull.of("fold", ("all",), np.array([94.0]), drawn[:18], rises=True, **ABOUT)
    assert np.isnan(few.edge)
    just = SelectionNull.of("fold", ("all",), np.array([94.0]), drawn[:19], rises=True, **ABOUT)
    assert just.edge == 18
