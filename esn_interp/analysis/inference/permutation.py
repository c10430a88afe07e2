"""What an effect would be had the labels said nothing: p-values that know how the neurons were selected.

Neurons that were selected for an effect show some of it on noise as well. So the labels that selection saw are
permuted, neurons are selected again as they were, and the effect of these is measured in the same way: that is the
distribution that the effect itself is compared with. Where several effects are tested, each is compared with the
largest of all in every permutation (Westfall and Young 1993, "Resampling-based multiple testing").
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.drawing.brief import brief


def least_p(draws: int) -> float:
    """The smallest p-value that so many permutations can give: no level below it can be resolved."""
    return 1 / (1 + draws)


def extreme_p(
    observed: Float[np.ndarray, " *test"], drawn: Float[np.ndarray, " draw *test"], *, rises: bool = True
) -> Float64[np.ndarray, " *test"]:
    """(1 + number of draws as extreme as what was observed) / (1 + draws), test by test.

    The observed labelling is one of those that could have been drawn, so it counts as one of them (Phipson and Smyth
    2010), and P(p <= a) is at most a. With ``rises`` large values speak for an effect, else small ones. NaN where
    nothing was observed; a draw without a value (its set had no neuron) is none as extreme.
    """
    if not rises:
        observed, drawn = -observed, -drawn
    # Means of the same numbers in another order differ by rounding, and a tie must count as reached.
    slack = 1e-9 * np.maximum(1.0, np.abs(np.nan_to_num(observed)))
    with np.errstate(invalid="ignore"):
        reached = (drawn >= observed - slack).sum(axis=0)
    return np.where(np.isnan(observed), np.nan, (1 + reached) / (1 + len(drawn)))


def max_p(
    observed: Float[np.ndarray, " test"], drawn: Float[np.ndarray, "draw test"], *, rises: bool = True
) -> Float64[np.ndarray, " test"]:
    """`extreme_p` of each test against the most extreme of all tests in every draw: adjusted for their number."""
    if not rises:
        observed, drawn = -observed, -drawn
    most = np.where(np.isnan(drawn), -np.inf, drawn).max(axis=1, initial=-np.inf)
    return extreme_p(observed, np.repeat(most[:, None], len(observed), axis=1))


@dataclass(frozen=True, eq=False)
class SelectionNull:
    """An effect beside what it is when neurons are selected by permuted labels.

    ``observed`` holds the effect of each of ``tests`` (mostly emotions), ``drawn`` the same for every permutation, and
    ``p_values`` that of each test, from the most extreme of all tests in every permutation (see `max_p`): they need
    no further correction. ``omnibus`` is one number for all tests, such as their mean, with its ``omnibus_p``. With
    ``rises`` large values speak for an effect, else small ones.

    ``within`` says what labels were exchanged within, ``clips`` how many clips were permuted, and ``fixed`` how many
    could not be, having nobody to exchange with. ``conditional_on`` names choices that were made with the true labels
    and not repeated. A p-value here concerns the selection, for these speakers; what holds for other speakers is told
    by the intervals over speakers.
    """

    effect: str
    tests: tuple[str, ...]
    observed: Float64[np.ndarray, " test"]
    drawn: Float64[np.ndarray, "draw test"]
    p_values: Float64[np.ndarray, " test"]
    omnibus: float
    omnibus_drawn: Float64[np.ndarray, " draw"]
    omnibus_p: float
    rises: bool
    within: str
    clips: int
    fixed: int
    conditional_on: str = ""

    __repr__ = brief

    @classmethod
    def of(
        cls,
        effect: str,
        tests: tuple[str, ...],
        observed: Float[np.ndarray, " test"],
        drawn: Float[np.ndarray, "draw test"],
        *,
        rises: bool,
        within: str,
        clips: int,
        fixed: int,
        conditional_on: str = "",
        whole: tuple[float, Float[np.ndarray, " draw"]] | None = None,
    ) -> "SelectionNull":
        """From the effects; ``whole`` is the one number for all tests and that of every draw, by default the mean."""
        one, of_draws = (nan_mean(observed), nan_mean(drawn)) if whole is None else whole
        of_draws = np.asarray(of_draws, dtype=np.float64)
        return cls(
            effect=effect,
            tests=tests,
            observed=observed.astype(np.float64),
            drawn=drawn.astype(np.float64),
            p_values=max_p(observed, drawn, rises=rises),
            omnibus=float(one),
            omnibus_drawn=of_draws,
            omnibus_p=float(extreme_p(np.asarray(one, dtype=np.float64), of_draws, rises=rises)),
            rises=rises,
            within=within,
            clips=clips,
            fixed=fixed,
            conditional_on=conditional_on,
        )

    @property
    def draws(self) -> int:
        """The number of permutations."""
        return len(self.drawn)

    @property
    def mean(self) -> float:
        """What the effect over all tests is on average when labels are permuted."""
        return float(nan_mean(self.omnibus_drawn))

    @property
    def edge(self) -> float:
        """The most extreme that it is in 19 of 20 permutations; NaN with fewer than 19, which can't tell."""
        known = self.omnibus_drawn[~np.isnan(self.omnibus_drawn)]
        if len(known) < 19:
            return float("nan")
        # The order statistic that only 5 % of labellings, the observed one among them, reach.
        rank = int(np.floor(0.05 * (1 + len(known)) + 1e-9))
        ordered = np.sort(known)
        return float(ordered[-rank] if self.rises else ordered[rank - 1])

    def resolves(self, level: float) -> bool:
        """Whether so many permutations can give a p-value at this level at all."""
        return least_p(self.draws) <= level

    def told(self, scale: float = 100.0, spec: str = "+.1f", unit: str = "") -> str:
        """In words: what permuted labels give, in a unit that is ``scale`` times smaller, and how that compares."""
        if np.isnan(self.omnibus_p):
            return f"with permuted labels ({self.draws} permutations) nothing can be compared"
        given = f", given {self.conditional_on}" if self.conditional_on else ""
        return (
            f"neurons selected by permuted labels give {self.mean * scale:{spec}}{unit} on average"
            f" (selection: {self.told_p()}{given})"
        )

    def told_p(self, test: str | None = None) -> str:
        """The p-value of one test, or that of all, and where it is the least that can be: how many permutations."""
        p = self.omnibus_p if test is None else float(self.p_values[self.tests.index(test)])
        if np.isnan(p):
            return "no p"
        return f"p {p:.2g}" + (
            "" if p > least_p(self.draws) * (1 + 1e-9) else f", the least that {self.draws} permutations can give"
        )
