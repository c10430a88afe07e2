"""Choosing how to steer: selector, number of neurons and gain, by what they do to validation speakers."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from esn_interp.analysis.conversion.effect import conversion_effect
from esn_interp.analysis.conversion.effect_result import UNSTEERED, ConversionEffect
from esn_interp.analysis.conversion.measures import Outcome
from esn_interp.analysis.conversion.settings_result import (
    CRITERION,
    RANDOM_SELECTOR,
    ConversionGrid,
    SteeringSetting,
)
from esn_interp.errors import StatisticsError


def conversion_grid(
    unsteered: Sequence[Outcome],
    tried: Mapping[SteeringSetting, Sequence[Outcome]],
    neurons: Mapping[SteeringSetting, Sequence[int]],
    *,
    targets: Sequence[str],
    judge: str,
    filter_judge: str,
    most_wer: float = 0.05,
    unusable: Sequence[str] = (),
    seed: int = 0,
) -> ConversionGrid:
    """Compare settings, and choose one (the rule is our choice).

    Of the settings with neurons for every target whose word error rate is at most ``most_wer`` above that of the
    unsteered conversions, the one under which the filtering judge's probability of the target rises most; among
    equals the smaller gain, then the fewer neurons. Random neurons are there to compare with and never chosen;
    neither are neurons found without the filter, unless with it none could be found. Where every setting costs more
    words, the one that costs least is chosen, and the notes say so.

    Raises
    ------
    StatisticsError
        When no setting can be chosen.
    """
    settings = tuple(tried)
    compared = conversion_effect(
        {UNSTEERED: unsteered, **{str(at): tried[one] for at, one in enumerate(settings)}},
        targets=targets,
        voices="validation",
        judge=judge,
        seed=seed,
    )
    counts = np.array([neurons[one] for one in settings], dtype=np.int64).reshape(len(settings), len(targets))
    chosen, told = _choose(settings, counts, compared, most_wer)
    return ConversionGrid(
        judge=judge,
        filter_judge=filter_judge,
        rule=(
            f"of the settings that raise the word error rate by {100 * most_wer:g} points at most, the one under which"
            f" {filter_judge}'s probability of the target rises most; {judge} has no part in the choice"
        ),
        targets=tuple(targets),
        measures=compared.measures,
        settings=settings,
        neurons=counts,
        unsteered=compared.mean_level[0],
        level=compared.mean_level[1:],
        change=compared.mean_change[1:],
        by_target=compared.change[1:],
        chosen=chosen,
        unusable=tuple(unusable),
        clips=compared.clips,
        speakers=compared.speakers,
        notes=(*compared.notes, *told),
    )


def _choose(
    settings: Sequence[SteeringSetting],
    neurons: Int64[np.ndarray, "setting target"],
    compared: ConversionEffect,
    most_wer: float,
) -> tuple[int, tuple[str, ...]]:
    """Position of the chosen setting, and what must be said about the choice."""
    measured = compared.mean_change.value[1:]
    gain, wer = (measured[:, compared.measures.index(name)] for name in (CRITERION, "wer"))
    notes: list[str] = []
    usable = [
        at
        for at, one in enumerate(settings)
        if one.selector != RANDOM_SELECTOR and neurons[at].all() and one.alpha != 0 and np.isfinite(gain[at])
    ]
    filtered = [at for at in usable if settings[at].filtered]
    if usable and not filtered:
        notes.append("no neurons could be found with the success filter on, so those found without it are used")
    among = filtered or usable
    if not among:
        raise StatisticsError("no setting has neurons for every target; try larger sizes, or more conversions")
    # Clips without a transcript have no word error rate: then nothing can be asked of it.
    affordable = [at for at in among if not wer[at] > most_wer]
    if not affordable:
        notes.append(
            f"every setting raises the word error rate by more than {100 * most_wer:g} points; the one that raises it"
            " least is used"
        )
        return min(among, key=lambda at: (wer[at], settings[at].alpha, settings[at].top)), tuple(notes)
    best = min(affordable, key=lambda at: (-gain[at], settings[at].alpha, settings[at].top))
    return best, tuple(notes)

