"""Where in the network each emotion's neurons lie: layer profiles, bands, and which of them are alike."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Unpack

import numpy as np
import pandas as pd
from einops import repeat
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.clustering import Tree
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.result import Result

if TYPE_CHECKING:
    from esn_interp.drawing.look import Look
    from esn_interp.drawing.shown import Figure


@dataclass(frozen=True)
class Band:
    """Neighbouring layers that hold more of a row's neurons than chance; both ends included.

    ``p`` is that of a scan over all windows, so it needs no correction for their number. ``fold`` is count
    over expected, ``low`` and ``high`` its 2.5 and 97.5 % quantiles over the resamples, NaN without them.
    """

    row: int
    first: int
    last: int
    count: int
    expected: float
    fold: float
    low: float
    high: float
    p: float

    @property
    def layers(self) -> str:
        """The layers in words: ``layer 3`` or ``layers 3-5``."""
        return f"layer {self.first}" if self.first == self.last else f"layers {self.first}-{self.last}"


@dataclass(frozen=True, eq=False)
class LayerProfile(Result):
    """Share of the neurons in each layer, one row per set and emotion, against a uniform spread over gates.

    ``share`` sums to 1 in a row (NaN in a row without neurons), with simultaneous 95 % bounds (Goodman's,
    multinomial). ``expected`` is the layer's share of all gates, and ``null_low`` to ``null_high`` the 95 %
    range of the share if the neurons were drawn uniformly from all gates (hypergeometric). ``p_values`` are
    the upper tails of that, ``p_holm`` adjusts them over the layers of a row.

    ``gini`` (0 spread evenly, towards 1 all in one layer) and ``entropy`` (1 spread evenly, 0 all in one
    layer; NaN with one layer) are of the density, the share of each layer's gates that are selected. Few
    neurons look uneven by chance: ``gini_null`` is the mean under uniform draws of as many.

    ``scan_p`` is the p-value of the most enriched band of neighbouring layers, ``scan_holm`` adjusts it over
    the rows; ``bands`` are all that reach 0.05 within their row. ``resampled_low`` and ``resampled_high`` are
    2.5 and 97.5 % quantiles of the share when the clips are resampled (``unit`` says how) and the neurons
    selected anew: they tell what other speakers would change. ``rows`` and ``layers`` are the trees of
    similar rows and similar layers.

    All these know nothing of the selection: neurons that were selected for no emotion gather in layers too. ``nulls``
    (one a set, its emotions the tests) compare the strongest band with those of neurons that were selected by permuted
    labels; none where that could not be done. ``permuted_low`` to ``permuted_high`` are 95 % of these neurons' shares.
    """

    kind: ClassVar[str] = "layer_profile"

    model: str
    fingerprint: str
    corpus: str
    seed: int
    permutations: int
    sets: tuple[str, ...]
    emotions: tuple[str, ...]
    widths: tuple[int, ...]
    counts: Int64[np.ndarray, "row layer"]
    share: Float64[np.ndarray, "row layer"]
    low: Float64[np.ndarray, "row layer"]
    high: Float64[np.ndarray, "row layer"]
    expected: Float64[np.ndarray, " layer"]
    null_low: Float64[np.ndarray, "row layer"]
    null_high: Float64[np.ndarray, "row layer"]
    p_values: Float64[np.ndarray, "row layer"]
    p_holm: Float64[np.ndarray, "row layer"]
    gini: Float64[np.ndarray, " row"]
    gini_null: Float64[np.ndarray, " row"]
    entropy: Float64[np.ndarray, " row"]
    scan_p: Float64[np.ndarray, " row"]
    scan_holm: Float64[np.ndarray, " row"]
    bands: tuple[Band, ...]
    resamples: int
    unit: str
    resampled_low: Float64[np.ndarray, "row layer"]
    resampled_high: Float64[np.ndarray, "row layer"]
    rows: Tree
    layers: Tree
    notes: tuple[str, ...]
    nulls: tuple[SelectionNull, ...] = ()
    permuted_low: Float64[np.ndarray, "row layer"] | None = None
    permuted_high: Float64[np.ndarray, "row layer"] | None = None

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each row: its emotion, with its set where there are several."""
        if len(set(self.sets)) == 1:
            return self.emotions
        return tuple(f"{emotion} ({name})" for name, emotion in zip(self.sets, self.emotions, strict=True))

    @property
    def fold(self) -> Float64[np.ndarray, "row layer"]:
        """Share over expected: 1 is what chance gives."""
        return self.share / self.expected

    def to_frame(self) -> pd.DataFrame:
        """One row per set, emotion and layer."""
        rows, layers = (index.ravel() for index in np.indices(self.counts.shape))
        return pd.DataFrame(
            {
                "set": [self.sets[row] for row in rows],
                "emotion": [self.emotions[row] for row in rows],
                "layer": layers,
                "count": self.counts.ravel(),
                "share": self.share.ravel(),
                "low": self.low.ravel(),
                "high": self.high.ravel(),
                "expected": repeat(self.expected, "layer -> (row layer)", row=len(self.counts)),
                "null_low": self.null_low.ravel(),
                "null_high": self.null_high.ravel(),
                "fold": self.fold.ravel(),
                "p": self.p_values.ravel(),
                "p_holm": self.p_holm.ravel(),
                "resampled_low": self.resampled_low.ravel(),
                "resampled_high": self.resampled_high.ravel(),
            }
        )

    def summary(self) -> str:
        """The result in one sentence: the strongest band of each row."""
        strongest: dict[int, Band] = {}
        for band in self.bands:
            strongest.setdefault(band.row, band)
        if not strongest:
            return (
                f"No band of neighbouring layers holds more neurons than a uniform spread would"
                f" ({len(self.labels)} sets over {len(self.widths)} layers)."
            )
        told = ", ".join(
            f"{self.labels[row]} in {band.layers} ({band.fold:.1f} times chance{self._beyond_selection(row)})"
            for row, band in strongest.items()
        )
        unmindful = "" if self.nulls else " (against a uniform spread, which knows nothing of the selection)"
        return f"Neurons gather in bands of layers{unmindful}: {told}."

    @property
    def selection_p(self) -> Float64[np.ndarray, " row"]:
        """By row: whether such a band needs the emotion at all, from permuted labels; NaN where not known."""
        if not self.nulls:
            return np.full(len(self.counts), np.nan)
        return np.concatenate([null.p_values for null in self.nulls])

    def _beyond_selection(self, row: int) -> str:
        return f"; selection: p {self.selection_p[row]:.2g}" if self.nulls else ""

    def plot_clusters(self, **look: Unpack["Look"]) -> "Figure":
        """Rows and layers put next to those that they resemble, with the trees that say how much."""
        return self._drawn("figure.draw_clusters", **look)

