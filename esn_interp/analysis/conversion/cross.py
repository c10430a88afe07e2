"""Cross-emotion steering: one emotion is asked for, another's neurons are turned up; what is heard?"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.conversion.cross_result import ConversionCross, edited_share, requested
from esn_interp.analysis.conversion.measures import Outcome, unchanged_note
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import CHANGE, RATE, SpeakerMeans, nan_mean
from esn_interp.analysis.result import standing_notes
from esn_interp.errors import StatisticsError


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
    still = unchanged_note(before, {f"neurons of {name}": row for name, row in zip(targets, tables, strict=True)})
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
        own=change.interval(lambda cells: nan_mean(requested(cells)[..., ~apart]), within=CHANGE),
        other=change.interval(lambda cells: nan_mean(requested(cells)[..., apart]), within=CHANGE),
        pulled=change.interval(lambda cells: nan_mean(edited_share(cells)[..., apart]), within=CHANGE),
        clips=tuple(sorted({o.clip for o in before})),
        speakers=tuple(sorted(set(speakers))),
        notes=standing_notes(len(set(speakers)), (), *notes, still),
    )




