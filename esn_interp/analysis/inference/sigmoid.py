"""A sigmoid through a dose-response curve, and the dose of half effect (EC50) with its interval over speakers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.optimize import least_squares
from scipy.special import expit

from esn_interp.analysis.inference.bounds import cluster_t_bounds
from esn_interp.analysis.inference.estimates import mean_over_sets
from esn_interp.analysis.inference.significance import Interval, SpeakerMeans

MIN_DOSES = 4
"""Doses above 0 that a fit of three free parameters needs at least; our choice."""

REACHED = 0.75
"""Share of the rise from bottom to plateau that must be seen at the largest dose; our choice.

A curve that has not bent yet says nothing about its plateau, and so nothing about where half of it is."""

_LEAST_RISE = 0.02
_FALL = 0.1
_MISS = 0.05
_STEEPEST = 20.0


@dataclass(frozen=True)
class Sigmoid:
    """Hill's equation, a logistic in the logarithm of the dose (our choice).

    ``bottom + (top - bottom) * dose^slope / (dose^slope + ec50^slope)``. ``bottom`` is not fitted: it is what
    is measured without a dose. All numbers are NaN where the fit is not identified, or where a free curve is nearer to
    the speakers, such as one that rises and falls; ``note`` says why;
    the bounds of ``ec50`` alone are NaN where it can't be fitted without one of the speakers.
    """

    ec50: Interval
    slope: float
    bottom: float
    top: float
    note: str

    def at(self, doses: Float[np.ndarray, " dose"]) -> Float[np.ndarray, " dose"]:
        """The fitted curve."""
        rise = np.zeros(len(doses))
        above = doses > 0
        rise[above] = expit(self.slope * (np.log(doses[above]) - np.log(self.ec50.value)))
        return self.bottom + (self.top - self.bottom) * rise


def fit_sigmoid(
    doses: Float[np.ndarray, " dose"],
    value: Float[np.ndarray, " dose"],
    replicates: Float[np.ndarray, "speaker dose"],
) -> Sigmoid:
    """Fit by unweighted least squares; the interval of log EC50 is a jackknife-t interval over speakers.

    Parameters
    ----------
    doses
        0 first (no dose), then rising amounts.
    value, replicates
        The curve, and the curve with each speaker left out in turn.
    """
    speakers = len(replicates)
    fitted, note = _identified(doses, value)
    if fitted is None:
        nothing = Interval(np.nan, np.nan, np.nan, speakers)
        return Sigmoid(nothing, np.nan, np.nan, np.nan, note)
    log_ec50, log_slope, top = fitted
    refits = [_fit(doses, curve, start=fitted) for curve in replicates]
    if free := _better_free(doses, value, replicates, refits):
        nothing = Interval(np.nan, np.nan, np.nan, speakers)
        return Sigmoid(nothing, np.nan, np.nan, np.nan, free)
    low = high = np.nan
    if any(refit is None for refit in refits):
        note = "no interval for EC50: without one of the speakers the curve can't be fitted"
    else:
        without = np.array([refit[0] for refit in refits if refit is not None])
        bounds = cluster_t_bounds(np.array(log_ec50), without, np.array(speakers))
        low, high = (float(np.exp(bound)) for bound in bounds)
    ec50 = Interval(float(np.exp(log_ec50)), low, high, speakers)
    return Sigmoid(ec50, float(np.exp(log_slope)), float(value[0]), float(top), note)


def fit_curves(
    doses: Float[np.ndarray, " dose"], undosed: SpeakerMeans, dosed: SpeakerMeans
) -> tuple[Sigmoid, tuple[Sigmoid, ...]]:
    """The fit to the mean of curves over sets, and that to each set's; doses below 0 (damping) are left out.

    ``undosed`` and ``dosed`` hold means by speaker, set and dose; the first has a single dose, none.
    """
    above = doses > 0
    means = SpeakerMeans(
        np.concatenate([undosed.total, dosed.total[..., above]], axis=-1),
        np.concatenate([undosed.count, dosed.count[..., above]], axis=-1),
    )
    amounts, value, replicates = np.r_[0.0, doses[above]], means.value, means.replicates
    overall = fit_sigmoid(amounts, mean_over_sets(value), mean_over_sets(replicates))
    return overall, tuple(fit_sigmoid(amounts, value[at], replicates[:, at]) for at in range(len(value)))


def _identified(
    doses: Float[np.ndarray, " dose"], value: Float[np.ndarray, " dose"]
) -> tuple[Float[np.ndarray, " parameter"] | None, str]:
    """The fit, or None and why there is none to trust."""
    if len(doses) <= MIN_DOSES:
        return None, f"no sigmoid: it needs {MIN_DOSES} doses above 0, there are {len(doses) - 1}"
    if np.isnan(value).any() or value.max() - value[0] < _LEAST_RISE:
        return None, "no sigmoid: the curve does not rise"
    fitted = _fit(doses, value, start=_start(doses, value))
    if fitted is None:
        return None, "no sigmoid: the fit did not converge"
    log_ec50, log_slope, _ = fitted
    if log_ec50 < np.log(doses[1]):
        return None, "no sigmoid: half of the effect is there at the smallest dose; try smaller ones"
    if log_slope > np.log(_STEEPEST):
        return None, "no sigmoid: the curve is a step between two doses; try more between them"
    if expit(np.exp(log_slope) * (np.log(doses[-1]) - log_ec50)) < REACHED:
        return None, "no sigmoid: the curve has not reached its plateau; try larger doses"
    return fitted, ""


def _better_free(
    doses: Float[np.ndarray, " dose"],
    value: Float[np.ndarray, " dose"],
    replicates: Float[np.ndarray, "speaker dose"],
    refits: Sequence[Float[np.ndarray, " parameter"] | None],
) -> str:
    """Why a curve with a level of its own at every dose is to be believed instead; empty where the sigmoid is.

    Each speaker's curve is foretold from the others': by their sigmoid, and by their curve as it is. The free curve
    is better where its squared errors are smaller by more than a standard error over speakers, and by more than what a
    miss of a twentieth of the rise makes (our choice: with noise alone one of two equal descriptions is always a
    little better, and without any no equation fits to the last digit). With one speaker there is nothing to
    foretell, and a fall by more than a tenth of the rise decides.
    """
    speakers, peak = len(replicates), int(np.argmax(value))
    fall, rise = value[peak] - value[-1], value[peak] - value[0]
    if speakers < 2:
        worse = fall > _FALL * rise
    else:
        own = speakers * value - (speakers - 1) * replicates
        known = [(at, refit) for at, refit in enumerate(refits) if refit is not None]
        excess = np.array(
            [
                np.mean((own[at] - _curve(refit, doses, replicates[at])) ** 2 - (own[at] - replicates[at]) ** 2)
                for at, refit in known
            ]
        )
        error = excess.std(ddof=1) / np.sqrt(len(excess)) if len(excess) > 1 else 0.0
        worse = len(excess) > 0 and bool(excess.mean() > error + (_MISS * rise) ** 2)
    if not worse:
        return ""
    where = f"its peak is {value[peak]:.0%} at {doses[peak]:g}"
    falls = f", and {value[-1]:.0%} are left at {doses[-1]:g}" if peak < len(doses) - 1 else ""
    return f"no EC50: a free curve fits better than a rising sigmoid; {where}{falls}"


def _curve(
    parameters: Float[np.ndarray, " parameter"], doses: Float[np.ndarray, " dose"], value: Float[np.ndarray, " dose"]
) -> Float[np.ndarray, " dose"]:
    """The fitted curve, from what is measured without a dose."""
    return value[0] + np.r_[0.0, _rise(parameters, np.log(doses[1:]), value[0])]


def _rise(
    parameters: Float[np.ndarray, " parameter"], position: Float[np.ndarray, " dose"], bottom: float
) -> Float[np.ndarray, " dose"]:
    log_ec50, log_slope, top = parameters
    # Far out the slope would overflow; nothing there is accepted as a fit.
    slope = np.exp(np.clip(log_slope, -10.0, 10.0))
    return (top - bottom) * expit(slope * (position - log_ec50))


def _start(
    doses: Float[np.ndarray, " dose"], value: Float[np.ndarray, " dose"]
) -> Float[np.ndarray, " parameter"]:
    """Half of the observed rise is reached somewhere: there, with a moderate slope."""
    half = int(np.argmax(value >= (value[0] + value.max()) / 2))
    return np.array([np.log(doses[max(half, 1)]), np.log(1.5), value.max()])


def _fit(
    doses: Float[np.ndarray, " dose"],
    value: Float[np.ndarray, " dose"],
    *,
    start: Float[np.ndarray, " parameter"],
) -> Float[np.ndarray, " parameter"] | None:
    """Log EC50, log slope and plateau; None without convergence."""
    if np.isnan(value).any():
        return None
    position, above = np.log(doses[1:]), value[1:] - value[0]

    def residuals(parameters: Float[np.ndarray, " parameter"]) -> Float[np.ndarray, " dose"]:
        return _rise(parameters, position, value[0]) - above

    found = least_squares(residuals, start, method="lm", max_nfev=500)
    return np.asarray(found.x) if found.success else None
