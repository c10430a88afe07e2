"""Layer profiles of sets whose layers are known, their figures, and odd sets."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_rules import fits_a_phone
from made_up_gates import heard_clips, statistics_of
from scipy.stats import hypergeom

from esn_interp.analysis.layers.measure import layer_profile
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.resampling import select_alike, subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics

WIDTHS = (60, 60, 90, 90, 60, 60)


def with_counts(counts: dict[str, list[int]], widths: tuple[int, ...] = WIDTHS, **fields) -> NeuronSet:
    """A set with so many neurons per emotion and layer, the first of each layer."""
    where = Origin("made", "f00d", "thinker", widths, "corpus", "beef")
    starts = where.offsets
    indices = {
        emotion: np.concatenate([start + np.arange(n) for start, n in zip(starts, one, strict=True)])
        for emotion, one in counts.items()
    }
    return NeuronSet.from_indices(where, indices, **fields)


COUNTS = {"angry": [1, 2, 20, 18, 1, 0], "sad": [6, 7, 8, 9, 6, 5], "bored": [0, 0, 0, 0, 0, 0]}


@pytest.fixture(scope="module")
def result() -> LayerProfile:
    return layer_profile(with_counts(COUNTS), permutations=499)


def test_shares_and_the_uniform_expectation(result: LayerProfile):
    counts, widths = np.array(list(COUNTS.values())), np.array(WIDTHS)
    np.testing.assert_array_equal(result.counts, counts)
    np.testing.assert_allclose(result.share[:2], counts[:2] / counts[:2].sum(axis=1, keepdims=True))
    np.testing.assert_allclose(result.expected, widths / 420)
    np.testing.assert_allclose(result.fold[0, 2], (20 / 42) / (90 / 420))
    for row in (0, 1):
        null = hypergeom(420, counts[row].sum(), widths)
        np.testing.assert_allclose(result.null_low[row] * counts[row].sum(), null.ppf(0.025))
        np.testing.assert_allclose(result.null_high[row] * counts[row].sum(), null.ppf(0.975))
        np.testing.assert_allclose(result.p_values[row], null.sf(counts[row] - 1))
        assert (result.p_holm[row] >= result.p_values[row]).all()


def test_the_planted_band_is_told_and_the_even_row_has_none(result: LayerProfile):
    (band,) = result.bands
    assert (band.row, band.first, band.last, band.count) == (0, 2, 3, 38)
    assert band.fold == pytest.approx(38 / (42 * 180 / 420))
    assert np.isnan([band.low, band.high]).all()
    assert result.scan_p[0] == 1 / 500
    assert result.scan_p[1] > 0.05
    assert result.scan_holm[0] == 2 / 500
    assert result.summary() == (
        "Neurons gather in bands of layers (against a uniform spread, which knows nothing of the selection):"
        " angry in layers 2-3 (2.1 times chance)."
    )
    assert result.gini[0] > result.gini_null[0] > 0
    assert result.gini[1] < result.gini[0]
    assert result.entropy[1] > result.entropy[0]


def test_a_row_without_neurons_is_unknown_and_told(result: LayerProfile):
    for values in (result.share, result.low, result.null_high, result.p_values, result.p_holm):
        assert np.isnan(values[2]).all()
    assert np.isnan([result.gini[2], result.entropy[2], result.scan_p[2]]).all()
    assert result.rows.members == (0, 1)
    assert result.notes[0] == "no neurons for bored: no profile there"
    assert result.notes[1].startswith("no p for the selection: these neurons were made by 'custom'")


def test_alike_rows_and_layers_are_joined_first():
    counts = {"a": [9, 9, 1, 1], "b": [1, 1, 9, 9], "c": [8, 9, 1, 2]}
    result = layer_profile(with_counts(counts, (50,) * 4), permutations=99)
    assert set(result.rows.merges[0, :2]) == {0, 2}
    joined = [set(result.layers.merges[at, :2]) for at in (0, 1)]
    assert {0, 1} in joined
    assert {2, 3} in joined


def test_several_sets_become_rows_with_names():
    sets = {"mad": with_counts(COUNTS), "cas": with_counts({"angry": [30, 9, 0, 0, 0, 1]})}
    result = layer_profile(sets, permutations=99)
    assert result.labels == ("angry (mad)", "sad (mad)", "bored (mad)", "angry (cas)")
    assert {band.row for band in result.bands} == {0, 3}
    frame = result.to_frame()
    assert len(frame) == 4 * 6
    assert frame.query("set == 'cas' and layer == 0")["count"].item() == 30


def test_odd_networks_and_sets():
    one_layer = layer_profile(with_counts({"angry": [4]}, (9,)), permutations=99)
    assert np.isnan(one_layer.scan_p[0])
    assert one_layer.notes[0] == "one layer only: neurons can't gather in a band"
    assert one_layer.plot().data
    assert one_layer.plot_clusters().data
    everything = layer_profile(with_counts({"angry": list(WIDTHS)}), permutations=99)
    np.testing.assert_allclose(everything.fold, 1)
    assert everything.bands == ()
    assert everything.gini[0] == pytest.approx(0)
    assert everything.scan_p[0] == 1
    nothing = layer_profile(with_counts({"angry": [0] * 6}), permutations=99)
    assert nothing.bands == ()
    assert nothing.plot().data
    assert nothing.plot_clusters().data
    with pytest.raises(StatisticsError, match="at least one neuron set"):
        layer_profile({})
    with pytest.raises(StatisticsError, match="the neurons come from made"):
        layer_profile({"a": with_counts(COUNTS), "b": with_counts({"angry": [1, 1]}, (9, 9))})


# ------------------------------------------------------------------ resampling


def statistics(speakers: int = 4, clips: int = 40) -> GateStatistics:
    stats = statistics_of(heard_clips(clips, widths=(30, 20)), per_clip=True, widths=(30, 20))
    named = tuple(f"s{number % speakers}" if speakers else "" for number in range(clips))
    object.__setattr__(stats.per_clip, "speakers", named)
    return stats


def test_profiles_are_resampled_by_speaker_and_selected_anew():
    stats = statistics()
    esns = select(stats, "mad", count=5, filter="none")
    result = layer_profile(esns, stats, resamples=12, permutations=99, seed=3)
    assert (result.unit, result.resamples) == ("speaker", 12)
    # An independent repetition: bootstrap the speakers, rebuild, select, count.
    rng, shares = np.random.default_rng(3), []
    names = np.array(stats.per_clip.speakers)
    for _ in range(12):
        drawn = rng.choice(np.unique(names), size=4)
        rows = np.concatenate([np.flatnonzero(names == name) for name in drawn])
        counts = select_alike(subset(stats, rows), esns).counts()
        shares.append(counts / counts.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(result.resampled_low, np.quantile(shares, 0.025, axis=0))
    np.testing.assert_allclose(result.resampled_high, np.quantile(shares, 0.975, axis=0))
    assert result.notes == ("made-up: resampled over 4 speakers only, the ranges are rough",)


def test_samples_that_lack_an_emotion_are_drawn_anew_and_it_is_told():
    clips = [clip for clip in heard_clips(60, widths=(30, 20)) if clip.kept]
    stats = statistics_of(clips, per_clip=True, widths=(30, 20))
    # The first speaker alone speaks the third emotion.
    names = tuple("a" if clip.emotion == 2 else f"b{number % 2}" for number, clip in enumerate(clips))
    object.__setattr__(stats.per_clip, "speakers", names)
    result = layer_profile(select(stats, "mad", count=5), stats, resamples=10, permutations=99)
    assert result.resamples == 10
    assert "resamples were drawn anew: an emotion had no clip" in result.notes[0]


def test_without_speakers_clips_are_resampled_and_it_is_told():
    stats = statistics(speakers=0)
    result = layer_profile(select(stats, "cas", count=4), stats, resamples=3, permutations=99)
    assert result.unit == "clip"
    assert "clips were resampled; the ranges are too narrow" in result.notes[0]


def test_statistics_that_can_not_be_resampled_are_refused():
    stats = statistics()
    esns = select(stats, "mad", count=5)
    with pytest.raises(StatisticsError, match="hold no single clips"):
        layer_profile(esns, statistics_of(heard_clips(9, widths=(30, 20)), widths=(30, 20)))
    with pytest.raises(StatisticsError, match="can't be selected again"):
        layer_profile(esns.random_like(0) | esns, stats)
    with pytest.raises(StatisticsError, match="the neurons come from"):
        layer_profile(with_counts(COUNTS, selector="mad"), stats)


# ------------------------------------------------------------------ files and figures


def test_it_reads_back_as_it_was(result: LayerProfile, tmp_path: Path):
    result.save(tmp_path / "layers.json")
    again = LayerProfile.load(tmp_path / "layers.json")
    assert again.to_frame().equals(result.to_frame())
    assert again.bands[0].layers == "layers 2-3"
    np.testing.assert_array_equal(again.rows.merges, result.rows.merges)


def test_the_profile_figure_shows_shares_whiskers_null_and_bands(result: LayerProfile):
    figure = result.plot()
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    nulls = [trace for trace in figure.data if trace.fill == "toself"]
    assert [line.name for line in lines] == list(COUNTS)
    for row in (0, 1):
        np.testing.assert_allclose(lines[row].y, 100 * result.share[row])
        np.testing.assert_allclose(lines[row].y + lines[row].error_y.array, 100 * result.high[row], atol=1e-9)
        np.testing.assert_allclose(nulls[row].y[:6], 100 * result.null_high[row])
    assert [(shape.x0, shape.x1, shape.xref) for shape in figure.layout.shapes] == [(1.5, 3.5, "x")]
    assert "angry (layers 2-3: p 0.002)" in [note.text for note in figure.layout.annotations]
    fits_a_phone(figure)


def test_the_clusters_figure_shows_fold_enrichment_in_the_order_of_the_trees(result: LayerProfile):
    figure = result.plot_clusters()
    (cells,) = [trace for trace in figure.data if isinstance(trace, go.Heatmap)]
    fold = result.fold[np.ix_(result.rows.order, result.layers.order)]
    assert cells.zmin == -cells.zmax
    np.testing.assert_allclose(np.array(cells.text, dtype=float), fold, atol=0.051)
    shown = np.clip(fold, 2**cells.zmin, 2**cells.zmax)
    assert cells.zmax == 2  # the scale spans four times chance at least, so that little looks little
    cell = np.ix_(result.rows.order, result.layers.order)
    by_chance = ((result.null_low <= result.share) & (result.share <= result.null_high))[cell]
    assert 0 < by_chance.sum() < by_chance.size
    np.testing.assert_allclose(2 ** np.array(cells.z), np.where(by_chance, 1, shown))
    assert list(figure.layout.xaxis3.ticktext) == [str(layer) for layer in result.layers.order]
    brackets = [trace for trace in figure.data if isinstance(trace, go.Scatter)]
    assert len(brackets) == len(result.rows.merges) + len(result.layers.merges)
    fits_a_phone(figure)
