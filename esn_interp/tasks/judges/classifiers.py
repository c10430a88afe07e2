"""Boosted trees and a small perceptron as plain arrays: what scikit-learn has learnt, without a pickle."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy.special import softmax


@dataclass(frozen=True, eq=False)
class Trees:
    """Gradient-boosted trees for several classes, as `HistGradientBoostingClassifier` grows them.

    A row goes left where its value is at most the threshold, and where a missing value (NaN) is told to; a leaf has
    itself as both children, so that a row that has arrived stays.
    """

    feature: Int32[np.ndarray, " node"]
    threshold: Float64[np.ndarray, " node"]
    missing_left: Bool[np.ndarray, " node"]
    left: Int32[np.ndarray, " node"]
    right: Int32[np.ndarray, " node"]
    value: Float64[np.ndarray, " node"]
    roots: Int32[np.ndarray, "round label"]
    baseline: Float64[np.ndarray, " label"]

    def probabilities(self, rows: Float64[np.ndarray, "row feature"]) -> Float64[np.ndarray, "row label"]:
        """Probability of each class, as scikit-learn's `predict_proba` has it."""
        node = np.broadcast_to(self.roots, (len(rows), *self.roots.shape))
        row = np.arange(len(rows))[:, None, None]
        while True:
            value = rows[row, self.feature[node]]
            left = np.where(np.isnan(value), self.missing_left[node], value <= self.threshold[node])
            following = np.where(left, self.left[node], self.right[node])
            if np.array_equal(following, node):
                return softmax(self.baseline + self.value[node].sum(axis=1), axis=1)
            node = following


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Standardised numbers, one layer of rectified units, and a softmax."""

    mean: Float64[np.ndarray, " statistic"]
    scale: Float64[np.ndarray, " statistic"]
    hidden: Float64[np.ndarray, "statistic unit"]
    hidden_bias: Float64[np.ndarray, " unit"]
    output: Float64[np.ndarray, "unit emotion"]
    output_bias: Float64[np.ndarray, " emotion"]

    def probabilities(self, rows: Float64[np.ndarray, "clip statistic"]) -> Float64[np.ndarray, "clip emotion"]:
        """Probability of each class, as scikit-learn's `predict_proba` has it."""
        units = np.maximum((rows - self.mean) / self.scale @ self.hidden + self.hidden_bias, 0.0)
        return softmax(units @ self.output + self.output_bias, axis=1)
