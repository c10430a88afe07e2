"""How unevenly something is spread: over layers, mostly."""

import numpy as np
from jaxtyping import Float, Float64, Int
from scipy.stats import chi2

from esn_interp.analysis.inference.significance import quotient


def gini(values: Float[np.ndarray, "*row layer"]) -> Float64[np.ndarray, "*row"]:
    """Gini coefficient over the last axis: 0 when all are equal, 1 - 1/L when one of L has everything.

    ``sum over i, j of |v_i - v_j| / (2 L^2 mean)``; NaN where all values are 0.
    """
    ordered, n = np.sort(values, axis=-1), values.shape[-1]
    ranks = 2 * np.arange(1, n + 1) - n - 1
    total = ordered.sum(axis=-1)
    return quotient((ordered * ranks).sum(axis=-1), n * total)


def evenness(values: Float[np.ndarray, "*row layer"]) -> Float64[np.ndarray, "*row"]:
    """Normalised entropy over the last axis: 1 when all are equal, 0 when one has everything.

    ``-sum q ln q / ln L`` with ``q = v / sum v``; NaN where all values are 0 or there is one only.
    """
    q = quotient(values, values.sum(axis=-1, keepdims=True))
    entropy = -np.where(q > 0, q * np.log(np.where(q > 0, q, 1.0)), 0.0).sum(axis=-1)
    known = ~np.isnan(q).any(axis=-1)
    return quotient(np.where(known, entropy, np.nan), np.log(values.shape[-1]))


def goodman_bounds(
    counts: Int[np.ndarray, "*row layer"], *, level: float = 0.95
) -> tuple[Float64[np.ndarray, "*row layer"], Float64[np.ndarray, "*row layer"]]:
    """Simultaneous bounds of multinomial shares: all of a row hold together with this confidence.

    L. A. Goodman, "On simultaneous confidence intervals for multinomial proportions", Technometrics 7(2),
    1965: Wilson's interval at the level that Bonferroni asks for. NaN for a row without counts.
    """
    quantile = float(chi2.ppf(1 - (1 - level) / counts.shape[-1], 1))
    total = counts.sum(axis=-1, keepdims=True)
    half = np.sqrt(quantile * (quantile + 4 * counts * quotient(total - counts, total)))
    middle = quantile + 2 * counts
    return (middle - half) / (2 * (total + quantile)), (middle + half) / (2 * (total + quantile))
