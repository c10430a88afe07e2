"""Where in the network each emotion's neurons lie: layer profiles, bands, and which of them are alike."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64, Int64
from scipy.stats import hypergeom

from esn_interp.analysis.inference.clustering import layer_tree, profile_tree
from esn_interp.analysis.inference.concentration import evenness, gini, goodman_bounds
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.scan import Window, scan, strongest
from esn_interp.analysis.inference.significance import holm, quotient
from esn_interp.analysis.layers.result import Band, LayerProfile
from esn_interp.analysis.relabelling import OF_SETS, permuted_selection
from esn_interp.analysis.result import told
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import by_speaker, require_single_clips, resampled_sets
from esn_interp.neurons.statistics import GateStatistics


def layer_profile(
    esns: NeuronSet | Mapping[str, NeuronSet],
    stats: GateStatistics | None = None,
    *,
    permutations: int = 1999,
    resamples: int = 50,
    relabellings: int | None = None,
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
    relabellings
        How often the neurons are selected anew from permuted labels, to see whether such bands need an emotion at all;
        99 by default where ``stats`` give ``esns``, 0 for none.

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
    resampled, firmness = None, ()
    if stats is not None and resamples:
        rng = np.random.default_rng(seed)
        drawn, firmness = resampled_sets(stats, list(given.values()), resamples=resamples, rng=rng)
        resampled = np.array([_shares(np.concatenate([one.counts() for one in sets])) for sets in drawn])
    nulls, shares, why = _selection_nulls(given, stats, relabellings=relabellings, seed=seed)
    scans = [scan(row, first.widths, permutations=permutations, seed=seed) for row in counts]
    scan_p = np.array([p for p, _ in scans])
    labels = [(name, emotion) for name, one in given.items() for emotion in one.emotions]
    empty = dict.fromkeys(emotion for (_, emotion), total in zip(labels, totals, strict=True) if not total)
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
            _band(row, window, widths, resampled)
            for row, (_, windows) in enumerate(scans)
            for window in windows
        ),
        resamples=0 if resampled is None else len(resampled),
        unit="" if stats is None else ("speaker" if by_speaker(require_single_clips(stats)) else "clip"),
        resampled_low=unknown if resampled is None else np.quantile(resampled, 0.025, axis=0),
        resampled_high=unknown if resampled is None else np.quantile(resampled, 0.975, axis=0),
        rows=profile_tree(share),
        layers=layer_tree(share / (widths / gates)),
        notes=told(
            *firmness,
            f"no neurons for {', '.join(empty)}: no profile there" if empty else None,
            "one layer only: neurons can't gather in a band" if len(first.widths) == 1 else None,
            *why,
        ),
        nulls=nulls,
        permuted_low=None if shares is None else _quantile(shares, 0.025),
        permuted_high=None if shares is None else _quantile(shares, 0.975),
    )


def _selection_nulls(
    sets: Mapping[str, NeuronSet], stats: GateStatistics | None, *, relabellings: int | None, seed: int
) -> tuple[tuple[SelectionNull, ...], Float64[np.ndarray, "draw row layer"] | None, tuple[str, ...]]:
    """How much each set's strongest band stands out, beside those of neurons that were selected by permuted labels.

    One null a set, its emotions the tests; none at all where it can't be done for some set. Then the shares of the
    layers in every permutation, and notes.
    """
    found: list[SelectionNull] = []
    shares: list[Float64[np.ndarray, "draw row layer"]] = []
    notes: list[str] = []
    for name, one in sets.items():
        null = permuted_selection(stats, one, relabellings=relabellings, seed=seed, default=OF_SETS)
        notes += [note for note in null.notes if note not in notes]
        if null.sets:
            counts = [permuted.counts() for permuted in null.sets]
            shares.append(np.stack([_shares(each) for each in counts]))
            drawn = np.stack([strongest(each, one.widths) for each in counts])
            what = f"strongest band of {name} (log-likelihood ratio)"
            observed = strongest(one.counts(), one.widths)
            found.append(SelectionNull.of(what, one.emotions, observed, drawn, rises=True, **null.about))
    if len(found) < len(sets):
        return (), None, tuple(notes)
    return tuple(found), np.concatenate(shares, axis=1), tuple(notes)


def _shares(counts: Int64[np.ndarray, "row layer"]) -> Float64[np.ndarray, "row layer"]:
    return quotient(counts, counts.sum(axis=1, keepdims=True))


def _quantile(shares: Float64[np.ndarray, "draw row layer"], at: float) -> Float64[np.ndarray, "row layer"]:
    """Over the draws in which a row has neurons; NaN where it never has."""
    never = np.isnan(shares).all(axis=0)
    return np.where(never, np.nan, np.nanquantile(np.where(never, 0.0, shares), at, axis=0))


def _uniform_gini(members: int, widths: Int64[np.ndarray, " layer"], *, seed: int, draws: int = 999) -> float:
    """Mean Gini coefficient of so many gates drawn uniformly."""
    if not members:
        return float("nan")
    rng = np.random.default_rng(seed)
    drawn = rng.multivariate_hypergeometric(widths, members, size=draws, method="marginals")
    return float(gini(drawn / widths).mean())


def _band(
    row: int,
    window: Window,
    widths: Int64[np.ndarray, " layer"],
    resampled: Float64[np.ndarray, "resample row layer"] | None,
) -> Band:
    """What a scan found in a row, with how firm it is over the resamples."""
    low = high = float("nan")
    if resampled is not None:
        inside = slice(window.first, window.last + 1)
        fold = resampled[:, row, inside].sum(axis=1) / float(widths[inside].sum() / widths.sum())
        low, high = np.quantile(fold, [0.025, 0.975]).tolist()
    found = (window.first, window.last, window.count, window.expected, window.fold)
    return Band(row, *found, low, high, window.p)
