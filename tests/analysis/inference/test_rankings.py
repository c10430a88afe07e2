"""Rank-biased overlap against its paper's worked example and its definition; Spearman against scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr

from esn_interp.analysis.inference.rankings import (
    agreement,
    rank_biased_overlap,
    ranking,
    spearman,
    spearman_within_layers,
)
from esn_interp.neurons.origin import Origin


def letters(text: str) -> np.ndarray:
    return np.array([ord(letter) - ord("a") for letter in text], dtype=np.int64)


def test_the_papers_worked_example():
    """Webber, Moffat and Zobel (2010), figure 5: agreement and average overlap of two lists of seven."""
    shared = agreement(letters("abcdefg"), letters("zcavwxy"))
    np.testing.assert_allclose(shared, [0, 0, 2 / 3, 2 / 4, 2 / 5, 2 / 6, 2 / 7])
    average = np.cumsum(shared) / np.arange(1, 8)
    np.testing.assert_allclose(average, [0, 0, 0.222, 0.292, 0.313, 0.317, 0.312], atol=5e-4)


def test_the_papers_weight_of_the_first_ten_ranks():
    """The same paper, section 5: with p = 0.9 the first ten ranks hold 86 % of the weight."""
    depth, p = 10, 0.9
    one = np.arange(2000)
    agrees_ten = np.concatenate([one[:depth], one[depth:] + 5000])
    beyond = rank_biased_overlap(one, agrees_ten, persistence=p)
    # Agreement is 1 to depth ten, 10 / d beyond, which the paper counts to the weight of the first ten.
    assert beyond == pytest.approx(0.8556, abs=5e-4)


@given(st.permutations(range(6)), st.permutations(range(6)), st.floats(0.1, 0.95))
@settings(max_examples=60, deadline=None)
def test_it_is_the_weighted_sum_of_the_agreements(one: list[int], two: list[int], p: float):
    a, b = np.array(one, dtype=np.int64), np.array(two, dtype=np.int64)
    shares = [len(set(one[:d]) & set(two[:d])) / d for d in range(1, 7)]
    # Beyond the end the agreement stays: an infinite sum that is written out far enough.
    weights = (1 - p) * p ** np.arange(5000)
    expected = weights @ np.array(shares + [shares[-1]] * 4994)
    found = rank_biased_overlap(a, b, persistence=p)
    assert found == pytest.approx(expected, abs=1e-9)
    assert found == pytest.approx(rank_biased_overlap(b, a, persistence=p))


def test_extremes():
    same, other = np.arange(50), np.arange(50) + 50
    assert rank_biased_overlap(same, same, persistence=0.9) == pytest.approx(1)
    assert rank_biased_overlap(same, other, persistence=0.9) == 0
    assert np.isnan(rank_biased_overlap(same[:0], same[:0], persistence=0.9))


def test_a_ranking_breaks_ties_by_index():
    assert ranking(np.array([1.0, 3, 3, 2, 3]), 4).tolist() == [1, 2, 4, 3]


def test_spearman_is_scipys():
    rng = np.random.default_rng(0)
    one, two = rng.integers(0, 6, (3, 80)).astype(float), rng.normal(size=(2, 80))
    found = spearman(one, two)
    for row in range(3):
        for column in range(2):
            assert found[row, column] == pytest.approx(spearmanr(one[row], two[column]).statistic)
    assert np.isnan(spearman(np.ones((1, 5)), two[:, :5])).all()


def test_within_layers_what_the_layers_share_is_gone():
    origin = Origin("m", "f", "c", (400, 300, 300), "corpus", "f")
    rng = np.random.default_rng(1)
    strength = np.repeat([0.0, 4.0, 8.0], origin.widths)
    one, two = (strength + rng.normal(size=(1, 1000)) for _ in range(2))
    assert spearman(one, two)[0, 0] > 0.8
    assert abs(spearman_within_layers(one, two, origin)[0, 0]) < 0.1
    centred = [
        np.concatenate([rankdata(row[layer]) - (layer.stop - layer.start + 1) / 2 for layer in origin.layers])
        for row in (one[0], two[0])
    ]
    expected = np.corrcoef(centred[0], centred[1])[0, 1]
    assert spearman_within_layers(one, two, origin)[0, 0] == pytest.approx(expected)
    several = spearman_within_layers(np.concatenate([one, two]), np.concatenate([two, one]), origin)
    np.testing.assert_allclose(several, [[expected, 1], [1, expected]])
