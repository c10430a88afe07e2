"""Intervals of a share that was counted, such as how often listeners chose one of two recordings."""

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.errors import StatisticsError

METHODS = ("wilson", "clopper-pearson")


def share_bounds(
    share: Float[np.ndarray, "*cell"],
    answers: Float[np.ndarray, "*cell"],
    *,
    method: str = "wilson",
    level: float = 0.95,
) -> tuple[Float[np.ndarray, "*cell"], Float[np.ndarray, "*cell"]]:
    """Lower and upper bounds of binomial shares; NaN where there are no answers.

    ``wilson`` inverts the score test (Wilson 1927): its coverage is the nominal one on average over shares.
    ``clopper-pearson`` inverts the exact tests (Clopper and Pearson 1934): its coverage is at least the
    nominal one for every share, and its bounds are wider. The number of answers may be an effective one, and
    so need not be whole; see `effective_answers`.

    Raises
    ------
    StatisticsError
        When there is no such method.
    """
    if method not in METHODS:
        raise StatisticsError(f"unknown interval {method!r}; choose {' or '.join(METHODS)}")
    n = np.where(answers > 0, answers, np.nan)
    if method == "wilson":
        z = float(stats.norm.ppf(0.5 + level / 2))
        centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        # At a share of 0 or 1 centre and half are equal but for rounding.
        return np.asarray(np.maximum(centre - half, 0.0)), np.asarray(np.minimum(centre + half, 1.0))
    tail, chosen = 0.5 - level / 2, share * n
    low, high = stats.beta.ppf(tail, chosen, n - chosen + 1), stats.beta.ppf(1 - tail, chosen + 1, n - chosen)
    return np.where(share > 0, low, 0.0 * n), np.where(share < 1, high, 1.0 + 0.0 * n)


def effective_answers(
    chosen: Int[np.ndarray, " listener *cell"],
    answers: Int[np.ndarray, " listener *cell"],
    *,
    level: float = 0.95,
) -> Float[np.ndarray, "*cell"]:
    """How many independent answers the answers of several listeners are worth, for `share_bounds`.

    Answers of one listener are alike, so ``n`` of them say less of other listeners than ``n`` answers of as
    many. With ``p`` the share over all answers, ``v`` its variance between listeners (the jackknife of
    `cluster_t_bounds`) and ``t`` of as many degrees of freedom as there are listeners less one, they are worth
    ``min(n, p (1 - p) / v * (z / t)^2)`` (Korn and Graubard 1998, "Confidence intervals for proportions with small
    expected number of positive counts estimated from survey data"; Franco, Little, Louis and Slud 2019
    recommend the Wilson interval on it). So the interval is about that of cluster-t where listeners differ, and
    never narrower than the binomial one: listeners who happen to agree don't add certainty. One listener's
    answers count in full, and speak of that listener.
    """
    means = SpeakerMeans(chosen.astype(np.float64), answers)
    listeners, p, n = means.speakers, means.value, answers.sum(axis=0).astype(np.float64)
    freedom = np.maximum(listeners - 1, 1)
    variance = freedom / (freedom + 1) * ((means.replicates - p) ** 2).sum(axis=0)
    several = (listeners > 1) & (variance > 1e-15)
    ratio = stats.norm.ppf(0.5 + level / 2) / stats.t.ppf(0.5 + level / 2, freedom)
    worth = np.divide(p * (1 - p) * ratio**2, variance, out=np.full(n.shape, np.inf), where=several)
    return np.asarray(np.minimum(n, worth))
