"""The log-odds of an emotion as the answer: an outcome that moves before an answer changes."""

import numpy as np
from jaxtyping import Float, Float64, Int


def log_odds(
    log_probs: Float[np.ndarray, "*condition clip emotion"], target: Int[np.ndarray, " clip"]
) -> Float64[np.ndarray, "*condition clip"]:
    """``log p - log(1 - p)`` in nats, with p the target's probability among the options.

    That is the target's score minus the log-sum-exp of the others', and so computed: 1 - p would be lost to
    rounding where p is near 1. (Our choice: it is additive in what adds to the target's score alone.)
    """
    at = np.broadcast_to(target[:, None], (*log_probs.shape[:-1], 1))
    chosen = np.take_along_axis(log_probs, at, axis=-1)[..., 0].astype(np.float64)
    others = log_probs.astype(np.float64)
    np.put_along_axis(others, at, -np.inf, axis=-1)
    return chosen - np.logaddexp.reduce(others, axis=-1)
