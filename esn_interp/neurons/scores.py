"""The formulas: how much each gate speaks for each emotion.

[ESN-SER] Zhao, Schuller, Sisman, arXiv 2601.03115; [LAPE] Tang et al., arXiv 2402.16438.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.rates import Rates


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


def _require_contrast(rates: Rates) -> None:
    if len(rates.emotions) < 2:
        had = ", ".join(rates.emotions) or "none"
        raise StatisticsError(f"a contrast needs two emotions or more, these statistics hold {had}")
