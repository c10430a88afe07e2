"""A small perceptron as plain arrays: what scikit-learn has learnt, without a pickle."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import softmax


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
