"""Trials at every dose of an axis: answers of every clip to each set, and to random ones, dose by dose."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8, Int64

from esn_interp.analysis.dose.doses import DoseAxis
from esn_interp.analysis.trials import UNMET, Trials, run_trials
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener


@dataclass(frozen=True, eq=False)
class DosedTrials:
    """What was answered; ``trials`` holds what does not depend on the dose: clips, truth, unedited answers.

    ``target_log_prob`` is in nats; ``random`` is `UNMET` where a clip did not meet a draw.
    """

    trials: Trials
    predicted: Int64[np.ndarray, "set dose clip"]
    target_log_prob: Float32[np.ndarray, "set dose clip"]
    random: Int8[np.ndarray, "draw set dose clip"]
    notes: tuple[str, ...]


def run_doses(
    lm: Listener,
    clips: Clips,
    axis: DoseAxis,
    *,
    draws: int,
    draws_per_clip: int | None,
    seed: int,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> DosedTrials:
    """Run the doses; those that share their neurons together, so that each clip is heard once for them.

    A dose of alpha 0 is not run: the unedited answers stand in. See `run_trials` for the options.
    """
    tried: list[Trials] = []
    for group in axis.groups:
        first = axis.doses[group[0]]
        treatments = {axis.doses[at].label: axis.doses[at].edits for at in group if axis.doses[at].alpha}
        of_several = f", {axis.name} {first.label}" if len(axis.groups) > 1 else ""
        tried.append(
            run_trials(
                lm,
                clips,
                first.neurons,
                treatments,
                draws=draws,
                draws_per_clip=draws_per_clip,
                seed=seed,
                batch_size=batch_size,
                strict=strict,
                progress=progress,
                description=f"Steering{of_several}",
            )
        )
    base = tried[0]
    shape = (len(base.sets), len(axis.doses), len(base.clips))
    log_probs = np.empty((*shape, len(base.emotions)), dtype=np.float32)
    log_probs[:] = base.baseline
    # Where a set is too large to leave a control, its dose has none; the others keep theirs.
    random = np.full((max(len(trials.random) for trials in tried), *shape), UNMET, dtype=np.int8)
    for group, trials in zip(axis.groups, tried, strict=True):
        drawn = slice(len(trials.random))
        unedited = np.where(trials.met, trials.baseline.argmax(axis=-1), UNMET)
        for at in group:
            random[drawn, :, at] = unedited[:, None]
        for treatment, at in enumerate(at for at in group if axis.doses[at].alpha):
            log_probs[:, at] = trials.log_probs[treatment]
            random[drawn, :, at] = trials.random[:, treatment]
    target = base.target[:, None, None, None]
    return DosedTrials(
        trials=base,
        predicted=log_probs.argmax(axis=-1),
        target_log_prob=np.take_along_axis(log_probs, target, axis=-1)[..., 0],
        random=random,
        notes=_notes(axis, tried),
    )


def _notes(axis: DoseAxis, tried: list[Trials]) -> tuple[str, ...]:
    """What all doses share is said once, the rest with the dose that it is true of."""
    notes = [
        trials.notes(axis.doses[group[0]].neurons) for group, trials in zip(axis.groups, tried, strict=True)
    ]
    shared = [note for note in notes[0] if all(note in others for others in notes)]
    return (
        *shared,
        *(
            f"{axis.name} {axis.doses[group[0]].label}: {note}"
            for group, some in zip(axis.groups, notes, strict=True)
            for note in some
            if note not in shared
        ),
    )
