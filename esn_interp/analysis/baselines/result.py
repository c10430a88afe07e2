"""What other ways of steering and silencing do, beside neurons, and what they cost."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64

from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.result import Origins, OverClips


@dataclass(frozen=True, eq=False)
class Points:
    """Methods at their strengths, one a point: what each does, and what it costs in side tasks (positive is worse)."""

    methods: tuple[str, ...]
    strengths: Float64[np.ndarray, " point"]
    effect: Estimates
    cost: Estimates

    def of(self, method: str) -> list[int]:
        """The points of a method, from the weakest."""
        return [at for at, name in enumerate(self.methods) if name == method]

    def within(self, method: str, cost: float) -> int | None:
        """The point of largest effect among those that cost no more; None where all do."""
        affordable = [at for at in self.of(method) if self.cost.value[at] <= cost]
        return max(affordable, key=lambda at: self.effect.value[at], default=None)


@dataclass(frozen=True, eq=False)
class Baselines(OverClips):
    """Neurons beside directions in the stream, a probe, words and chance, on the same clips, in the same runs.

    ``steered.effect`` is the share of the other emotions' clips that are heard as the target (mean over the targets),
    ``silenced.effect`` the change of the recall of an emotion that is taken away, and ``specificity`` that minus the
    others' change. ``cost`` is the loss of accuracy, mean of transcription (1 - min(WER, 1)) and the speaker's sex, on
    ``side_clips`` clips. ``layers`` is where each kind of direction is added, chosen on validation clips.
    ``equal_cost`` is the cost at which methods are compared. Bounds are 95 % cluster-t over speakers.
    """

    kind: ClassVar[str] = "baselines"

    origins: Origins
    seed: int
    emotions: tuple[str, ...]
    layers: dict[str, int]
    equal_cost: float
    side_clips: int
    steered: Points
    silenced: Points
    specificity: Estimates

    @property
    def methods(self) -> tuple[str, ...]:
        """What was tried, in order."""
        return tuple(dict.fromkeys(self.steered.methods))

    @property
    def best(self) -> str:
        """The method that steers best at no more than the equal cost; of equals, the first."""
        at = {name: self.steered.within(name, self.equal_cost) for name in self.methods}
        return max(at, key=lambda name: -1.0 if (p := at[name]) is None else float(self.steered.effect.value[p]))

    def at_equal_cost(self) -> pd.DataFrame:
        """One row per method: its best point that costs no more than ``equal_cost``; empty where there is none."""
        rows = []
        for name in self.methods:
            at = self.steered.within(name, self.equal_cost)
            told = {} if at is None else _row(self.steered, at)
            rows.append({"method": name, **told})
        return pd.DataFrame(rows)

    def to_frame(self) -> pd.DataFrame:
        """One row per method and strength, steering first."""
        return pd.DataFrame(
            [
                {"verb": verb, "method": points.methods[at], **_row(points, at)}
                for verb, points in (("steer", self.steered), ("silence", self.silenced))
                for at in range(len(points.methods))
            ]
        )

    def summary(self) -> str:
        """Who steers best at equal cost, with every method's share in per cent, and what silencing takes."""
        shares = []
        for name in self.methods:
            at = self.steered.within(name, self.equal_cost)
            effect = "-" if at is None else f"{100 * self.steered.effect.value[at]:.0f} %"
            shares.append(f"{name} {effect}")
        taken = ", ".join(
            f"{name} {100 * value:+.0f} (specific {100 * specific:+.0f})"
            for name, value, specific in zip(
                self.silenced.methods, self.silenced.effect.value, self.specificity.value, strict=True
            )
        )
        return (
            f"At a side cost of {100 * self.equal_cost:g} points or less, {self.best} steers best:"
            f" {', '.join(shares)} of the other clips; silenced, the emotion's own recall changes by {taken} points"
            f" ({len(self.clips)} clips{self.reservation})."
        )


def _row(points: Points, at: int) -> dict[str, float]:
    effect, cost = points.effect, points.cost
    return {
        "strength": float(points.strengths[at]),
        "effect": float(effect.value[at]),
        "low": float(effect.low[at]),
        "high": float(effect.high[at]),
        "cost": float(cost.value[at]),
        "cost_low": float(cost.low[at]),
        "cost_high": float(cost.high[at]),
    }
