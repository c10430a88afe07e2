"""The same neurons under both protocols: what silencing them and turning them up does when one asks as each does."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import RATE, nan_mean
from esn_interp.analysis.recall_changes import RecallChanges, change_of, recall_without_edit
from esn_interp.analysis.result import Result
from esn_interp.analysis.trials import run_trials
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.studies.results import interval
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.protocols import PROTOCOLS, asked_by, protocol

VERBS = ("silenced", "turned up")
FIGURES = {"SE": "self_change", "ACE": "cross_change", "ESS": "specificity"}
"""What is told, under the authors' names."""


@dataclass(frozen=True, eq=False)
class SideBySide(Result):
    """Changes of recall by protocol and verb, ``[protocol, verb]``, with 95 % cluster-t bounds over speakers.

    ``self_change`` is SE, the change of an emotion's recall under its own neurons, mean over the emotions;
    ``cross_change`` is ACE, that under another emotion's; ``specificity`` is ESS = SE - ACE. ``alpha`` is the gain of
    what is turned up, ``uar`` the mean recall without an edit, by protocol.
    """

    kind: ClassVar[str] = "side_by_side"
    drawn_by: ClassVar[str] = "side_by_side_figure.draw"

    protocols: tuple[str, ...]
    verbs: tuple[str, ...]
    alpha: float
    clips: int
    speakers: int
    uar: Float64[np.ndarray, " protocol"]
    self_change: Estimates
    cross_change: Estimates
    specificity: Estimates

    def rows(self) -> list[dict[str, Any]]:
        """One row a protocol and verb, with the figures under the authors' names."""
        return [
            {
                "protocol": name,
                "verb": verb,
                "uar": float(self.uar[p]),
                **{
                    figure: interval(getattr(self, field).at(p, v, speakers=self.speakers))
                    for figure, field in FIGURES.items()
                },
            }
            for p, name in enumerate(self.protocols)
            for v, verb in enumerate(self.verbs)
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row a protocol, verb and figure."""
        return pd.DataFrame(
            [
                {"protocol": row["protocol"], "verb": row["verb"], "figure": figure, **row[figure]}
                for row in self.rows()
                for figure in FIGURES
            ]
        )

    def summary(self) -> str:
        """SE, ACE and ESS in points, by protocol and verb."""
        told = [
            f"{name}, {verb}: SE {100 * self.self_change.value[p, v]:+.1f},"
            f" ACE {100 * self.cross_change.value[p, v]:+.1f}, ESS {100 * self.specificity.value[p, v]:+.1f}"
            for p, name in enumerate(self.protocols)
            for v, verb in enumerate(self.verbs)
        ]
        return f"The same neurons under both protocols, in points (gain {self.alpha:g}): {'; '.join(told)}."


def side_by_side(
    lm: Listener, clips: Clips, neurons: NeuronSet, *, alpha: float, seed: int, batch_size: int, progress: bool
) -> SideBySide:
    """Silence the neurons and turn them up, asked as each protocol asks."""
    changes: list[RecallChanges] = []
    uar: list[float] = []
    spoken = 0
    for name in PROTOCOLS:
        how = protocol(name, seed=seed)
        trials = run_trials(
            lm,
            clips,
            asked_by(neurons, how, lm=lm),
            {VERBS[0]: deactivate, VERBS[1]: lambda some: steer(some, alpha)},
            draws=0,
            draws_per_clip=None,
            seed=seed,
            batch_size=batch_size,
            strict=False,
            progress=progress,
            description=f"Asking by {how.title}",
        )
        own = trials.log_probs.argmax(axis=-1)
        changes.append(RecallChanges.stack(trials, [change_of(trials, own[at : at + 1]) for at in range(len(VERBS))]))
        uar.append(recall_without_edit(trials).interval(nan_mean, within=RATE).value)
        spoken = trials.n_speakers

    def stacked(figures: list[Estimates]) -> Estimates:
        return Estimates(*(np.stack([getattr(one, part) for one in figures]) for part in ("value", "low", "high")))

    return SideBySide(
        protocols=PROTOCOLS,
        verbs=VERBS,
        alpha=alpha,
        clips=len(clips),
        speakers=spoken,
        uar=np.array(uar),
        self_change=stacked([one.self_change for one in changes]),
        cross_change=stacked([one.cross_change for one in changes]),
        specificity=stacked([one.specificity for one in changes]),
    )
