"""Whether a curve rises: against ranks by hand, and against every ordering that chance could give."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from esn_interp.analysis.inference.significance import MIN_SPEAKERS
from esn_interp.analysis.inference.trend import page, spearman

NAN = float("nan")


def test_rank_correlation_by_hand():
    # Ranks 1 2 3 4 against 2 1 4 3: 1 - 6 (1 + 1 + 1 + 1) / (4 (16 - 1)).
    assert spearman(np.array([0.0, 1, 2, 8]), np.array([0.2, 0.1, 0.9, 0.4])) == pytest.approx(0.6)
    assert spearman(np.array([0.0, 1]), np.array([0.1, 0.2])) == pytest.approx(1)
    assert spearman(np.array([0.0, 1]), np.array([0.2, 0.1])) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("doses", "values"),
    [([1], [0.5]), ([0, NAN, 2], [0.1, 0.2, 0.3]), ([0, 1, 2], [0.1, NAN, 0.3]), ([1, 1, 1], [0.1, 0.2, 0.3]),
     ([0, 1, 2], [0.2, 0.2, 0.2])],
)  # fmt: skip
def test_there_is_no_rank_correlation_where_nothing_varies_or_something_is_unknown(doses, values):
    assert np.isnan(spearman(np.array(doses, float), np.array(values)))


def p_by_counting(values: np.ndarray) -> float:
    """The share of all orderings within speakers that rise as much: sums of place times rank, convolved."""
    doses = values.shape[1]
    places = np.arange(1, doses + 1)
    sums = Counter({0: 1})
    for _ in values:
        grown: Counter[int] = Counter()
        for total, ways in sums.items():
            for order in permutations(places):
                grown[total + int(places @ order)] += ways
        sums = grown
    observed = sum(int(places @ (np.argsort(np.argsort(row)) + 1)) for row in values)
    return sum(ways for total, ways in sums.items() if total >= observed) / sum(sums.values())


@pytest.mark.parametrize("doses", [3, 4])
def test_pages_p_is_the_share_of_orderings_that_rise_as_much(doses: int):
    rng = np.random.default_rng(doses)
    for slope in (0.0, 0.5, 2.0):
        values = rng.normal(size=(MIN_SPEAKERS, doses)) + slope * np.arange(doses)
        assert page(values) == pytest.approx(p_by_counting(values))


def test_page_needs_six_speakers_with_every_dose_and_three_doses():
    values = np.random.default_rng(0).normal(size=(MIN_SPEAKERS + 1, 3))
    lacking = values.copy()
    lacking[2, 1] = NAN
    assert page(lacking) == page(np.delete(values, 2, axis=0)), "who lacks a dose is left out"
    lacking[3, 0] = NAN
    assert np.isnan(page(lacking))
    assert np.isnan(page(values[:, :2]))
