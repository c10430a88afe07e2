"""How alike two rankings of the gates are: rank-biased overlap and Spearman's correlation.

[RBO] W. Webber, A. Moffat, J. Zobel, "A similarity measure for indefinite rankings", ACM Transactions on
Information Systems 28(4), 2010.
"""

import numpy as np
from jaxtyping import Float64, Int64
from scipy.stats import rankdata

from esn_interp.analysis.inference.significance import quotient
from esn_interp.neurons.origin import Origin


def agreement(
    first: Int64[np.ndarray, " depth"], second: Int64[np.ndarray, " depth"]
) -> Float64[np.ndarray, " depth"]:
    """Share of the items that the first d of both rankings have in common, for d = 1 to their length. [RBO]"""
    depth = len(first)
    place = np.full(int(max(first.max(initial=-1), second.max(initial=-1))) + 1, depth, dtype=np.int64)
    place[second] = np.arange(depth)
    # An item is shared from the depth on at which the later of the two rankings has it.
    met = np.maximum(np.arange(depth), place[first])
    shared = np.cumsum(np.bincount(met, minlength=depth + 1)[:depth])
    return shared / np.arange(1, depth + 1)


def rank_biased_overlap(
    first: Int64[np.ndarray, " depth"], second: Int64[np.ndarray, " depth"], *, persistence: float
) -> float:
    """Mean agreement over depths, where depth d + 1 weighs ``persistence`` times what depth d does. [RBO]

    It is extrapolated (the paper's equation 32): beyond the end of the rankings their agreement is taken to
    stay as it is there. 1 is the same order, 0 nothing in common; NaN for rankings without items.
    """
    if not len(first):
        return float("nan")
    shared, depth = agreement(first, second), len(first)
    weights = persistence ** np.arange(1, depth + 1)
    return float((1 - persistence) / persistence * (shared @ weights) + shared[-1] * persistence**depth)


def ranking(score: Float64[np.ndarray, " gate"], depth: int) -> Int64[np.ndarray, " depth"]:
    """The gates of highest score, ties by flat index, as in selecting."""
    return np.argsort(-score, kind="stable")[:depth].astype(np.int64)


def spearman(
    first: Float64[np.ndarray, "row gate"], second: Float64[np.ndarray, "column gate"]
) -> Float64[np.ndarray, "row column"]:
    """Spearman's correlation of every row with every column; NaN where all scores are tied."""
    one, two = (rankdata(scores, axis=1) for scores in (first, second))
    return _correlations(one, two)


def spearman_within_layers(
    first: Float64[np.ndarray, "row gate"], second: Float64[np.ndarray, "column gate"], origin: Origin
) -> Float64[np.ndarray, "row column"]:
    """The same of ranks that are counted, and centred, within each layer: what is left when two scores agree
    on which *layers* are strong is not in it."""
    ranks: list[np.ndarray] = []
    for scores in (first, second):
        parts = [rankdata(scores[:, columns], axis=1) for columns in origin.layers]
        ranks.append(np.concatenate([part - part.mean(axis=1, keepdims=True) for part in parts], axis=1))
    return _correlations(*ranks)


def _correlations(
    one: Float64[np.ndarray, "row gate"], two: Float64[np.ndarray, "column gate"]
) -> Float64[np.ndarray, "row column"]:
    one, two = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in (one, two))
    scale = np.sqrt((one**2).sum(axis=1))[:, None] * np.sqrt((two**2).sum(axis=1))
    return quotient(one @ two.T, scale)
