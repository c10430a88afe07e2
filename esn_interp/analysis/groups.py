"""Who pays: an effect on the clips of one sex, or of one language, and how far the groups differ."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int, Shaped

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import CONTRAST, Interval, SpeakerMeans
from esn_interp.drawing.numbers import count
from esn_interp.speech.clips import Clips

TRAITS = ("sex", "language")
"""What groups clips; both are columns of a corpus, and empty where it does not know."""


@dataclass(frozen=True)
class GroupEffect:
    """An effect on the ``clips`` clips of a group, with a 95 % interval over its speakers.

    ``group`` is one of a trait's, such as ``female``, or a difference, ``female - male``: then the effect on the one
    minus that on the other, over the speakers of both.
    """

    trait: str
    group: str
    effect: str
    value: Interval
    clips: int


def traits_of(clips: Clips, rows: Sequence[int] | Int[np.ndarray, " clip"]) -> dict[str, tuple[str, ...]]:
    """Sex and language of the clips at these rows; only where the corpus knows of two groups or more."""
    found: dict[str, tuple[str, ...]] = {}
    for trait in TRAITS:
        column = clips.column(trait)
        values = tuple(str(column[int(row)]) for row in rows)
        if len(set(values) - {""}) > 1:
            found[trait] = values
    return found


def by_group(
    outcome: Shaped[np.ndarray, "*cell clip"],
    among: Bool[np.ndarray, "... clip"],
    compute: Callable[[np.ndarray], np.ndarray],
    effects: Sequence[str],
    *,
    speakers: Sequence[str],
    traits: Mapping[str, Sequence[str]],
) -> tuple[GroupEffect, ...]:
    """Effects by group and their differences, trait by trait.

    Parameters
    ----------
    outcome, among
        What each clip contributes to each cell, and which clips count there (it is broadcast).
    compute
        From the means of the cells, ``[..., *cell]``, to the effects, ``[..., effect]``.
    effects
        Their names.
    """
    found: list[GroupEffect] = []
    named, counted = np.array(speakers), np.broadcast_to(among, outcome.shape)
    for trait, values in traits.items():
        groups = sorted(set(values) - {""})
        members = {group: np.array([value == group for value in values]) for group in groups}
        for group, mine in members.items():
            means = SpeakerMeans.over_clips(outcome[..., mine], counted[..., mine], named[mine].tolist())
            effect = Estimates.reduced(means, compute, within=CONTRAST)
            found += _told(trait, group, effects, effect, named[mine], int(mine.sum()))
        for one, other in combinations(groups, 2):
            both = members[one] | members[other]
            masks = np.stack([counted & members[one], counted & members[other]])[..., both]
            pair = np.broadcast_to(outcome[..., both], masks.shape)
            means = SpeakerMeans.over_clips(pair, masks, named[both].tolist())
            difference = Estimates.reduced(means, _difference(compute, outcome.ndim - 1), within=CONTRAST)
            found += _told(trait, f"{one} - {other}", effects, difference, named[both], int(both.sum()))
    return tuple(found)


def notes_on_groups(groups: Sequence[GroupEffect], *, unit: float | int = 100) -> tuple[str, ...]:
    """The first effect of each trait in a sentence, group by group; in percentage points."""
    notes: list[str] = []
    for trait in dict.fromkeys(one.trait for one in groups):
        mine = [one for one in groups if one.trait == trait]
        first = [one for one in mine if one.effect == mine[0].effect]
        each = [f"{one.group} {one.value.scaled(unit):+.1f} ({count(one.value.speakers, 'speaker')})" for one in first]
        notes.append(f"by {trait}, {mine[0].effect} in points: {', '.join(each)}")
    return tuple(notes)


def groups_frame(groups: Sequence[GroupEffect]) -> pd.DataFrame:
    """One row per trait, group and effect."""
    return pd.DataFrame(
        [
            {
                "trait": one.trait,
                "group": one.group,
                "effect": one.effect,
                "value": one.value.value,
                "low": one.value.low,
                "high": one.value.high,
                "speakers": one.value.speakers,
                "clips": one.clips,
            }
            for one in groups
        ]
    )


def _difference(compute: Callable[[np.ndarray], np.ndarray], axes: int) -> Callable[[np.ndarray], np.ndarray]:
    """From the cells of two groups, ``[..., 2, *cell]``, to the difference of their effects."""

    def apart(cells: np.ndarray) -> np.ndarray:
        first, second = np.moveaxis(cells, cells.ndim - 1 - axes, 0)
        return compute(first) - compute(second)

    return apart


def _told(
    trait: str, group: str, effects: Sequence[str], found: Estimates, speakers: np.ndarray, clips: int
) -> list[GroupEffect]:
    number = len(np.unique(speakers))
    return [GroupEffect(trait, group, name, found.at(at, speakers=number), clips) for at, name in enumerate(effects)]
