"""A teacher for real speech: a linear classifier that says of every changed version of a clip what it hears in it.

From the same few speakers, logistic regression over functionals learns more that is true of others than toy-omni does:
so toy-omni learns from what it says of each version (Beyer et al. 2022, "Knowledge distillation: a good teacher is
patient and consistent": both hear the very same one), and only for a part from the label.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

PERCENTILES = (10, 50, 90)


def functionals(mel: Tensor) -> np.ndarray:
    """Of every mel band its mean, spread and percentiles, how fast it moves, and the clip's length in frames."""
    values = mel.float().numpy()
    moves = np.diff(values, axis=1)
    return np.concatenate(
        [
            values.mean(1),
            values.std(1),
            np.percentile(values, PERCENTILES, axis=1).ravel(),
            np.abs(moves).mean(1),
            moves.std(1),
            [values.shape[1]],
        ]
    )


class Teacher:
    """Learns from versions of clips, and hears others."""

    def __init__(self, versions: Sequence[Tensor], acted: Sequence[str], *, strength: float = 0.01) -> None:
        self._classifier: Any = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=300)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._classifier.fit([functionals(mel) for mel in versions], list(acted))

    def votes(self, mel: Tensor) -> dict[str, float]:
        """How likely it finds each emotion that it knows."""
        shares = self._classifier.predict_proba(functionals(mel)[None])[0]
        return dict(zip(self._classifier.classes_.tolist(), shares.tolist(), strict=True))
