"""Inference with the speaker as the unit: intervals, tests, and families of tests.

Clips of one speaker are not independent, so an interval over clips is too narrow. Everything here takes one
value per speaker, or leaves one speaker out at a time. All functions are pure and take plain arrays.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import numpy.typing as npt
from einops import rearrange, reduce
from jaxtyping import Bool, Float, Int, Shaped
from scipy import special
from scipy.optimize import brentq

from esn_interp.analysis.inference.bounds import Speakers, cell_bounds, computed_bounds
from esn_interp.errors import StatisticsError

MIN_SPEAKERS = 6
"""With fewer speakers no p-value is given: a two-sided sign-flip test of five can't go below 0.06.

A family of tests needs more, see `min_speakers`."""

Range = tuple[float, float]
ANYWHERE: Range = (-np.inf, np.inf)
RATE: Range = (0.0, 1.0)
CHANGE: Range = (-1.0, 1.0)
CONTRAST: Range = (-2.0, 2.0)
"""What a share can be, a difference of two shares, and a difference of two such differences."""

ALTERNATIVES = ("two-sided", "less", "greater")
_EXACT_SPEAKERS = 16


@dataclass(frozen=True)
class Interval:
    """An estimate, its confidence bounds, and the number of speakers behind them.

    The bounds are NaN where nothing can be said: with fewer than two speakers, or where outcomes without limits are
    the same for all. They never meet.
    """

    value: float
    low: float
    high: float
    speakers: int

    def scaled(self, factor: float | int) -> "Interval":
        """The same in another unit; 100 turns fractions into percentage points."""
        return Interval(self.value * factor, self.low * factor, self.high * factor, self.speakers)

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside; false when the bounds are unknown."""
        return self.low > 0 or self.high < 0

    def __format__(self, spec: str) -> str:
        """The value and its bounds, each in the given format: ``-0.21 [-0.30, -0.12]``."""
        if np.isnan(self.low):
            return f"{self.value:{spec}} [no interval]"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def min_speakers(tests: int = 1, *, level: float = 0.05) -> int:
    """Speakers from which a family of so many sign-flip tests can say anything: 6 for one, 8 for five, 9 for twelve.

    The smallest two-sided p of S speakers is ``2^(1 - S)``, and Holm multiplies it by the number of tests.
    """
    return 1 + int(np.ceil(np.log2(max(tests, 1) / level)))


def few_speakers_note(speakers: int, tests: int = 1) -> str | None:
    """What a reader must be told when the speakers are too few for a family of tests; None when they are enough."""
    needed = min_speakers(tests)
    if speakers >= needed:
        return None
    if speakers < 2:
        return "one speaker only: no interval and no test, results may not carry over to other speakers"
    family = f" for {tests} tests together" if tests > 1 else ""
    if speakers >= MIN_SPEAKERS:
        return f"{speakers} speakers are too few{family}: no p-value (given from {needed} on)"
    return f"only {speakers} speakers: wide, rough intervals, and no p-value{family} (given from {needed} on)"


