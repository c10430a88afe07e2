"""Where in the network each emotion's neurons lie: layer profiles, bands, and which of them are alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64
from scipy.stats import hypergeom

from esn_interp.analysis.inference.clustering import Tree, layer_tree, profile_tree
from esn_interp.analysis.inference.concentration import evenness, gini, goodman_bounds
from esn_interp.analysis.inference.scan import scan
from esn_interp.analysis.inference.significance import holm
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import by_speaker, require_single_clips, resampled_sets
from esn_interp.neurons.statistics import GateStatistics

if TYPE_CHECKING:
    import plotly.graph_objects as go


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
                "expected": np.tile(self.expected, len(self.counts)),
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
            f"{self.labels[row]} in {band.layers} ({band.fold:.1f} times chance, p {band.p:.2g})"
            for row, band in strongest.items()
        )
        return f"Neurons gather in bands of layers: {told}."

    def plot(self) -> "go.Figure":
        """The profile of every row over depth, with its bands and what chance would give."""
        from esn_interp.analysis.layers.figure import layer_profile

        return layer_profile(self)

    def plot_clusters(self) -> "go.Figure":
        """Rows and layers put next to those that they resemble, with the trees that say how much."""
        from esn_interp.analysis.layers.clusters_figure import layer_clusters

        return layer_clusters(self)


def layer_profile(
    esns: NeuronSet | Mapping[str, NeuronSet],
    stats: GateStatistics | None = None,
    *,
    permutations: int = 1999,
    resamples: int = 50,
    seed: int = 0,
) -> LayerProfile:
    """Share of each emotion's neurons in each layer, against what a uniform spread over all gates would give.

    Parameters
    ----------
    esns
        One set, or several by name, such as one per selector; all of the same model.
    stats
        Statistics that keep single clips: the clips are resampled, by speaker where speakers are known, and
        the neurons selected anew as ``esns`` were, to see how firm the profiles are. Not needed otherwise.
    permutations
        Uniform draws behind the p-values of bands.
    resamples
        Bootstrap samples of the clips, when ``stats`` are given.

    Raises
    ------
    StatisticsError
        When there is no set, sets or statistics are of different models, or the statistics keep no single
        clips.
    """
    given = {esns.selector: esns} if isinstance(esns, NeuronSet) else dict(esns)
    if not given:
        raise StatisticsError("give at least one neuron set")
    first, *others = given.values()
    for other in others:
        first.check(other.origin)
    counts = np.concatenate([one.counts() for one in given.values()])
    widths, totals = np.array(first.widths), counts.sum(axis=1, keepdims=True)
    gates = first.n_gates
    share = _shares(counts)
    low, high = goodman_bounds(counts)
    edges = [hypergeom.ppf(at, gates, totals, widths) for at in (0.025, 0.975)]
    with np.errstate(invalid="ignore"):
        null_low, null_high = (np.where(totals > 0, edge, np.nan) / totals for edge in edges)
    p_values = np.where(totals > 0, hypergeom.sf(counts - 1, gates, totals, widths), np.nan)
    resampled, notes = None, list[str]()
    if stats is not None and resamples:
        rng = np.random.default_rng(seed)
        drawn, told = resampled_sets(stats, list(given.values()), resamples=resamples, rng=rng)
        resampled = np.array([_shares(np.concatenate([one.counts() for one in sets])) for sets in drawn])
        notes.extend(told)
    scans = [scan(row, first.widths, permutations=permutations, seed=seed) for row in counts]
    scan_p = np.array([p for p, _ in scans])
    labels = [(name, emotion) for name, one in given.items() for emotion in one.emotions]
    if empty := [emotion for (_, emotion), total in zip(labels, totals, strict=True) if not total]:
        notes.append(f"no neurons for {', '.join(dict.fromkeys(empty))}: no profile there")
    if len(first.widths) == 1:
        notes.append("one layer only: neurons can't gather in a band")
    unknown = np.full(share.shape, np.nan)
    return LayerProfile(
        model=first.model,
        fingerprint=first.origin.fingerprint,
        corpus="+".join(sorted({one.corpus for one in given.values()})),
        seed=seed,
        permutations=permutations,
        sets=tuple(name for name, _ in labels),
        emotions=tuple(emotion for _, emotion in labels),
        widths=first.widths,
        counts=counts,
        share=share,
        low=low,
        high=high,
        expected=widths / gates,
        null_low=null_low,
        null_high=null_high,
        p_values=p_values,
        p_holm=np.array([holm(row) for row in p_values]),
        gini=gini(counts / widths),
        gini_null=np.array([_uniform_gini(int(n), widths, seed=seed) for n in totals[:, 0]]),
        entropy=evenness(counts / widths),
        scan_p=scan_p,
        scan_holm=holm(scan_p),
        bands=tuple(
            _band(row, window.first, window.last, window.p, counts, widths, resampled)
            for row, (_, windows) in enumerate(scans)
            for window in windows
        ),
        resamples=0 if resampled is None else len(resampled),
        unit="" if stats is None else ("speaker" if by_speaker(require_single_clips(stats)) else "clip"),
        resampled_low=unknown if resampled is None else np.quantile(resampled, 0.025, axis=0),
        resampled_high=unknown if resampled is None else np.quantile(resampled, 0.975, axis=0),
        rows=profile_tree(share),
        layers=layer_tree(share / (widths / gates)),
        notes=tuple(notes),
    )


def _shares(counts: Int64[np.ndarray, "row layer"]) -> Float64[np.ndarray, "row layer"]:
    totals = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)


def _uniform_gini(members: int, widths: Int64[np.ndarray, " layer"], *, seed: int, draws: int = 999) -> float:
    """Mean Gini coefficient of so many gates drawn uniformly."""
    if not members:
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(widths, members, size=draws, method="marginals")
    return float(gini(drawn / widths).mean())


def _band(
    row: int,
    first: int,
    last: int,
    p: float,
    counts: Int64[np.ndarray, "row layer"],
    widths: Int64[np.ndarray, " layer"],
    resampled: Float64[np.ndarray, "resample row layer"] | None,
) -> Band:
    inside = slice(first, last + 1)
    count, part = int(counts[row, inside].sum()), float(widths[inside].sum() / widths.sum())
    expected, low, high = float(counts[row].sum()) * part, float("nan"), float("nan")
    if resampled is not None:
        low, high = np.quantile(resampled[:, row, inside].sum(axis=1) / part, [0.025, 0.975]).tolist()
    return Band(row, first, last, count, expected, count / expected, low, high, p)
