"""The ratio of two effects measured on the same speakers, and where it is undefined."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from esn_interp.analysis.inference.significance import Interval


def ratio_interval(
    numerator: float,
    denominator: float,
    numerators: Float[np.ndarray, " speaker"],
    denominators: Float[np.ndarray, " speaker"],
    *,
    level: float = 0.95,
) -> Interval:
    """Fieller's interval of ``numerator / denominator``, paired over speakers.

    The ratio r for which ``numerator - r * denominator`` does not differ from 0 by a t test whose variances
    and covariance are jackknifed over speakers (Fieller, J. R. Stat. Soc. B 16, 1954; the jackknife is our
    choice, as in `cluster_t_bounds`). Where the interval of the denominator holds 0 that set is not an
    interval: the ratio is undefined then, and all three numbers are NaN. So they are with one speaker.

    Parameters
    ----------
    numerators, denominators
        Both effects with each speaker left out in turn.
    """
    speakers = len(numerators)
    undefined = Interval(np.nan, np.nan, np.nan, speakers)
    if speakers < 2:
        return undefined
    off = np.stack([numerators - numerator, denominators - denominator])
    (nn, nd), (_, dd) = (speakers - 1) / speakers * off @ off.T
    t2 = stats.t.ppf(0.5 + level / 2, speakers - 1) ** 2
    a, b, c = denominator**2 - t2 * dd, numerator * denominator - t2 * nd, numerator**2 - t2 * nn
    if not a > 0:
        return undefined
    # The estimate itself always satisfies the inequality, so a negative root can only be rounding.
    root = np.sqrt(max(b * b - a * c, 0.0))
    return Interval(numerator / denominator, float((b - root) / a), float((b + root) / a), speakers)
