"""Stability of the neuron set over the number of clips per emotion that it is found on."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.efficiency.few_clips import Effects
from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.result import Result


@dataclass(frozen=True, eq=False)
class Efficiency(Result):
    """Stability of the neuron set over the number of clips per emotion that it is found on.

    ``jaccard`` compares the set from so many clips with the set from all clips: the clips are part of all, so
    it reaches 1 by construction. ``agreement`` compares two sets from so many clips each that have no clip in
    common (NaN where there are not enough for two): what two studies of that size would agree on.
    ``chance`` is the Jaccard index of independent sets with as many neurons in each layer, roughly (expected
    shared over expected joint members).

    ``unit`` is ``speaker`` where clips were drawn speaker after speaker, so that few clips come from few
    speakers (``speakers`` is their mean number), else ``clip``. ``available`` counts the clips of each
    emotion that may be drawn. ``effects`` is what ablating the sets does, where a model was given.
    """

    kind: ClassVar[str] = "efficiency"

    model: str
    fingerprint: str
    corpus: str
    corpus_fingerprint: str
    selector: str
    selection: dict[str, Any]
    unit: str
    seed: int
    emotions: tuple[str, ...]
    available: tuple[int, ...]
    neurons: tuple[int, ...]
    sizes: Int64[np.ndarray, " size"]
    speakers: Float64[np.ndarray, " size"]
    jaccard: Float64[np.ndarray, "size resample emotion"]
    agreement: Float64[np.ndarray, "size resample emotion"]
    chance: Float64[np.ndarray, "size emotion"]
    effects: Effects | None
    notes: tuple[str, ...]

    @property
    def resamples(self) -> int:
        """How often clips of each number were drawn."""
        return self.jaccard.shape[1]

    def spread(
        self, values: Float64[np.ndarray, "size resample emotion"]
    ) -> tuple[Float64[np.ndarray, " size"], Float64[np.ndarray, " size"], Float64[np.ndarray, " size"]]:
        """Mean over the emotions: its mean over the resamples, and its 2.5 and 97.5 % quantiles; NaN where
        nothing is known."""
        means = nan_mean(values)
        known = ~np.isnan(means).all(axis=1)
        bounds = np.full((2, len(means)), np.nan)
        bounds[:, known] = np.nanquantile(means[known], [0.025, 0.975], axis=1)
        return nan_mean(means), bounds[0], bounds[1]

    def to_frame(self) -> pd.DataFrame:
        """One row per number of clips, resample and emotion."""
        size, resample, emotion = (index.ravel() for index in np.indices(self.jaccard.shape))
        return pd.DataFrame(
            {
                "clips": self.sizes[size],
                "resample": resample,
                "emotion": [self.emotions[row] for row in emotion],
                "speakers": self.speakers[size],
                "jaccard": self.jaccard.ravel(),
                "agreement": self.agreement.ravel(),
                "chance": self.chance[size, emotion],
            }
        )

    def summary(self) -> str:
        """The result in one sentence: stability at the smallest and the largest number of clips."""
        mean, low, high = self.spread(self.jaccard)
        told = " and ".join(
            f"{self.sizes[at]} clips per emotion by {mean[at]:.2f} [{low[at]:.2f}, {high[at]:.2f}]"
            for at in dict.fromkeys((0, len(self.sizes) - 1))
        )
        effect = f" {self.effects.summary()}" if self.effects is not None else ""
        return (
            f"Sets found on {told} overlap with the set from all {min(self.available)} to"
            f" {max(self.available)} clips (Jaccard, {self.resamples} resamples by {self.unit}).{effect}"
        )

