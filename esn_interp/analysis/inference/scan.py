"""Bands of layers that hold more neurons than chance: a scan statistic over contiguous windows.

[Kulldorff] M. Kulldorff, "A spatial scan statistic", Communications in Statistics 26(6), 1997; here in one
dimension, the depth of the network.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import xlogy


@dataclass(frozen=True)
class Window:
    """Layers ``first`` to ``last``, both included, with how many neurons they hold and would hold by chance.

    ``p`` is the probability that *any* window of *any* uniformly drawn set of this size stands out as much:
    it needs no further correction for the number of windows.
    """

    first: int
    last: int
    count: int
    expected: float
    p: float

    @property
    def fold(self) -> float:
        """Count over expected."""
        return self.count / self.expected


def scan(
    counts: Int64[np.ndarray, " layer"],
    widths: tuple[int, ...],
    *,
    permutations: int = 1999,
    level: float = 0.05,
    seed: int = 0,
) -> tuple[float, tuple[Window, ...]]:
    """The p-value of the most enriched window, and every window that stands out, the strongest first.

    Windows are contiguous layers that hold half of all gates at most (a wider one would tell where neurons
    are *not*). Each is judged by the likelihood ratio of "more inside than outside" against "the same
    everywhere" [Kulldorff], and the largest is compared with the largest of each of ``permutations`` sets of
    as many gates drawn uniformly without replacement. Further windows are those that overlap none before and
    reach ``level`` against the same distribution of the largest.

    Returns
    -------
    The p-value (NaN without neurons, or where no window is possible, as with one layer) and the windows.
    """
    starts, stops = _windows(widths)
    members = int(counts.sum())
    if not members or not len(starts):
        return float("nan"), ()
    sizes = _sums(np.array(widths), starts, stops)
    observed = _likelihood_ratio(_sums(counts, starts, stops), sizes, members, sum(widths))
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(
        list(widths), members, size=permutations, method="marginals"
    )
    largest = _likelihood_ratio(_sums(drawn, starts, stops), sizes, members, sum(widths)).max(axis=1)
    # Equal windows give ratios that are equal but for rounding, and a tie must count as reached.
    reached = (largest[None] >= observed[:, None] - 1e-9).sum(axis=1)
    p_values = (1 + reached) / (1 + permutations)
    found: list[Window] = []
    for at in np.argsort(-observed, kind="stable").tolist():
        if p_values[at] > level:
            break
        first, last = int(starts[at]), int(stops[at]) - 1
        if all(last < other.first or first > other.last for other in found):
            expected = members * float(sizes[at]) / sum(widths)
            found.append(
                Window(first, last, int(counts[first : last + 1].sum()), expected, float(p_values[at]))
            )
    return float(p_values.min()), tuple(found)


def strongest(counts: Int64[np.ndarray, "*draw layer"], widths: tuple[int, ...]) -> Float64[np.ndarray, "*draw"]:
    """The largest log-likelihood ratio over all windows; NaN without neurons, or where no window is possible."""
    starts, stops = _windows(widths)
    members = counts.sum(axis=-1)
    if not len(starts):
        return np.full(members.shape, np.nan)
    sizes, gates = _sums(np.array(widths), starts, stops), sum(widths)
    found = _likelihood_ratio(_sums(counts, starts, stops), sizes, members[..., None], gates).max(axis=-1)
    return np.where(members > 0, found, np.nan)


def _windows(widths: tuple[int, ...]) -> tuple[Int64[np.ndarray, " window"], Int64[np.ndarray, " window"]]:
    """First layer and the one after the last of every window."""
    ends = np.concatenate([[0], np.cumsum(widths)])
    start, stop = np.triu_indices(len(widths) + 1, k=1)
    allowed = 2 * (ends[stop] - ends[start]) <= ends[-1]
    return start[allowed].astype(np.int64), stop[allowed].astype(np.int64)


def _sums(
    counts: Int64[np.ndarray, "*draw layer"],
    starts: Int64[np.ndarray, " window"],
    stops: Int64[np.ndarray, " window"],
) -> Int64[np.ndarray, "*draw window"]:
    running = np.cumsum(counts, axis=-1)
    running = np.concatenate([np.zeros_like(running[..., :1]), running], axis=-1)
    return running[..., stops] - running[..., starts]


def _likelihood_ratio(
    inside: Int64[np.ndarray, "*draw window"],
    sizes: Int64[np.ndarray, " window"],
    members: int | Int64[np.ndarray, "*draw 1"],
    gates: int,
) -> Float64[np.ndarray, "*draw window"]:
    """Logarithm of the ratio for Bernoulli trials; 0 where the window holds no more than its share."""
    outside, rest = members - inside, gates - sizes
    log_ratio = _log_likelihood(inside, sizes) + _log_likelihood(outside, rest)
    log_ratio = log_ratio - _log_likelihood(np.array(members), np.array(gates))
    return np.where(inside * rest > outside * sizes, log_ratio, 0.0)


def _log_likelihood(
    hits: Int64[np.ndarray, "*cell"], of: Int64[np.ndarray, "..."]
) -> Float64[np.ndarray, "*cell"]:
    return np.asarray(xlogy(hits, hits / of) + xlogy(of - hits, (of - hits) / of))