@dataclass(frozen=True, eq=False)
class SpeakerMeans:
    """Means over clips that know which speaker each clip came from.

    ``total`` is the sum of a clip-level outcome and ``count`` the number of clips, per speaker (first axis)
    and cell; the cells are whatever is being estimated together, such as condition by emotion. ``gain`` is the sum of
    the outcomes above 0 alone, by default as if no speaker had outcomes of both signs; ``clips`` is the number of
    different clips, where each counts several times (under several random draws).
    """

    total: Float[np.ndarray, " speaker *cell"]
    count: Int[np.ndarray, " speaker *cell"]
    gain: Float[np.ndarray, " speaker *cell"] | None = None
    clips: Int[np.ndarray, " speaker *cell"] | None = None

    @classmethod
    def of(
        cls,
        outcome: Shaped[np.ndarray, " clip *cell"],
        mask: Bool[np.ndarray, " clip *cell"],
        speaker: Int[np.ndarray, " clip"],
        *,
        speakers: int,
    ) -> "SpeakerMeans":
        """Sum the outcomes of the clips that the mask admits, by speaker (numbered from 0)."""
        total, gain = np.zeros((2, speakers, *outcome.shape[1:]))
        count = np.zeros((speakers, *outcome.shape[1:]), dtype=np.int64)
        admitted = np.where(mask, outcome, 0.0)
        np.add.at(total, speaker, admitted)
        np.add.at(gain, speaker, np.maximum(admitted, 0.0))
        np.add.at(count, speaker, mask)
        return cls(total, count, gain)

    @classmethod
    def over_clips(
        cls,
        outcome: Shaped[np.ndarray, " *cell clip"],
        among: Bool[np.ndarray, "... clip"],
        speakers: Sequence[str],
    ) -> "SpeakerMeans":
        """Sum the outcomes of the clips in ``among`` (which is broadcast), by speaker in alphabetical order.

        ``speakers`` names that of each clip.
        """
        number = np.unique(np.array(speakers), return_inverse=True)[1]
        by_clip = rearrange(outcome, "... clip -> clip ...")
        mask = rearrange(np.broadcast_to(among, outcome.shape), "... clip -> clip ...")
        return cls.of(by_clip, mask, number, speakers=len(set(speakers)))

    @classmethod
    def stack(cls, kinds: Sequence["SpeakerMeans"]) -> "SpeakerMeans":
        """Several quantities of the same speakers and cells side by side; the kind is the first axis of a cell."""
        parts = ("total", "count", "gains", "different")
        return cls(*(np.stack([getattr(kind, part) for kind in kinds], axis=1) for part in parts))

    def __add__(self, other: "SpeakerMeans") -> "SpeakerMeans":
        """Pool with further clips of the same speakers."""
        parts = ("total", "count", "gains", "different")
        return SpeakerMeans(*(getattr(self, part) + getattr(other, part) for part in parts))

    def pool(self, parts: Iterable["SpeakerMeans"]) -> "SpeakerMeans":
        """All parts together, in cells such as these and on these clips at most; without any part, no cell has one."""
        pooled = sum(parts, SpeakerMeans(np.zeros_like(self.total), np.zeros_like(self.count)))
        return replace(pooled, clips=np.minimum(pooled.different, self.different))

    @property
    def gains(self) -> Float[np.ndarray, " speaker *cell"]:
        """The sum of the outcomes above 0."""
        return np.maximum(self.total, 0.0) if self.gain is None else self.gain

    @property
    def different(self) -> Int[np.ndarray, " speaker *cell"]:
        """The number of different clips."""
        return self.count if self.clips is None else self.clips

    @property
    def present(self) -> Bool[np.ndarray, " speaker"]:
        """Which speakers have a clip in any cell."""
        return reduce(self.count > 0, "speaker ... -> speaker", "any")

    @property
    def value(self) -> Float[np.ndarray, "*cell"]:
        """Mean over all clips; NaN for a cell without any."""
        return quotient(self.total.sum(axis=0), self.count.sum(axis=0))

    @property
    def per_speaker(self) -> Float[np.ndarray, " speaker *cell"]:
        """Mean over each speaker's clips; NaN where the speaker has none in the cell."""
        return quotient(self.total, self.count)

    @property
    def speakers(self) -> Int[np.ndarray, "*cell"]:
        """Number of speakers with a clip in the cell."""
        return np.asarray((self.count > 0).sum(axis=0))

    @property
    def replicates(self) -> Float[np.ndarray, " speaker *cell"]:
        """The mean with each speaker left out in turn."""
        return quotient(self.total.sum(axis=0) - self.total, self.count.sum(axis=0) - self.count)

    def bounds(
        self, *, within: Range = ANYWHERE, level: float = 0.95
    ) -> tuple[Float[np.ndarray, "*cell"], Float[np.ndarray, "*cell"]]:
        """Lower and upper bounds of every cell's mean; see `cell_bounds`.

        ``within`` is what the estimate can be at all: bounds are cut there, which costs no coverage, and outcomes
        within `RATE` or `CHANGE` are taken as shares of clips, or changes of such.
        """
        gained = None
        if within in (RATE, CHANGE):
            gained = Speakers.of(self.gains, self.count, self.different).value
        found = cell_bounds(self.value, self._speakers, gained, share=within == RATE, level=level)
        return _cut(*found, within)

    def reduced(
        self,
        compute: Callable[[np.ndarray], np.ndarray],
        *,
        within: Range = ANYWHERE,
        of_shares: bool = True,
        level: float = 0.95,
    ) -> tuple[Float[np.ndarray, "*rest"], Float[np.ndarray, "*rest"], Float[np.ndarray, "*rest"]]:
        """Value, lower and upper bounds of what is computed from the cells, such as the mean of a diagonal.

        ``compute`` maps ``[..., *cell]`` to ``[..., *rest]``; it is applied to the pooled means, to the means of
        speakers that count alike, and to these with each speaker left out; see `computed_bounds`. Where ``within``
        has two ends, the outcomes of clips are taken to lie between -1 and 1; not so with ``of_shares`` false.
        """
        value, limited = np.asarray(compute(self.value)), of_shares and bool(np.isfinite(within).all())
        return value, *_cut(*computed_bounds(value, self._speakers, compute, limited=limited, level=level), within)

    @property
    def _speakers(self) -> Speakers:
        return Speakers.of(self.total, self.count, self.different)

    def interval(
        self,
        compute: Callable[[np.ndarray], np.ndarray] | None = None,
        *,
        within: Range = ANYWHERE,
        of_shares: bool = True,
        level: float = 0.95,
    ) -> Interval:
        """Interval of the only cell, or of one number computed from the cells; see `bounds` and `reduced`."""
        if compute is None:
            value, (low, high) = self.value, self.bounds(within=within, level=level)
        else:
            value, low, high = self.reduced(compute, within=within, of_shares=of_shares, level=level)
        return Interval(float(value), float(low), float(high), int(self.present.sum()))


