"""What is known once the neurons of a set were silenced one more at a time, in halves, and together with others."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.estimates import BySet
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import OfSets


@dataclass(frozen=True, eq=False)
class Redundancy(OfSets):
    """Changes of the log-odds of an emotion on its own clips, in nats, when neurons are silenced.

    ``curve[k, i]`` is the change with the ``sizes[k]`` highest scores of set i silenced (NaN beyond the set's
    size), ``recall`` the same for the recall, ``random`` for random neurons of the same layers, pooled over the
    draws, and ``greedy`` for as many neurons chosen one after the other on validation clips: each time the one
    that lowers the log-odds most. ``greedy_order`` names these by flat index, -1 beyond the last.

    ``halves`` is the non-additivity within a set: the change with the whole set silenced, minus those with each
    of two random halves silenced alone; mean over ``splits`` divisions. Below 0, the halves stand in for each
    other: together they lose more than each by itself (redundancy). Above 0, one of them already does what both
    do (they act in line, or nothing is left to lose). At 0 they add up. ``halves_share`` is it divided by the
    change of the whole set. ``pairs[i, j]`` is the same on the clips of set i's emotion for the sets i and j
    and their union, of which ``shared[i, j]`` neurons are common to both and make the effects overlap by
    themselves. ``random_halves`` and ``random_pairs`` are the same for random sets. Bounds are 95 %
    over speakers.
    """

    kind: ClassVar[str] = "redundancy"

    positions: tuple[str, ...]
    draws: int
    splits: int
    neurons: tuple[int, ...]
    sizes: Int64[np.ndarray, " size"]
    curve: BySet
    recall: BySet
    random: BySet
    greedy: BySet
    greedy_order: Int64[np.ndarray, "set step"]
    halves: BySet
    halves_share: BySet
    random_halves: BySet
    pairs: Float64[np.ndarray, "set other"]
    pairs_low: Float64[np.ndarray, "set other"]
    pairs_high: Float64[np.ndarray, "set other"]
    pairs_mean: Interval
    random_pairs: Float64[np.ndarray, "set other"]
    random_pairs_mean: Interval
    shared: Int64[np.ndarray, "set other"]

    @property
    def half_effect(self) -> int:
        """The fewest neurons with half of the effect that the most have, by the mean curve; 0 when there is none."""
        mean = self.curve.mean[~np.isnan(self.curve.mean)]
        if not len(mean) or mean[-1] >= 0:
            return 0
        reached = (mean <= mean[-1] / 2) | np.isclose(mean, mean[-1] / 2, rtol=1e-3)
        return int(self.sizes[int(np.argmax(reached))])

    def to_frame(self) -> pd.DataFrame:
        """One row per quantity, set (or ``mean``), other set where there is one, and number of neurons."""
        curves = {"curve": self.curve, "recall": self.recall, "random": self.random, "greedy": self.greedy}
        halves = {
            "halves": self.halves,
            "halves_share": self.halves_share,
            "random_halves": self.random_halves,
        }
        rows = [
            *(
                (name, label, "", size, *value)
                for name, table in curves.items()
                for k, size in enumerate(self.sizes.tolist())
                for label, *value in self._by_set(table, k)
            ),
            *(
                (name, label, "", count, *value)
                for name, table in halves.items()
                for count, (label, *value) in zip(
                    (*self.neurons, max(self.neurons)), self._by_set(table), strict=True
                )
            ),
            *(
                ("pairs", mine, other, self.neurons[i] + self.neurons[j], *value)
                for i, mine in enumerate(self.sets)
                for j, other in enumerate(self.sets)
                for value in [(self.pairs[i, j], self.pairs_low[i, j], self.pairs_high[i, j])]
                if i != j
            ),
        ]
        return pd.DataFrame(rows, columns=["quantity", "set", "other", "neurons", "value", "low", "high"])

    def _by_set(self, table: BySet, *cell: int) -> Iterator[tuple[str, float, float, float]]:
        """What a table holds of each set, and of their mean, in one cell."""
        yield from zip(self.sets, table.value[cell], table.low[cell], table.high[cell], strict=True)
        yield "mean", float(table.mean[cell]), float(table.mean_low[cell]), float(table.mean_high[cell])

    def summary(self) -> str:
        """The result in one sentence."""
        last = int(np.flatnonzero(~np.isnan(self.curve.mean))[-1])
        half = f", half of which {self.half_effect} do" if self.half_effect else ""
        control = f" (random neurons: {self.random_halves.at().value:+.2f})" if self.draws else ""
        return (
            f"Silencing the {self.sizes[last]} strongest neurons of an emotion changes its log-odds by"
            f" {self.curve.at(last):+.2f} nats{half}; the halves of a set together differ from their sum by"
            f" {self.halves.at():+.2f} nats{control}, two emotions' sets by {self.pairs_mean:+.2f} (below 0: they"
            f" stand in for each other); {len(self.clips)} clips of {self.n_speakers} speakers{self.reservation}."
        )
