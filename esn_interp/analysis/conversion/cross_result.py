"""Shares of conversions by the emotion asked for, the one whose neurons are edited, and the one heard."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfConversions


@dataclass(frozen=True, eq=False)
class ConversionCross(OfConversions):
    """Shares of conversions by the emotion that is asked for, the one whose neurons are edited, and the one heard.

    ``unsteered`` is by request and label, ``share`` by request, neurons and label, ``change`` their difference, paired
    over clips, all with 95 % bounds over speakers. ``own``, ``other`` and ``pulled`` average over cells: the
    change of the share heard as requested under the request's own neurons, under another emotion's, and the change of
    the share heard as the neurons' emotion when that is not the one asked for.
    """

    kind: ClassVar[str] = "conversion_cross"
    drawn_by: ClassVar[str] = "cross_figure.draw"

    labels: tuple[str, ...]
    unsteered: Estimates
    share: Estimates
    change: Estimates
    own: Interval
    other: Interval
    pulled: Interval

    @property
    def as_requested(self) -> Float64[np.ndarray, "request neurons"]:
        """Change of the share that is heard as the emotion asked for."""
        return requested(self.change.value[..., self._columns])

    @property
    def as_edited(self) -> Float64[np.ndarray, "request neurons"]:
        """Change of the share that is heard as the emotion whose neurons are edited."""
        return edited_share(self.change.value[..., self._columns])

    @property
    def _columns(self) -> list[int]:
        return [self.labels.index(target) for target in self.targets]

    def to_frame(self) -> pd.DataFrame:
        """One row per request, neurons and emotion heard: shares and their change, with bounds."""
        return pd.DataFrame(
            [
                {
                    **{"request": request, "neurons": neurons, "heard": label},
                    "unsteered": self.unsteered.value[r, k],
                    "share": self.share.value[r, n, k],
                    **{"change": self.change.value[r, n, k]},
                    **{"low": self.change.low[r, n, k], "high": self.change.high[r, n, k]},
                }
                for r, request in enumerate(self.targets)
                for n, neurons in enumerate(self.targets)
                for k, label in enumerate(self.labels)
            ]
        )

    def summary(self) -> str:
        """The result in one sentence, in percentage points with 95 % intervals over speakers."""
        own, other, pulled = (value.scaled(100) for value in (self.own, self.other, self.pulled))
        return (
            f"The share heard as the emotion asked for changes by {own:+.1f} points under its own neurons and by"
            f" {other:+.1f} under another emotion's, whose own share changes by {pulled:+.1f};"
            f" {len(self.clips)} clips of {self.n_speakers} speakers."
        )


def requested(
    cells: Float64[np.ndarray, "*batch request neurons label"],
) -> Float64[np.ndarray, "*batch request neurons"]:
    """What is heard as the emotion asked for; the first labels are the targets."""
    return np.stack([cells[..., at, :, at] for at in range(cells.shape[-3])], axis=-2)


def edited_share(
    cells: Float64[np.ndarray, "*batch request neurons label"],
) -> Float64[np.ndarray, "*batch request neurons"]:
    """What is heard as the emotion whose neurons are edited; the first labels are the targets."""
    return np.stack([cells[..., at, at] for at in range(cells.shape[-2])], axis=-1)

