"""Every way of steering that was tried on validation speakers, and the one that was chosen."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Int64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfConversions

RANDOM_SELECTOR = "random"
CRITERION = "filter_probability"
"""The measure that is maximised: the judge that scores the outcome has no part in the choice."""


@dataclass(frozen=True)
class SteeringSetting:
    """How to steer: the selector, the fraction of gates, the gain, and whether the success filter is used."""

    selector: str
    top: float
    alpha: float
    filtered: bool = True

    @property
    def title(self) -> str:
        """The setting in a few words."""
        drawn = self.selector == RANDOM_SELECTOR
        sieve = "" if drawn else ", filter on" if self.filtered else ", filter off"
        return f"{self.selector}, {self.top:.2%} of the gates, alpha {self.alpha:g}{sieve}"


@dataclass(frozen=True, eq=False)
class ConversionGrid(OfConversions):
    """Every setting that was tried on the validation speakers, and the one that was chosen.

    ``level`` and ``change`` are by setting and measure, means over the targets; ``by_target`` is the change by
    setting, measure and target. ``unsteered`` is the level without an edit, by measure. ``neurons`` counts those of
    each setting and target. ``chosen`` is a position among ``settings``.
    """

    kind: ClassVar[str] = "conversion_grid"
    drawn_by: ClassVar[str] = "settings_figure.draw"

    filter_judge: str
    rule: str
    measures: tuple[str, ...]
    settings: tuple[SteeringSetting, ...]
    neurons: Int64[np.ndarray, "setting target"]
    unsteered: Estimates
    level: Estimates
    change: Estimates
    by_target: Estimates
    chosen: int
    unusable: tuple[str, ...]

    @property
    def setting(self) -> SteeringSetting:
        """The chosen setting."""
        return self.settings[self.chosen]

    def level_of(self, measure: str, setting: int) -> Interval:
        """Mean of a measure under one setting."""
        return self.level.at(setting, self.measures.index(measure), speakers=self.n_speakers)

    def change_of(self, measure: str, setting: int) -> Interval:
        """Change of a measure under one setting."""
        return self.change.at(setting, self.measures.index(measure), speakers=self.n_speakers)

    def to_frame(self) -> pd.DataFrame:
        """One row per setting: mean changes from the unsteered conversions, with the bounds of the accuracy."""
        return pd.DataFrame(
            [
                {
                    **{"selector": s.selector, "top": s.top, "filtered": s.filtered, "alpha": s.alpha},
                    "neurons": int(self.neurons[at].sum()),
                    **{name: self.change.value[at, k] for k, name in enumerate(self.measures)},
                    "accuracy_low": self.change_of("accuracy", at).low,
                    "accuracy_high": self.change_of("accuracy", at).high,
                    "chosen": at == self.chosen,
                }
                for at, s in enumerate(self.settings)
            ]
        )

    def summary(self) -> str:
        """The choice in one sentence."""
        gain = self.change_of("accuracy", self.chosen).scaled(100)
        return (
            f"Chosen among {len(self.settings)} settings: {self.setting.title}; on {len(self.clips)} clips of"
            f" {self.n_speakers} validation speakers it changes the share heard as the target by {gain:+.1f} points"
            f" and the word error rate by {100 * self.change_of('wer', self.chosen).value:+.1f}."
        )

