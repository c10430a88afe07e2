"""How many neurons two independent sets share, stratum by stratum: the null of an overlap.

Within a layer of N gates, a set of K and an independent set of n share a hypergeometric number. Over layers
the number shared is the sum of these, so its distribution is their convolution. Conditioning on the layers
matters: two sets that prefer the same layers share more than chance over the whole model would have it,
although neither knows of the other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import brentq
from scipy.special import logsumexp
from scipy.stats import hypergeom

_NEGLIGIBLE = 1e-60
"""Tilted probabilities below this are cut off: nothing that is reported can feel them."""


@dataclass(frozen=True)
class SharedCount:
    """The number of members shared by two independent sets with these numbers of members in every stratum.

    ``population`` are the gates of each stratum, ``first`` and ``second`` the members of the two sets. One
    stratum makes it hypergeometric.

    Beyond independence there is one parameter, the odds ratio theta common to all strata: then
    ``P(x) ~ theta^x P0(x)``, and the mean of x grows with theta. Its exact conditional interval (Gart 1970;
    for one stratum that of Fisher's test) is reported as an interval of the fold enrichment.
    """

    population: Int64[np.ndarray, " stratum"]
    first: Int64[np.ndarray, " stratum"]
    second: Int64[np.ndarray, " stratum"]

    @property
    def expected(self) -> float:
        """Mean under independence: the sum over strata of K n / N."""
        filled = self.population > 0
        return float((self.first[filled] * self.second[filled] / self.population[filled]).sum())

    @property
    def least(self) -> int:
        """The fewest that the sets can share."""
        return int(np.maximum(0, self.first + self.second - self.population).sum())

    @property
    def most(self) -> int:
        """The most that they can share."""
        return int(np.minimum(self.first, self.second).sum())

    def fold(self, shared: int) -> float:
        """Shared over expected; NaN where nothing is expected, which is when a set is empty."""
        return shared / self.expected if self.expected else float("nan")

    def p_value(self, shared: int) -> float:
        """Probability of sharing so many or more under independence."""
        if shared <= self.least:
            return 1.0
        support, log_p, _ = self._around(max(shared, self.expected))
        return float(min(1.0, np.exp(logsumexp(log_p[support >= shared]))))

    def fold_bounds(self, shared: int, *, level: float = 0.95) -> tuple[float, float]:
        """Exact conditional bounds of the fold enrichment; NaN where nothing is expected.

        At the fewest or the most that can be shared, the bound on that side is what is shared over expected.
        """
        if not self.expected:
            return float("nan"), float("nan")
        support, log_p, at = self._around(shared)
        beyond = (1 - level) / 2

        def tilted(tilt: float) -> np.ndarray:
            weight = log_p + tilt * support
            p = np.exp(weight - weight.max())
            return p / p.sum()

        def tail(tilt: float, above: bool) -> float:
            p = tilted(tilt)[support >= shared if above else support <= shared].sum()
            # Far out the tail underflows; the solver needs to know which way to go all the same.
            return float(np.log(max(p, np.finfo(np.float64).tiny) / beyond))

        def fold_at(tilt: float) -> float:
            return float(tilted(tilt) @ support) / self.expected

        low = high = self.fold(shared)
        if shared > self.least:
            low = fold_at(_root(lambda tilt: tail(tilt, above=True), at, rising=True))
        if shared < self.most:
            high = fold_at(_root(lambda tilt: tail(tilt, above=False), at, rising=False))
        return low, high

    @cached_property
    def _strata(self) -> tuple[Float64[np.ndarray, "stratum value"], Float64[np.ndarray, "stratum value"]]:
        """Numbers that each stratum can share and their log-probabilities, padded with impossible ones.

        Strata in which a set has no member share nothing and are left out.
        """
        met = (self.first > 0) & (self.second > 0)
        size, one, two = (column[met, None] for column in (self.population, self.first, self.second))
        least, most = np.maximum(0, one + two - size), np.minimum(one, two)
        value = least + np.arange(int((most - least).max(initial=0)) + 1)
        log_p = np.where(value <= most, hypergeom.logpmf(np.minimum(value, most), size, one, two), -np.inf)
        return value.astype(np.float64), log_p

    def _around(
        self, shared: float
    ) -> tuple[Int64[np.ndarray, " support"], Float64[np.ndarray, " support"], float]:
        """Support, log-probabilities under independence, and the tilt at which ``shared`` is the mean.

        The strata are convolved under that tilt, where ``shared`` is in the middle and nothing underflows,
        and the tilt is taken off again: so the farthest tail keeps its relative precision.
        """
        if self.least == self.most:
            return np.array([self.least]), np.zeros(1), 0.0
        middle = float(np.clip(shared, self.least + 0.5, self.most - 0.5))
        tilt = _root(lambda value: self._mean(value) - middle, 0.0, rising=True)
        value, log_p = self._strata
        tilted = log_p + tilt * value
        weight = logsumexp(tilted, axis=1)
        start, total = 0, np.ones(1)
        for at, p in enumerate(np.exp(tilted - weight[:, None])):
            kept = np.flatnonzero(p > _NEGLIGIBLE)
            start += int(value[at, kept[0]])
            total = np.convolve(total, p[kept[0] : kept[-1] + 1])
        support = start + np.arange(len(total))
        with np.errstate(divide="ignore"):
            return support, np.log(total) - tilt * support + float(weight.sum()), tilt

    def _mean(self, tilt: float) -> float:
        value, log_p = self._strata
        tilted = log_p + tilt * value
        p = np.exp(tilted - tilted.max(axis=1, keepdims=True))
        return float(((p * value).sum(axis=1) / p.sum(axis=1)).sum())


def _root(function: Callable[[float], float], near: float, *, rising: bool) -> float:
    """Where a monotone function crosses zero, searched in ever wider steps from ``near``."""
    step = 1.0
    upwards = (function(near) < 0) == rising
    while (function(near + (step if upwards else -step)) < 0) == (upwards == rising) and step < 1e3:
        step *= 2
    ends = sorted((near, near + (step if upwards else -step)))
    return float(brentq(function, ends[0], ends[1], xtol=1e-10))
