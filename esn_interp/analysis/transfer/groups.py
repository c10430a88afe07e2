"""Whom the neurons of each corpus move: effects of transfer by sex and by language."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from esn_interp.analysis.ablation.groups import ablation_groups
from esn_interp.analysis.groups import GroupEffect, by_group
from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.recall_changes import can_fall
from esn_interp.analysis.trials import Trials


def transfer_groups(
    trials: Trials,
    silenced: Int64[np.ndarray, "source set clip"],
    turned_up: Int64[np.ndarray, "source set clip"],
    sources: Sequence[str],
) -> tuple[GroupEffect, ...]:
    """The effects of every source's neurons in each group, as they are defined over all clips."""
    recalls = [
        replace(one, effect=f"{one.effect}, neurons of {source}")
        for source, answers in zip(sources, silenced, strict=True)
        for one in ablation_groups(trials, answers[None])
    ]
    target, falls = trials.target[:, None], can_fall(trials)[trials.target]
    before = trials.baseline.argmax(axis=1) == target
    flips = by_group(
        (turned_up == target).astype(np.float64) - before,
        ~trials.of_emotion.T[trials.target],
        lambda cells: nan_mean(cells[..., falls]),
        [f"flip gain, neurons of {source}" for source in sources],
        speakers=trials.speakers,
        traits=trials.traits,
    )
    return (*recalls, *flips)
