"""What two or more neuron sets share, pair by pair and pattern by pattern."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.overlap.pair import PairOverlap, Pooled
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure


@dataclass(frozen=True, eq=False)
class Overlap(Result):
    """What two or more neuron sets share; ``pairs`` compares each two of them, see `PairOverlap`.

    ``curve`` holds the same comparisons with other fractions of the gates selected. ``resampled`` is, for
    each pair, the Jaccard index of the sets selected from bootstrap samples of both sides' clips (by speaker
    where speakers are known). A bootstrap sample holds fewer different speakers than the corpus, so these lie
    lower than the index of the sets themselves; their spread is what other speakers would change.

    ``patterns`` are the ways in which a neuron can be a member of some of the sets (columns: the sets), and
    ``pattern_counts`` how many neurons have exactly this pattern, for each emotion that all sets have.
    ``pattern_expected`` is what independent sets with the same numbers in every layer would give.
    """

    kind: ClassVar[str] = "overlap"

    names: tuple[str, ...]
    models: tuple[str, ...]
    corpora: tuple[str, ...]
    selectors: tuple[str, ...]
    widths: tuple[int, ...]
    among: str
    persistence: float
    seed: int
    pairs: tuple[PairOverlap, ...]
    curve: tuple[PairOverlap, ...]
    resampled: tuple[Float64[np.ndarray, "resample a b"], ...]
    emotions: tuple[str, ...]
    patterns: Bool[np.ndarray, "pattern set"]
    pattern_counts: Int64[np.ndarray, "pattern emotion"]
    pattern_expected: Float64[np.ndarray, "pattern emotion"]
    notes: tuple[str, ...]

    @property
    def resamples(self) -> int:
        """The number of bootstrap samples."""
        return len(self.resampled[0]) if self.resampled else 0

    def jaccard_range(self, pair: int = 0) -> tuple[Float64[np.ndarray, "a b"], Float64[np.ndarray, "a b"]]:
        """2.5 and 97.5 % quantiles of a pair's resampled Jaccard index; NaN without resamples."""
        if not self.resamples:
            unknown = np.full(self.pairs[pair].shared.shape, np.nan)
            return unknown, unknown
        low, high = np.nanquantile(self.resampled[pair], [0.025, 0.975], axis=0)
        return low, high

    def to_frame(self) -> pd.DataFrame:
        """One row per pair of sets and pair of emotions, the sets as given first, then each fraction."""
        return pd.concat([pair.to_frame() for pair in (*self.pairs, *self.curve)], ignore_index=True)

    def summary(self) -> str:
        """The result in one sentence: same emotions against different ones, for the first pair."""
        pair = self.pairs[0]
        same, other = (float(nan_mean(pair.jaccard[mask])) for mask in (pair.same, ~pair.same))
        told = f" (first of {len(self.pairs)} pairs)" if len(self.pairs) > 1 else ""
        return (
            f"{pair.a} and {pair.b}{told}: neurons of the same emotion overlap by {same:.2f} (Jaccard),"
            f" {_times(pair.same_emotion)} what their layers alone would give; those of different emotions by"
            f" {other:.2f}, {_times(pair.other_emotion)}."
            + _beyond_selection(pair)
        )

    def plot(self, **look: Unpack["Look"]) -> "Figure":
        """The matrices of the first pair; with three sets or more, which neurons are in which sets."""
        return self.plot_pair(**look) if len(self.names) == 2 else self.plot_sets(**look)

    def plot_pair(self, pair: int = 0, **look: Unpack["Look"]) -> "Figure":
        """Fold enrichment with its bounds, and the matrices, of one pair of sets."""
        return self._drawn("figure.draw", pair, **look)

    def plot_sets(self, **look: Unpack["Look"]) -> "Figure":
        """How many neurons are in exactly which of the sets (an UpSet plot)."""
        return self._drawn("upset_figure.draw", **look)

    def plot_curve(self, pair: int = 0, **look: Unpack["Look"]) -> "Figure":
        """Overlap of one pair over the fraction of gates that is selected.

        Raises
        ------
        StatisticsError
            When no fractions were compared.
        """
        if not self.curve:
            raise StatisticsError("no fractions were compared; call overlap with statistics= and tops=")
        return self._drawn("figure.draw_curve", pair, **look)


def _beyond_selection(pair: PairOverlap) -> str:
    if pair.fold_null is None or pair.contrast_null is None:
        return ""
    same, contrast = pair.fold_null.told_p(), pair.contrast_null.told_p()
    return (
        f" Neurons selected by permuted labels share {pair.fold_null.mean:.2g} times that: beyond the selection, {same}"
        f" for the same emotion, {contrast} for the same minus others."
    )


def _times(pooled: Pooled) -> str:
    if np.isnan(pooled.fold):
        return "an unknown multiple of"
    return f"{pooled.fold:.2g} [{pooled.low:.2g}, {pooled.high:.2g}] times"

