"""What steering without the label does to recognition, method by method and alpha by alpha."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int8, Int64

from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfSets
from esn_interp.errors import EditError


@dataclass(frozen=True, eq=False)
class Injection(OfSets):
    """What steering without the label does to recognition, method by method and alpha by alpha.

    ``methods`` are the ways of [ESN-SER], see `esn_interp.interventions.injection`, and before them
    ``oracle``, which is told the label. ``accuracy`` and ``uar`` (mean recall of the emotions) are changes
    against no injection, ``random_accuracy`` and ``random_uar`` the same when layer-matched random neurons
    stand in for the found ones, and ``above_random`` is the accuracy's difference of the two. ``p_values``
    test that difference by sign-flips over speakers; ``p_holm`` adjusts them over all methods and alphas (the
    oracle's by themselves). Both are NaN without random draws, or with
    fewer speakers than a family of so many tests needs (`min_speakers`).

    ``groups`` are the changes of accuracy by sex and by language, where the corpus knows these.

    Per clip: ``baseline_predicted`` and ``predicted`` index ``emotions``; ``random_predicted`` holds the
    answers under as many random sets as each clip met.
    """

    kind: ClassVar[str] = "injection"

    positions: tuple[str, ...]
    tokens_touched: int
    draws: int
    neurons: tuple[int, ...]
    methods: tuple[str, ...]
    alphas: Float64[np.ndarray, " alpha"]
    baseline_accuracy: Interval
    baseline_uar: Interval
    accuracy: Estimates
    uar: Estimates
    random_accuracy: Estimates
    random_uar: Estimates
    above_random: Estimates
    p_values: Float64[np.ndarray, "method alpha"]
    p_holm: Float64[np.ndarray, "method alpha"]
    truth: Int64[np.ndarray, " clip"]
    baseline_predicted: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "method alpha clip"]
    random_predicted: Int8[np.ndarray, "turn method alpha clip"]
    groups: tuple[GroupEffect, ...] = ()

    def gain(self, method: str, alpha: float | int) -> Interval:
        """Change of accuracy by one method at one alpha."""
        found = np.flatnonzero(np.isclose(self.alphas, alpha))
        if method not in self.methods or not len(found):
            run = ", ".join(f"{one:g}" for one in self.alphas)
            raise EditError(f"{method} at alpha {alpha:g} was not run; there are {self.methods} at {run}")
        return self.accuracy.at(self.methods.index(method), int(found[0]), speakers=self.n_speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, kind of neurons (own, random), method and alpha."""
        tables = {
            ("accuracy", "own"): self.accuracy,
            ("uar", "own"): self.uar,
            ("accuracy", "random"): self.random_accuracy,
            ("uar", "random"): self.random_uar,
            ("accuracy above random", "own"): self.above_random,
        }
        return pd.DataFrame(
            [
                {
                    "quantity": quantity,
                    "neurons": kind,
                    "method": method,
                    "alpha": alpha,
                    "gain": gains.value[i, k],
                    "low": gains.low[i, k],
                    "high": gains.high[i, k],
                    "p": self.p_values[i, k] if quantity == "accuracy above random" else np.nan,
                    "p_holm": self.p_holm[i, k] if quantity == "accuracy above random" else np.nan,
                }
                for (quantity, kind), gains in tables.items()
                for i, method in enumerate(self.methods)
                for k, alpha in enumerate(self.alphas)
            ]
        )

    def summary(self) -> str:
        """The result in one sentence; changes in points of accuracy with 95 % intervals."""
        best = np.nan_to_num(self.accuracy.value, nan=-1.0).argmax(axis=1)
        parts = [
            f"{name} {self.gain(name, alpha).scaled(100):+.1f} (alpha {alpha:g})"
            for name, alpha in zip(self.methods, self.alphas[best].tolist(), strict=True)
        ]
        return (
            f"Steering changes the accuracy of {self.baseline_accuracy.value:.2f} by, in points"
            + (f" at the best of {len(self.alphas)} alphas, chosen on these clips" if len(self.alphas) > 1 else "")
            + f": {', '.join(parts)};"
            f" {len(self.clips)} clips of {self.baseline_accuracy.speakers} speakers{self.reservation}."
        )