def _cut(
    low: Float[np.ndarray, "*cell"], high: Float[np.ndarray, "*cell"], within: Range
) -> tuple[Float[np.ndarray, "*cell"], Float[np.ndarray, "*cell"]]:
    return np.asarray(np.maximum(low, within[0])), np.asarray(np.minimum(high, within[1]))


def standardised_effect(values: Float[np.ndarray, " speaker"], *, level: float = 0.95) -> Interval:
    """Mean of one value per speaker in units of their standard deviation between speakers (Cohen's d_z).

    With one difference per speaker this is the effect size of a paired comparison. The bounds invert the
    noncentral t distribution, exact for normal values (Steiger and Fouladi 1997). It is not corrected for its
    bias upwards, about 19 % with six speakers and 4 % with twenty. Speakers with NaN are left out; with fewer than
    two, or where all agree, there is no standard deviation and the result is NaN.
    """
    values = values[~np.isnan(values)]
    count, unknown = len(values), float("nan")
    spread = float(values.std(ddof=1)) if count > 1 else 0.0
    if spread <= 1e-12 * float(np.abs(values).max(initial=0.0)):
        return Interval(unknown, unknown, unknown, count)
    effect, root = float(values.mean()) / spread, np.sqrt(count)
    low, high = (_noncentrality(count - 1, 0.5 + side * level / 2, effect * root) / float(root) for side in (1, -1))
    return Interval(effect, low, high, count)


def _noncentrality(freedom: int, below: float, t: float) -> float:
    """With which a noncentral t variable is at most ``t`` with probability ``below``."""
    found = float(special.nctdtrinc(freedom, below, t))
    if abs(t) > 1:
        return found
    # Near 0 scipy gives the normal quantile, as if t were 0.
    return float(brentq(lambda centre: special.nctdtr(freedom, centre, t) - below, found - 1, found + 1))


def sign_flip_test(
    values: Float[np.ndarray, " speaker"],
    *,
    alternative: str = "two-sided",
    draws: int = 20_000,
    seed: int = 0,
) -> float:
    """P-value of the hypothesis that every speaker's value is symmetric about 0; the statistic is the mean.

    All sign patterns are enumerated up to 16 speakers, which makes the test exact; beyond, ``draws`` random
    ones are taken and the observed one is counted among them (Phipson and Smyth 2010), which keeps it valid.
    Speakers with NaN are left out. Without any speaker the result is NaN.
    """
    if alternative not in ALTERNATIVES:
        raise StatisticsError(f"unknown alternative {alternative!r}; choose {', '.join(ALTERNATIVES)}")
    values = values[~np.isnan(values)]
    if not len(values):
        return float("nan")
    exact = len(values) <= _EXACT_SPEAKERS
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=len(values))))
    else:
        signs = np.random.default_rng(seed).choice((1.0, -1.0), size=(draws, len(values)))
    flipped, observed = signs @ values, values.sum()
    if alternative == "two-sided":
        flipped, observed = np.abs(flipped), np.abs(observed)
    elif alternative == "less":
        flipped, observed = -flipped, -observed
    # Sums of the same numbers in another order differ by rounding, and a tie must count as reached.
    reached = int((flipped >= observed - 1e-9 * np.abs(values).sum()).sum())
    return reached / len(signs) if exact else (reached + 1) / (draws + 1)


def sign_flip_tests(
    values: Float[np.ndarray, "speaker test"], *, seed: int = 0
) -> Float[np.ndarray, " test"]:
    """`sign_flip_test` of each column, a family that is to be adjusted by `holm`.

    NaN where too few speakers have a value: where, even if all of them were alike, and every test of more speakers had
    been rejected, Holm's step would leave more than .05 (see `min_speakers`). A column without any value is no test.
    """
    speakers = (~np.isnan(values)).sum(axis=0)
    order = np.argsort(-speakers, kind="stable")
    steps = np.arange((speakers > 0).sum(), 0, -1)
    needed = np.array([min_speakers(int(step)) for step in steps], dtype=np.int64)
    enough = np.zeros(len(speakers), dtype=np.bool_)
    enough[order[: len(steps)]] = np.logical_and.accumulate(speakers[order[: len(steps)]] >= needed)
    tested = zip(values.T, enough, strict=True)
    return np.array([sign_flip_test(column, seed=seed) if of else np.nan for column, of in tested], np.float64)


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Holm's step-down adjustment for one family; NaN stays NaN and does not count as a test (Holm 1979)."""
    adjusted = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    order = tested[np.argsort(p_values[tested], kind="stable")]
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0) if len(order) else steps
    return adjusted


def nan_mean(values: Float[np.ndarray, "*cell value"]) -> Float[np.ndarray, "*cell"]:
    """Mean over the last axis of what is known; NaN, without a warning, where nothing is."""
    known = ~np.isnan(values)
    return quotient(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1))


def quotient(total: npt.ArrayLike, count: npt.ArrayLike) -> np.ndarray:
    """Elementwise quotient, NaN where the count is 0; an array also when it has no axis."""
    total, count = np.broadcast_arrays(np.asarray(total, dtype=np.float64), np.asarray(count))
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
