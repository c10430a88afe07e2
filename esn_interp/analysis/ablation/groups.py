"""Whose recall an ablation costs: self and cross change by sex and by language."""

import numpy as np
from einops import repeat
from jaxtyping import Float, Num

from esn_interp.analysis.groups import GroupEffect, by_group
from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.recall_changes import can_fall
from esn_interp.analysis.trials import Trials

EFFECTS = ("self change", "cross change", "self minus cross")


def ablation_groups(trials: Trials, own: Num[np.ndarray, "treatment set clip"]) -> tuple[GroupEffect, ...]:
    """The effects of the own neurons in each group, as they are defined over all clips."""
    before = trials.baseline.argmax(axis=1) == trials.truth
    change = (own == trials.truth).mean(axis=0) - before
    diagonal = trials.target[:, None] == np.arange(len(trials.emotions))
    falls = can_fall(trials)

    def effects(cells: Float[np.ndarray, "... set emotion"]) -> Float[np.ndarray, "... effect"]:
        mine, others = (nan_mean(cells[..., which & falls]) for which in (diagonal, ~diagonal))
        return np.stack([mine, others, mine - others], axis=-1)

    return by_group(
        repeat(change, "set clip -> set emotion clip", emotion=len(trials.emotions)),
        trials.of_emotion.T,
        effects,
        EFFECTS,
        speakers=trials.speakers,
        traits=trials.traits,
    )
