"""The formulas: how much each gate speaks for each emotion.

[ESN-SER] Zhao, Schuller, Sisman, arXiv 2601.03115; [LAPE] Tang et al., arXiv 2402.16438.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64
from scipy.stats import rankdata

from esn_interp.drawing.brief import brief
from esn_interp.errors import StatisticsError
from esn_interp.neurons.rates import Rates, Spread

_GATES = 8192
"""Gates that are ranked at a time."""


@dataclass(frozen=True, eq=False)
class Scores:
    """How much each gate speaks for each emotion; the higher, the sooner it is selected.

    ``eligible`` says which gates may be selected for which emotion at all. ``cut`` says what is ranked: with
    ``emotion`` the gates of each emotion by themselves; with ``model`` every gate once, and a selected gate
    then joins every emotion that it is eligible for. There, a score of minus infinity is never selected.
    """

    score: Float64[np.ndarray, "emotion gate"]
    eligible: Bool[np.ndarray, "emotion gate"]
    cut: Literal["emotion", "model"] = "emotion"

    __repr__ = brief


def lap(rates: Rates) -> Scores:
    """Frequency: ``P[e]``. All gates are eligible. [ESN-SER]"""
    return Scores(rates.frequency, np.ones_like(rates.frequency, dtype=np.bool_))


def mad(rates: Rates) -> Scores:
    """Mean deviation: ``mu[e] - mean of mu[e'] over e' != e``, where it is positive. [ESN-SER]

    It ranks as the deviation from the unweighted grand mean does, which is (E - 1) / E of it.
    """
    _require_contrast(rates)
    n = len(rates.emotions)
    others = (rates.mean.sum(axis=0) - rates.mean) / (n - 1)
    score = rates.mean - others
    return Scores(score, score > 0)


def mad_rate(rates: Rates) -> Scores:
    """Mean deviation of the firing rate: ``P[e] - mean of P[e'] over e' != e``, where it is positive.

    What the authors later call mean deviation may be this, since firings and tokens are all that they keep.
    """
    _require_contrast(rates)
    n = len(rates.emotions)
    score = rates.frequency - (rates.frequency.sum(axis=0) - rates.frequency) / (n - 1)
    return Scores(score, score > 0)


def cas(rates: Rates) -> Scores:
    """Contrast: ``P[e] - max of P[e'] over e' != e``, where it is positive. [ESN-SER]

    Positive for the emotion of highest frequency alone: its margin over the second. Tied tops belong to none.
    """
    _require_contrast(rates)
    # The largest among the others is the overall largest, save for the emotion that holds it.
    ordered = np.sort(rates.frequency, axis=0)
    first, second = ordered[-1], ordered[-2]
    score = rates.frequency - np.where(rates.frequency == first, second, first)
    return Scores(score, score > 0)


def cohen(rates: Rates) -> Scores:
    """Standardised difference: the deviation of `mad` in units of the gate's own spread, where it is positive.

    With ``s`` the standard deviation of single clips' means within emotions, pooled: ``s^2 = sum_e (n_e - 1) s_e^2 /
    sum_e (n_e - 1)``. It is Cohen's d of an emotion against the mean of the others (Cohen 1988), and the same
    whatever a gate is multiplied by. Several scopes are scored by themselves and averaged with equal weight. A gate
    that is 0 on every clip has no score.
    """
    spreads = _spreads(rates, "cohen")
    pooled = [
        (spread.variance * (spread.clips - 1)).sum(axis=0) / np.maximum((spread.clips - 1).sum(axis=0), 1)
        for spread in spreads
    ]
    return _standardised([(spread.contrast, variance) for spread, variance in zip(spreads, pooled, strict=True)])


def welch(rates: Rates) -> Scores:
    """Welch's t of an emotion's clips against the others', where it is positive (Welch 1947).

    The deviation of `mad` divided by its standard error, in which every emotion has a variance of its own:
    ``s_e^2 / n_e + sum over e' != e of s_e'^2 / n_e' / (E - 1)^2``. Otherwise as `cohen`.
    """
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for spread in _spreads(rates, "welch"):
        error = spread.variance / np.maximum(spread.clips, 1)
        others = (error.sum(axis=0) - error) / (len(error) - 1) ** 2
        parts.append((spread.contrast, error + others))
    return _standardised(parts)


def auroc(rates: Rates) -> Scores:
    """How often a clip of the emotion opens the gate further than a clip of another, where that is above one half.

    The area under the ROC curve, from the ranks of single clips' means: ``U / (n_e (n - n_e))`` with ties counted
    half (Mann and Whitney 1947). It needs single clips. Nothing but the order counts, so it is the same whatever a
    gate is multiplied by; and many gates may share the highest score, 1.
    """
    _require_contrast(rates)
    _require_clips(rates, "auroc")
    singles = rates.singles()
    gates = rates.mean.shape[1]
    score = np.empty((len(rates.emotions), gates))
    mine = singles.emotion == np.arange(len(rates.emotions))[:, None]
    sizes = mine.sum(axis=1)[:, None]
    for start in range(0, gates, _GATES):
        columns = slice(start, start + _GATES)
        ranks = rankdata(singles.means(columns), axis=0)
        above = mine @ ranks - sizes * (sizes + 1) / 2
        score[:, columns] = above / (sizes * (len(singles.emotion) - sizes))
    return Scores(score, score > 0.5)


def lape(rates: Rates, tau_rate: float = 0.95, beta_rate: float = 0.95) -> Scores:
    """Entropy over the emotions: ``-H`` with ``H = -sum_e q[e] ln q[e]``, ``q = P / sum_e P``. [LAPE]

    1. p = firings / tokens, in float32, as all that follows.
    2. q = p / sum_e p (0/0 gives 0), H = -sum_e q ln q, where a zero term adds nothing.
    3. tau is the r-th smallest of all values of p, r = round(tau_rate * their number), counted from 1.
    4. A gate with no emotion strictly above tau has infinite H and is never selected.
    5. The lowest H over the whole model are selected: this is the shared cut.
    6. beta is the order statistic at ``beta_rate``; a selected gate joins every emotion with p strictly above
       it.

    PyTorch does the arithmetic, with the emotion as the last axis: entropies that are equal on paper differ
    in their last bit by the order of summation, and only the published order gives the published ranks.
    """
    for name, rate in (("tau_rate", tau_rate), ("beta_rate", beta_rate)):
        if not 0 < rate <= 1:
            raise StatisticsError(f"{name} is a fraction in (0, 1], not {rate:g}")
    if rates.pooling == "token":
        tokens = torch.from_numpy(rates.tokens.T.copy()).float()
        p = (torch.from_numpy(rates.firings.T.copy()).float() / tokens).nan_to_num(nan=0.0)
    else:
        p = torch.from_numpy(rates.frequency.T.copy()).float()
    q = (p / p.sum(dim=-1, keepdim=True)).nan_to_num(nan=0.0)
    log_q = torch.where(q > 0, q.log(), torch.zeros(()))
    entropy = -torch.sum(q * log_q, dim=-1)
    entropy[~(p > _order_statistic(p, tau_rate)).any(dim=-1)] = torch.inf
    score = np.broadcast_to(-entropy.double().numpy(), (len(rates.emotions), len(entropy)))
    return Scores(score, (p > _order_statistic(p, beta_rate)).numpy().T, cut="model")


def random(rates: Rates, seed: int = 0) -> Scores:
    """Uniform scores: the same number of gates anywhere in the model.

    To compare with a given set, draw `NeuronSet.random_like` it: that matches the layers, and avoids the set.
    """
    score = np.random.default_rng(seed).random(rates.frequency.shape)
    return Scores(score, np.ones_like(score, dtype=np.bool_))


def _order_statistic(p: torch.Tensor, rate: float) -> torch.Tensor:
    """The r-th smallest value, r = round(rate * number of values): not an interpolated quantile. [LAPE]"""
    return p.flatten().kthvalue(max(1, round(rate * p.numel()))).values


def _spreads(rates: Rates, selector: str) -> tuple[Spread, ...]:
    """The spread over clips in every scope (StatisticsError where there is none)."""
    _require_contrast(rates)
    _require_clips(rates, selector)
    if (rates.clips < 2).all():
        raise StatisticsError(
            f"selector {selector!r} measures how clips of an emotion differ, and every emotion has one; collect more"
        )
    return rates.spreads()


def _standardised(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Scores:
    """The mean over scopes of a contrast in units of the square root of a variance; 0 where that is 0."""
    # A variance of 0 is that of a gate which is 0 on every clip, and so is its contrast.
    score = np.mean([contrast / np.sqrt(np.where(variance > 0, variance, 1.0)) for contrast, variance in parts], axis=0)
    return Scores(score, score > 0)


def _require_clips(rates: Rates, selector: str) -> None:
    if rates.pooling != "clip":
        raise StatisticsError(f"selector {selector!r} compares clips, so pooling is clip, not {rates.pooling}")


def _require_contrast(rates: Rates) -> None:
    if len(rates.emotions) < 2:
        had = ", ".join(rates.emotions) or "none"
        raise StatisticsError(f"a contrast needs two emotions or more, these statistics hold {had}")
