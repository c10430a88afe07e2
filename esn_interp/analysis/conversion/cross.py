"""Cross-emotion steering: one emotion is asked for, another's neurons are turned up; what is heard?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.analysis.inference.significance import (
    ANYWHERE,
    CHANGE,
    RATE,
    Interval,
    SpeakerMeans,
    few_speakers_note,
    nan_mean,
)
from esn_interp.analysis.recall_changes import Estimates
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError

if TYPE_CHECKING:
    import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class ConversionCross(Result):
    """Shares of conversions by the emotion that is asked for, the one whose neurons are edited, and the one heard.

    ``unsteered`` is by request and label, ``share`` by request, neurons and label, ``change`` their difference, paired
    over clips, all with 95 % cluster-t bounds over speakers. ``own``, ``other`` and ``pulled`` average over cells: the
    change of the share heard as requested under the request's own neurons, under another emotion's, and the change of
    the share heard as the neurons' emotion when that is not the one asked for.
    """

    kind: ClassVar[str] = "conversion_cross"

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
        return np.stack([self.change.value[at, :, self.labels.index(t)] for at, t in enumerate(self.targets)])

    @property
    def as_edited(self) -> Float64[np.ndarray, "request neurons"]:
        """Change of the share that is heard as the emotion whose neurons are edited."""
        columns = [self.labels.index(target) for target in self.targets]
        return np.stack([self.change.value[:, at, label] for at, label in enumerate(columns)], axis=1)

    def to_frame(self) -> pd.DataFrame:
        """One row per request, neurons and emotion heard: shares and their change, with bounds."""
        rows = [
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
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence, in percentage points with 95 % intervals over speakers."""
        own, other, pulled = (value.scaled(100) for value in (self.own, self.other, self.pulled))
        return (
            f"The share heard as the emotion asked for changes by {own:+.1f} points under its own neurons and by"
            f" {other:+.1f} under another emotion's, whose own share changes by {pulled:+.1f};"
            f" {len(self.clips)} clips of {len(self.speakers)} speakers."
        )

    def plot(self) -> "go.Figure":
        """Two matrices: heard as asked for, and heard as edited."""
        from esn_interp.analysis.conversion.cross_figure import conversion_matrix

        return conversion_matrix(self)


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
    everyone = sorted({o.speaker for o in before})
    speaker = np.array([everyone.index(o.speaker) for o in before])
    request = np.array([[o.target == target for target in targets] for o in before])

    def heard(row: Sequence[Outcome]) -> Float64[np.ndarray, "conversion label"]:
        return np.array([[o.label == name for name in labels] for o in row], dtype=np.float64)

    after = np.stack([heard(row) for row in tables], axis=1)

    def means(values: np.ndarray) -> SpeakerMeans:
        """By speaker, request and whatever else the values have axes for."""
        outcome = np.broadcast_to(values[:, None], (len(values), len(targets), *values.shape[1:]))
        mask = np.broadcast_to(request.reshape(*request.shape, *[1] * (values.ndim - 1)), outcome.shape)
        return SpeakerMeans.of(outcome, mask, speaker, speakers=len(everyone))

    at_first, shares, change = means(heard(before)), means(after), means(after - heard(before)[:, None])
    rows = np.arange(len(targets))
    apart = rows[:, None] != rows

    def requested(cells: np.ndarray) -> np.ndarray:
        return np.stack([cells[..., r, :, r] for r in rows], axis=-2)

    def edited_share(cells: np.ndarray) -> np.ndarray:
        return np.stack([cells[..., :, n, n] for n in rows], axis=-1)

    return ConversionCross(
        judge=judge,
        targets=tuple(targets),
        labels=labels,
        unsteered=Estimates(at_first.value, *at_first.bounds(within=RATE)),
        share=Estimates(shares.value, *shares.bounds(within=RATE)),
        change=Estimates(change.value, *change.bounds(within=CHANGE)),
        own=change.interval(lambda cells: nan_mean(requested(cells)[..., ~apart]), within=ANYWHERE),
        other=change.interval(lambda cells: nan_mean(requested(cells)[..., apart]), within=ANYWHERE),
        pulled=change.interval(lambda cells: nan_mean(edited_share(cells)[..., apart]), within=ANYWHERE),
        clips=tuple(sorted({o.clip for o in before})),
        speakers=tuple(everyone),
        notes=(*([note] if (note := few_speakers_note(len(everyone))) else []), *notes),
    )
