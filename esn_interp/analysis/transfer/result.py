"""Neurons of each corpus, used on the clips of each: effects, and how much of the own effect carries over."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.groups import GroupEffect
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.transfer.carried_over import CarriedOver
from esn_interp.drawing.brief import brief
from esn_interp.errors import StatisticsError
from esn_interp.tasks.batches import Skipped

ABLATION, STEERING = "ablation", "steering"
EFFECTS = (ABLATION, STEERING)


@dataclass(frozen=True, eq=False)
class OnTarget:
    """What every corpus's neurons do on the clips of one corpus.

    ``ablation.change[k, i, j]`` is the change of recall of emotion j when the neurons of emotion i that came
    from source k are silenced; ``steering.change[k, i, j]`` the change of the share of clips of other
    emotions than j that are labelled j when these neurons are turned up. ``predicted`` indexes the emotions:
    without an edit, and by effect, source and set. ``groups`` are the effects of every corpus's neurons by sex and by
    language, where the corpus knows these.
    """

    corpus: str
    origins: Origins
    tokens_touched: int
    ablation: CarriedOver
    steering: CarriedOver
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    baseline_predicted: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "effect source set clip"]
    skipped: tuple[Skipped, ...]
    groups: tuple[GroupEffect, ...] = ()

    __repr__ = brief

    def of(self, effect: str) -> CarriedOver:
        """``ablation`` or ``steering``."""
        if effect not in EFFECTS:
            raise StatisticsError(f"unknown effect {effect!r}; choose ablation or steering")
        return self.ablation if effect == ABLATION else self.steering


@dataclass(frozen=True, eq=False)
class Transfer(Result):
    """Neurons of each corpus, used on the clips of each.

    The effect of ablation is its specificity: the mean change of recall of the neurons' own emotion minus
    that of the others. The effect of steering is the flip gain: the share of other emotions' clips that are
    labelled as the target, minus that share without an edit (our choice: what the model mistakes by itself is
    no effect). The transfer ratio is the effect of a source's
    neurons over the effect of the target's own: 1 is as good, 0 is nothing. Its interval is paired over the
    target's speakers; it is undefined (NaN) where the interval of the denominator holds 0.

    ``sources`` are the corpora and ``random``, layer-matched random neurons in place of the target's own.
    ``neurons`` counts each corpus's sets; ``shared`` is the Jaccard index of two corpora's sets, the mean over
    the emotions: sets that are mostly the same neurons transfer as a matter of course.
    """

    kind: ClassVar[str] = "transfer"

    corpora: tuple[str, ...]
    sources: tuple[str, ...]
    emotions: tuple[str, ...]
    positions: tuple[str, ...]
    alpha: float
    draws: int
    seed: int
    neurons: Int64[np.ndarray, "corpus set"]
    shared: Float64[np.ndarray, "corpus corpus"]
    targets: tuple[OnTarget, ...]
    notes: tuple[str, ...]

    def target(self, corpus: str) -> OnTarget:
        """What was measured on one corpus."""
        if corpus not in self.corpora:
            raise StatisticsError(f"unknown corpus {corpus!r}; there are {', '.join(self.corpora)}")
        return self.targets[self.corpora.index(corpus)]

    def ratio(self, source: str, target: str, effect: str = ABLATION) -> Interval:
        """Transfer ratio of one corpus's neurons (or ``random``) on another."""
        if source not in self.sources:
            raise StatisticsError(f"unknown source {source!r}; there are {', '.join(self.sources)}")
        at = self.target(target).of(effect)
        return at.interval(at.ratio, self.sources.index(source))

    def to_frame(self) -> pd.DataFrame:
        """One row per target, effect, source and quantity (self, cross, effect, ratio)."""
        return pd.DataFrame(
            [
                {
                    **{"target": on.corpus, "effect": effect, "source": source, "quantity": quantity},
                    **{"value": estimates.value[k], "low": estimates.low[k], "high": estimates.high[k]},
                    "speakers": on.of(effect).speakers,
                }
                for on in self.targets
                for effect in EFFECTS
                for quantity, estimates in on.of(effect).quantities.items()
                for k, source in enumerate(self.sources)
            ]
        )

    def summary(self) -> str:
        """The result in one sentence: transfer ratios with 95 % intervals."""
        parts = [
            f"{source} to {target} {effect} {_ratio(self.ratio(source, target, effect))}"
            for source in self.corpora
            for target in self.corpora
            if source != target
            for effect in EFFECTS
        ]
        return (
            f"Neurons of another corpus have this share of the effect of a corpus's own: {'; '.join(parts)}"
            f" (1 is as good; steering at alpha {self.alpha:g}; the sets share"
            f" {self.shared[np.triu_indices(len(self.corpora), 1)].mean():.0%} of their neurons"
            f"{''.join(on.origins.reservations.told for on in self.targets)})."
        )


def _ratio(ratio: Interval) -> str:
    return "undefined" if np.isnan(ratio.value) else f"{ratio:.2f}"

