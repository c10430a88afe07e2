"""What silencing an emotion's neurons costs beside the emotion, and whether steered answers still make sense."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.result import Result
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.free_text import parse_rate
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE
from esn_interp.tasks.side_tasks import off_target

TASKS = ("transcription", "sex")


@dataclass(frozen=True, eq=False)
class SideCosts(Result):
    """Mean accuracy of side tasks, from 0 to 1, without an edit (the first condition) and with each emotion silenced.

    ``drop`` is the mean cost over the emotions; positive is worse. ``parse_rate`` is the share of free answers from
    which an emotion can be read when neurons are turned up by ``alpha``.
    """

    kind: ClassVar[str] = "side_costs"

    conditions: tuple[str, ...]
    tasks: tuple[str, ...]
    accuracy: Float64[np.ndarray, "condition task"]
    drop: Float64[np.ndarray, " task"]
    parse_rate: float
    alpha: float
    clips: tuple[str, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One row for each condition: its name, and the accuracy of each task."""
        return [
            {"condition": name, **dict(zip(self.tasks, row.tolist(), strict=True))}
            for name, row in zip(self.conditions, self.accuracy, strict=True)
        ]


def side_costs(
    lm: Listener, clips: Clips, neurons: NeuronSet, *, alpha: float, batch_size: int, progress: bool
) -> SideCosts:
    """Ask for transcripts, the speaker's sex and free answers; text is generated, which is slow."""
    how: dict[str, Any] = {"batch_size": batch_size, "progress": progress}
    silencing = {emotion: deactivate(neurons[emotion]) for emotion in neurons.emotions}
    costs = off_target(lm, clips, conditions={BASELINE: (), **silencing}, tasks=TASKS, **how)
    steering = {emotion: steer(neurons[emotion], alpha) for emotion in neurons.emotions}
    return SideCosts(
        conditions=costs.conditions,
        tasks=costs.tasks,
        accuracy=np.array([[costs.mean(task, name) for task in costs.tasks] for name in costs.conditions]),
        drop=np.array([costs.mean_drop(task) for task in costs.tasks]),
        parse_rate=parse_rate(lm, clips, conditions=steering, **how),
        alpha=alpha,
        clips=costs.clips,
    )
