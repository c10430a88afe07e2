"""Strengths of conditions that were compared in pairs: the model of Bradley and Terry (1952)."""

import numpy as np
from jaxtyping import Float, Int
from scipy import optimize, special, stats
from scipy.sparse import csgraph

from esn_interp.analysis.inference.bounds import cluster_t_bounds


def connected(wins: Int[np.ndarray, "condition condition"]) -> bool:
    """Whether every condition is tied to every other by comparisons; else strengths have no common scale."""
    return int(csgraph.connected_components(wins + wins.T, directed=False)[0]) == 1


def bradley_terry(wins: Int[np.ndarray, "condition condition"]) -> Float[np.ndarray, " condition"]:
    """Strengths ``s``, their mean 0, where ``a`` is preferred to ``b`` with log-odds ``s[a] - s[b]``.

    ``wins[a, b]`` counts how often ``a`` was preferred to ``b``. The likelihood is penalised by Jeffreys' prior
    (Firth 1993, "Bias reduction of maximum likelihood estimates"; Heinze and Schemper 2002), which does about
    what half an answer more on either side would: strengths stay finite where one condition won every time.
    With two conditions their difference is the log-odds of ``(k + 1/2) / (n + 1)``, exactly. NaN where not all
    conditions are `connected`.
    """
    size = len(wins)
    if not connected(wins):
        return np.full(size, np.nan)
    basis, (first, second) = _contrasts(size), np.triu_indices(size, 1)
    answers = (wins + wins.T)[first, second]
    won, design = wins[first, second], basis[first] - basis[second]

    def lost(parameters: Float[np.ndarray, " free"]) -> tuple[float, Float[np.ndarray, " free"]]:
        """The negative penalised log-likelihood, and its gradient."""
        odds = design @ parameters
        share = special.expit(odds)
        weighted = design * np.sqrt(answers * share * (1 - share))[:, None]
        information = weighted.T @ weighted
        likelihood = won @ special.log_expit(odds) + (answers - won) @ special.log_expit(-odds)
        leverage = (weighted * np.linalg.solve(information, weighted.T).T).sum(axis=1)
        gradient = design.T @ (won - answers * share + leverage * (0.5 - share))
        return -(likelihood + 0.5 * np.linalg.slogdet(information)[1]), -gradient

    found = optimize.minimize(lost, np.zeros(size - 1), jac=True, method="BFGS", options={"gtol": 1e-6})
    return basis @ found.x


def strength_bounds(
    wins: Int[np.ndarray, "listener condition condition"], *, level: float = 0.95
) -> tuple[
    Float[np.ndarray, " condition"], Float[np.ndarray, " condition"], Float[np.ndarray, " condition"]
]:
    """Strengths from the answers of all listeners, and their lower and upper bounds.

    The bounds are cluster-t over listeners (`cluster_t_bounds`), and Wald's from the information of all
    answers where these are wider, so that listeners who happen to agree don't add certainty. NaN where
    strengths are not known, or a listener alone ties a condition to the others.
    """
    pooled = wins.sum(axis=0)
    value = bradley_terry(pooled)
    if np.isnan(value).any():
        return value, value, value
    wald = float(stats.norm.ppf(0.5 + level / 2)) * _errors(pooled, value)
    if len(wins) < 2:
        return value, value - wald, value + wald
    replicates = np.stack([bradley_terry(pooled - one) for one in wins])
    low, high = cluster_t_bounds(value, replicates, np.full(value.shape, len(wins)), level=level)
    return value, np.minimum(low, value - wald), np.maximum(high, value + wald)


def _errors(
    wins: Int[np.ndarray, "condition condition"], value: Float[np.ndarray, " condition"]
) -> Float[np.ndarray, " condition"]:
    """Standard errors: roots of the diagonal of the inverse information, on the scale with mean 0."""
    share = special.expit(value[:, None] - value[None, :])
    weights = (wins + wins.T) * share * (1 - share)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    basis = _contrasts(len(wins))
    return np.sqrt(np.diag(basis @ np.linalg.inv(basis.T @ laplacian @ basis) @ basis.T))


def _contrasts(size: int) -> Float[np.ndarray, "condition free"]:
    """An orthonormal basis of the strengths that have mean 0."""
    return np.linalg.svd(np.eye(size) - 1 / size)[0][:, : size - 1]
