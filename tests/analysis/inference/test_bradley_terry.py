"""Strengths of conditions that were compared in pairs, against statsmodels and plain formulas."""

from itertools import combinations

import numpy as np
import pytest
from scipy import optimize, special
from statsmodels.api import Logit

from esn_interp.analysis.inference.bradley_terry import bradley_terry, strength_bounds


class TestStrengths:
    def test_two_conditions_have_the_log_odds_of_a_share_with_half_an_answer_more(self):
        for won, lost in ((7, 3), (10, 0), (1, 1)):
            strong, weak = bradley_terry(np.array([[0, won], [lost, 0]]))
            assert strong - weak == pytest.approx(np.log((won + 0.5) / (lost + 0.5)), abs=1e-6)
            assert strong + weak == pytest.approx(0, abs=1e-9)

    def test_the_penalised_likelihood_is_at_its_maximum(self):
        wins = np.array([[0, 8, 9, 3], [2, 0, 5, 0], [1, 6, 0, 4], [0, 5, 2, 0]])

        def lost(free: np.ndarray) -> float:
            strengths = np.append(free, 0.0)  # another way to fix the scale
            total, information = 0.0, np.zeros((4, 4))
            for a, b in combinations(range(4), 2):
                share = special.expit(strengths[a] - strengths[b])
                total += wins[a, b] * np.log(share) + wins[b, a] * np.log(1 - share)
                contrast = np.eye(4)[a] - np.eye(4)[b]
                information += (wins[a, b] + wins[b, a]) * share * (1 - share) * np.outer(contrast, contrast)
            return -total - 0.5 * np.linalg.slogdet(information[:3, :3])[1]

        options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 10_000, "maxfev": 10_000}
        free = np.append(optimize.minimize(lost, np.zeros(3), method="Nelder-Mead", options=options).x, 0.0)
        np.testing.assert_allclose(bradley_terry(wins), free - free.mean(), atol=1e-5)

    def test_with_many_answers_it_is_the_maximum_likelihood_of_statsmodels(self):
        rng, truth = np.random.default_rng(3), np.array([0.6, 0.1, -0.7])
        wins, design, outcome = np.zeros((3, 3), dtype=np.int64), [], []
        for a, b in combinations(range(3), 2):
            wins[a, b] = rng.binomial(3000, special.expit(truth[a] - truth[b]))
            wins[b, a] = 3000 - wins[a, b]
            design += [(np.eye(3)[a] - np.eye(3)[b])[:2]] * 3000
            outcome += [1] * wins[a, b] + [0] * wins[b, a]
        fitted = Logit(np.array(outcome), np.array(design)).fit(disp=False)
        value, low, high = strength_bounds(wins[None])
        assert value[0] - value[2] == pytest.approx(fitted.params[0], abs=2e-3)
        # The variance of a strength against the mean, from that of the strengths against the third.
        contrast = np.array([2 / 3, -1 / 3])
        error = np.sqrt(contrast @ fitted.cov_params() @ contrast)
        assert (high - low)[0] / 2 == pytest.approx(1.959964 * error, rel=1e-2)

    def test_listeners_who_agree_are_no_surer_than_their_answers(self):
        one = np.array([[0, 8, 9], [2, 0, 5], [1, 6, 0]])
        value, low, high = strength_bounds(np.stack([one] * 4))
        np.testing.assert_allclose([value, low, high], strength_bounds(4 * one[None]), atol=1e-9)
        np.testing.assert_allclose(value - low, high - value)

    def test_conditions_that_nothing_ties_have_no_strengths(self):
        wins = np.zeros((2, 4, 4), dtype=np.int64)
        wins[:, 0, 1], wins[0, 2, 3] = 5, 3
        assert np.isnan(bradley_terry(wins[0])).all()
        # Only the second listener compared across: there are strengths, but nobody knows how they would vary.
        wins[1, 1, 2] = 4
        value, low, high = strength_bounds(wins)
        assert np.isfinite(value).all()
        assert np.isnan([low, high]).all()

    def test_intervals_over_listeners_hold_the_truth(self):
        """Strengths that differ between listeners, by 0.5 in log-odds; taking answers as independent fails."""
        rng, truth, repetitions = np.random.default_rng(5), np.array([0.5, 0.0, -0.5]), 40
        held = np.zeros((2, 3))
        for _ in range(repetitions):
            wins = np.zeros((8, 3, 3), dtype=np.int64)
            for one in wins:
                own = truth + 0.5 * rng.standard_normal(3)
                for a, b in combinations(range(3), 2):
                    one[a, b] = rng.binomial(25, special.expit(own[a] - own[b]))
                    one[b, a] = 25 - one[a, b]
            for at, given in enumerate((wins, wins.sum(axis=0)[None])):
                _, low, high = strength_bounds(given)
                held[at] += (low <= truth) & (truth <= high)
        # 120 intervals, three by three from the same answers.
        assert held[0].mean() / repetitions >= 0.90
        assert held[1].mean() / repetitions < 0.85
