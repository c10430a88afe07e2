"""Intervals of shares: binomial bounds, and what the answers of several listeners are worth."""

import numpy as np
import pytest
from scipy import stats

from esn_interp.analysis.inference.proportion import METHODS, effective_answers, share_bounds
from esn_interp.errors import StatisticsError


class TestShares:
    @pytest.mark.parametrize(("method", "scipys"), [("wilson", "wilson"), ("clopper-pearson", "exact")])
    def test_bounds_are_those_of_scipy(self, method: str, scipys: str):
        pairs = [(k, n) for n in (1, 7, 40, 200) for k in sorted({0, 1, n // 3, n - 1, n})]
        chosen, answers = (np.array(column, dtype=np.float64) for column in zip(*pairs, strict=True))
        low, high = share_bounds(chosen / answers, answers, method=method, level=0.9)
        theirs = [stats.binomtest(k, n).proportion_ci(0.9, method=scipys) for k, n in pairs]
        np.testing.assert_allclose(low, [one.low for one in theirs], atol=1e-12)
        np.testing.assert_allclose(high, [one.high for one in theirs], atol=1e-12)

    @pytest.mark.parametrize("method", METHODS)
    def test_nothing_is_known_without_answers(self, method: str):
        assert np.isnan(share_bounds(np.array([0.5, np.nan]), np.zeros(2), method=method)).all()
        with pytest.raises(StatisticsError, match="unknown interval 'wald'; choose wilson or clopper-pearson"):
            share_bounds(np.array(0.5), np.array(3.0), method="wald")

    def test_answers_of_listeners_who_differ_are_worth_less(self):
        chosen, answers = np.array([9, 2, 7, 6]), np.array([10, 10, 8, 12])
        share = chosen.sum() / answers.sum()
        left_out = [np.delete(chosen, at).sum() / np.delete(answers, at).sum() for at in range(4)]
        error = np.sqrt(3 / 4 * sum((one - share) ** 2 for one in left_out))
        worth = effective_answers(chosen, answers)
        # Wald's interval on so many answers is cluster-t, exactly; Wilson's is near it.
        half = stats.norm.ppf(0.975) * np.sqrt(share * (1 - share) / worth)
        assert half == pytest.approx(stats.t.ppf(0.975, 3) * error)
        assert worth < answers.sum()

    def test_two_listeners_who_differ_are_worth_less_than_their_answers(self):
        # Of p (1 - p) over the variance between them both are .25: of 0 and 1, and of their mean.
        ratio = stats.norm.ppf(0.975) / stats.t.ppf(0.975, 1)
        assert effective_answers(np.array([0, 10]), np.array([10, 10])) == pytest.approx(ratio**2)

    def test_listeners_who_agree_are_worth_their_answers_and_no_more(self):
        assert effective_answers(np.array([6, 6, 6]), np.array([10, 10, 10])) == 30
        assert effective_answers(np.array([10, 10, 10]), np.array([10, 10, 10])) == 30
        assert effective_answers(np.array([62]), np.array([200])) == 200
        low, high = share_bounds(np.array(1.0), effective_answers(np.array([10, 10]), np.array([10, 10])))
        assert (float(low), float(high)) == pytest.approx((20 / (20 + 1.959964**2), 1.0))

    @pytest.mark.parametrize("share", [0.5, 0.62, 0.85])
    @pytest.mark.parametrize(
        ("listeners", "spread", "least", "most"),
        # Of one listener, of many who differ, and of few: as wide as few listeners make it.
        [(1, 0.0, 0.93, 0.965), (10, 0.1, 0.93, 0.97), (20, 0.1, 0.93, 0.97), (3, 0.1, 0.94, 0.99)],
    )
    def test_intervals_hold_the_truth_as_often_as_they_say(
        self, share: float, listeners: int, spread: float, least: float, most: float
    ):
        rng, repetitions = np.random.default_rng(1), 4000
        skill = np.full((listeners, repetitions), share)
        if spread:
            concentration = share * (1 - share) / spread**2 - 1
            skill = rng.beta(share * concentration, (1 - share) * concentration, size=skill.shape)
        answers = np.full(skill.shape, 200 if listeners == 1 else 40)
        chosen = rng.binomial(answers, skill)
        found = chosen.sum(axis=0) / answers.sum(axis=0)
        low, high = share_bounds(found, effective_answers(chosen, answers))
        assert least <= np.mean((low <= share) & (share <= high)) <= most
        if spread:
            low, high = share_bounds(found, answers.sum(axis=0).astype(np.float64))
            assert np.mean((low <= share) & (share <= high)) < 0.85
