"""Axes that several figures share."""

import numpy as np
from jaxtyping import Float


def log_position(alphas: Float[np.ndarray, " alpha"]) -> Float[np.ndarray, " alpha"]:
    """Where an alpha stands on the axis: ``sign(alpha) * log2(1 + |alpha|)``."""
    return np.sign(alphas) * np.log2(1 + np.abs(alphas))
