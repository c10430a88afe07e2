"""Cross-emotion steering: one emotion is asked for, another's neurons are turned up; what is heard?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import CHANGE, RATE, Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.result import Result, standing_notes
from esn_interp.errors import StatisticsError


@dataclass(frozen=True, eq=False)
class ConversionCross(Result):
    """Shares of conversions by the emotion that is asked for, the one whose neurons are edited, and the one heard.

    ``unsteered`` is by request and label, ``share`` by request, neurons and label, ``change`` their difference, paired
    over clips, all with 95 % cluster-t bounds over speakers. ``own``, ``other`` and ``pulled`` average over cells: the
    change of the share heard as requested under the request's own neurons, under another emotion's, and the change of
    the share heard as the neurons' emotion when that is not the one asked for.
    """

    kind: ClassVar[str] = "conversion_cross"
    drawn_by: ClassVar[str] = "cross_figure"

    judge: str
    targets: tuple[str, ...]
    labels: tuple[str, ...]
    unsteered: Estimates
    share: Estimates
    change: Estimates
    own: Interval
    other: Interval
    pulled: Interval
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def as_requested(self) -> Float64[np.ndarray, "request neurons"]:
        """Change of the share that is heard as the emotion asked for."""
        return _requested(self.change.value[..., self._columns])

    @property
    def as_edited(self) -> Float64[np.ndarray, "request neurons"]:
        """Change of the share that is heard as the emotion whose neurons are edited."""
        return _edited(self.change.value[..., self._columns])

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
            f" {len(self.clips)} clips of {len(self.speakers)} speakers."
        )


def conversion_cross(
    unsteered: Sequence[Outcome],
    edited: Mapping[str, Sequence[Outcome]],
    *,
    targets: Sequence[str],
    judge: str,
    notes: Sequence[str] = (),
) -> ConversionCross:
    """Shares and their changes.

    Parameters
    ----------
    edited
        By the emotion whose neurons are edited: the conversions of the same clips to every target.

    Raises
    ------
    StatisticsError
        When an emotion's neurons were tried on other conversions than the unsteered ones.
    """
    first = {(o.clip, o.target): o for o in unsteered}
    pairs, tables = sorted(first), list[list[Outcome]]()
    for neurons in targets:
        found = {(o.clip, o.target): o for o in edited.get(neurons, ())}
        if found.keys() != first.keys() or not found:
            raise StatisticsError(
                f"the neurons of {neurons} were tried on other conversions than the unsteered ones; run all alike"
            )
        tables.append([found[pair] for pair in pairs])
    before = [first[pair] for pair in pairs]
    names = {name for row in (before, *tables) for o in row for name in o.probabilities}
    labels = (*targets, *sorted(names - set(targets)))
    speakers = [o.speaker for o in before]
    request = np.array([[o.target == target for o in before] for target in targets])

    def heard(row: Sequence[Outcome]) -> Float64[np.ndarray, "label conversion"]:
        return np.array([[o.label == name for o in row] for name in labels], dtype=np.float64)

    def means(values: Float64[np.ndarray, "*cell conversion"]) -> SpeakerMeans:
        """By speaker, request and whatever else the values have axes for."""
        outcome = np.broadcast_to(values, (len(targets), *values.shape))
        return SpeakerMeans.over_clips(
            outcome, request.reshape(len(targets), *[1] * (values.ndim - 1), -1), speakers
        )

    after = np.stack([heard(row) for row in tables])
    change = means(after - heard(before))
    apart = ~np.eye(len(targets), dtype=np.bool_)

    return ConversionCross(
        judge=judge,
        targets=tuple(targets),
        labels=labels,
        unsteered=Estimates.of(means(heard(before)), within=RATE),
        share=Estimates.of(means(after), within=RATE),
        change=Estimates.of(change, within=CHANGE),
        own=change.interval(lambda cells: nan_mean(_requested(cells)[..., ~apart])),
        other=change.interval(lambda cells: nan_mean(_requested(cells)[..., apart])),
        pulled=change.interval(lambda cells: nan_mean(_edited(cells)[..., apart])),
        clips=tuple(sorted({o.clip for o in before})),
        speakers=tuple(sorted(set(speakers))),
        notes=standing_notes(len(set(speakers)), (), *notes),
    )


def _requested(
    cells: Float64[np.ndarray, "*batch request neurons label"],
) -> Float64[np.ndarray, "*batch request neurons"]:
    """What is heard as the emotion asked for; the first labels are the targets."""
    return np.stack([cells[..., at, :, at] for at in range(cells.shape[-3])], axis=-2)


def _edited(
    cells: Float64[np.ndarray, "*batch request neurons label"],
) -> Float64[np.ndarray, "*batch request neurons"]:
    """What is heard as the emotion whose neurons are edited; the first labels are the targets."""
    return np.stack([cells[..., at, at] for at in range(cells.shape[-2])], axis=-1)
