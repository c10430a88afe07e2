"""Whether a curve rises with the dose."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from esn_interp.analysis.inference.significance import MIN_SPEAKERS


def spearman(doses: Float[np.ndarray, " dose"], values: Float[np.ndarray, " dose"]) -> float:
    """Rank correlation; NaN with a single dose, or where one of the two is unknown or all the same."""
    if len(doses) < 2 or np.isnan([doses, values]).any() or not np.ptp(doses) or not np.ptp(values):
        return float("nan")
    return float(stats.spearmanr(doses, values).statistic)


def page(per_speaker: Float[np.ndarray, "speaker dose"]) -> float:
    """P-value of Page's test that values rise with the dose, speakers as judges.

    NaN with fewer than six speakers who have a value at every dose, or with fewer than three doses.
    """
    complete = per_speaker[~np.isnan(per_speaker).any(axis=1)]
    if len(complete) < MIN_SPEAKERS or per_speaker.shape[1] < 3:
        return float("nan")
    return float(stats.page_trend_test(complete).pvalue)
