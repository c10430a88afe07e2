"""Log-odds of an answer: the definition, where rounding would lose it, and conditions apart from clips."""

import numpy as np
import pytest

from esn_interp.analysis.inference.log_odds import log_odds


def log_probs(*shape: int, seed: int = 0) -> np.ndarray:
    scores = np.random.default_rng(seed).normal(size=shape)
    return scores - np.logaddexp.reduce(scores, axis=-1, keepdims=True)


@pytest.mark.parametrize("conditions", [(), (1,), (3,), (2, 3)])
def test_it_is_the_log_of_p_over_the_rest(conditions: tuple[int, ...]):
    found, target = log_probs(*conditions, 4, 5), np.array([0, 4, 2, 2])
    before = found.copy()
    odds = log_odds(found, target)
    assert odds.shape == (*conditions, 4)
    for place in np.ndindex(odds.shape):
        p = np.exp(found[place][target[place[-1]]])
        assert odds[place] == pytest.approx(np.log(p) - np.log(1 - p))
    np.testing.assert_array_equal(found, before)


def test_what_is_almost_certain_keeps_its_digits():
    odds = log_odds(np.array([[0.0, -46.0], [-46.0, 0.0]], np.float32), np.array([0, 0]))
    assert odds.tolist() == pytest.approx([46, -46])
    assert log_odds(np.array([[0.0, -50.0, -50.0]]), np.array([0])) == pytest.approx(50 - np.log(2))
