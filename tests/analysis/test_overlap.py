"""Overlap of neuron sets: every cell worked out apart from the package, and known truths."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_rules import fits_a_phone
from made_up_gates import EMOTIONS, heard_clips, statistics_of
from overlapping_sets import WIDTHS, A, B, random_set, statistics
from scipy.stats import hypergeom, spearmanr
from statsmodels.stats.multitest import multipletests

from esn_interp.analysis.inference.rankings import rank_biased_overlap, ranking
from esn_interp.analysis.overlap.measure import overlap
from esn_interp.analysis.overlap.result import Overlap
from esn_interp.errors import StatisticsError
from esn_interp.neurons.resampling import select_alike, subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics


def test_every_cell_is_what_sets_of_indices_say():
    pair = overlap(A, B).pairs[0]
    for row, one in enumerate(A.emotions):
        for column, two in enumerate(B.emotions):
            left, right = set(A.indices(one).tolist()), set(B.indices(two).tolist())
            assert pair.shared[row, column] == len(left & right)
            assert pair.jaccard[row, column] == pytest.approx(len(left & right) / len(left | right))
            assert pair.coefficient[row, column] == pytest.approx(
                len(left & right) / min(len(left), len(right))
            )
            expected = 30 * 28 / 120 + 6 * 5 / 80 + 4 * 9 / 100
            assert pair.expected[row, column] == pytest.approx(expected)
            assert pair.fold[row, column] == pytest.approx(len(left & right) / expected)
            pooled = hypergeom(300, 40, 42)
            assert pair.global_expected[row, column] == pytest.approx(pooled.mean())
            assert pair.global_p[row, column] == pytest.approx(pooled.sf(len(left & right) - 1))
    for ours, holm in ((pair.p_values, pair.p_holm), (pair.global_p, pair.global_holm)):
        np.testing.assert_allclose(holm.ravel(), multipletests(ours.ravel(), method="holm")[1])
    assert pair.same.tolist() == [[True, False], [False, True]]
    assert np.isnan(pair.rbo).all()


def test_independent_sets_that_prefer_the_same_layers():
    """The headline: within layers they share what chance gives, as if all layers were one three times that."""
    profile, folds, naive, inside = (3, 3, 70), [], [], []
    for seed in range(60):
        a, b = (random_set(2 * seed + at, profile, ("angry",)) for at in (0, 1))
        pair = overlap(replace(a, selector="x"), b).pairs[0]
        folds.append(pair.fold[0, 0])
        naive.append(pair.global_fold[0, 0])
        inside.append(pair.fold_low[0, 0] <= 1 <= pair.fold_high[0, 0])
    assert abs(np.mean(folds) - 1) < 3 * np.std(folds) / np.sqrt(60)
    assert np.mean(inside) >= 0.95 - 2 * np.sqrt(0.95 * 0.05 / 60)
    assert np.mean(naive) > 2.4


def test_the_same_set_twice_and_the_other_way_round():
    pair = overlap(A, A, names=["one", "two"]).pairs[0]
    assert pair.jaccard.diagonal().tolist() == [1, 1]
    np.testing.assert_allclose(pair.fold.diagonal(), pair.fold_high.diagonal())
    assert (pair.p_holm.diagonal() < 1e-6).all()
    there, back = overlap(A, B).pairs[0], overlap(B, A).pairs[0]
    np.testing.assert_allclose(there.fold_low, back.fold_low.T)
    np.testing.assert_allclose(there.p_values, back.p_values.T)


def test_cells_of_equal_emotions_are_pooled():
    pair = overlap(A, B).pairs[0]
    same, other = pair.same_emotion, pair.other_emotion
    assert same.shared == pair.shared.diagonal().sum()
    assert same.expected == pytest.approx(pair.expected.diagonal().sum())
    assert other.fold == pytest.approx(pair.shared[~pair.same].sum() / pair.expected[~pair.same].sum())
    assert same.low < same.fold < same.high


# ------------------------------------------------------------------ with statistics


@pytest.fixture(scope="module")
def both() -> list[GateStatistics]:
    return [statistics(0), statistics(1)]


@pytest.fixture(scope="module")
def result(both: list[GateStatistics]) -> Overlap:
    esns = [select(stats, "mad", count=10) for stats in both]
    return overlap(*esns, statistics=both, tops=[0.1, 0.4], resamples=6, seed=5)


def test_only_gates_eligible_in_both_count_as_possible(both: list[GateStatistics], result: Overlap):
    means = [stats.rates().mean for stats in both]
    eligible = [3 * mean > mean.sum(axis=0) for mean in means]
    pair, layers = result.pairs[0], [slice(0, 30), slice(30, 50)]
    a, b = (select(stats, "mad", count=10) for stats in both)
    for row, column in np.ndindex(3, 3):
        among = eligible[0][row] & eligible[1][column]
        members = []
        for esns, at in ((a, row), (b, column)):
            mask = np.zeros(50, dtype=bool)
            mask[esns.indices(EMOTIONS[at])] = True
            members.append(mask & among)
        expected = sum(
            members[0][layer].sum() * members[1][layer].sum() / max(1, among[layer].sum()) for layer in layers
        )
        assert np.nan_to_num(pair.expected[row, column]) == pytest.approx(expected)
    assert result.among == "gates eligible in both"
    assert overlap(a, b).pairs[0].expected[0, 0] != pytest.approx(pair.expected[0, 0])


def test_scores_are_ranked(both: list[GateStatistics], result: Overlap):
    rates = [stats.rates().mean for stats in both]
    scores = [mean - (mean.sum(axis=0) - mean) / 2 for mean in rates]
    pair = result.pairs[0]
    assert result.persistence == 0.9
    for row, column in np.ndindex(3, 3):
        one, two = scores[0][row], scores[1][column]
        assert pair.spearman[row, column] == pytest.approx(spearmanr(one, two).statistic)
        expected = rank_biased_overlap(ranking(one, 50), ranking(two, 50), persistence=0.9)
        assert pair.rbo[row, column] == pytest.approx(expected)


def test_other_fractions_are_selected_and_compared(both: list[GateStatistics], result: Overlap):
    assert [pair.top for pair in result.curve] == [0.1, 0.4]
    for pair in result.curve:
        sets = [select(stats, "mad", top=pair.top) for stats in both]
        again = overlap(*sets, statistics=both, resamples=0).pairs[0]
        np.testing.assert_allclose(pair.fold_low, again.fold_low)
        np.testing.assert_array_equal(pair.shared, again.shared)


def test_clips_are_resampled_by_speaker_on_both_sides(both: list[GateStatistics], result: Overlap):
    rngs, drawn = np.random.default_rng(5).spawn(2), []
    for stats, rng in zip(both, rngs, strict=True):
        names, esns = np.array(stats.per_clip.speakers), select(stats, "mad", count=10)
        drawn.append([])
        for _ in range(6):
            chosen = rng.choice(np.unique(names), size=3)
            rows = np.concatenate([np.flatnonzero(names == name) for name in chosen])
            drawn[-1].append(select_alike(subset(stats, rows), esns))
    expected = [
        [[overlap(a[e], b[f], names=["x", "y"]).pairs[0].jaccard[0, 0] for f in EMOTIONS] for e in EMOTIONS]
        for a, b in zip(*drawn, strict=True)
    ]
    np.testing.assert_allclose(result.resampled[0], expected)
    low, high = result.jaccard_range()
    np.testing.assert_allclose(high, np.quantile(expected, 0.975, axis=0))
    assert (low <= high).all()


def test_women_and_men_of_one_corpus_are_two_sets():
    stats = statistics()
    ids = stats.per_clip.ids
    women, men = (subset(stats, ids[at::2]) for at in (0, 1))
    result = overlap(*(select(part, "mad", count=10) for part in (women, men)), names=["women", "men"])
    assert (result.pairs[0].a, result.pairs[0].b) == ("women", "men")


def test_two_clips_per_class_are_enough_to_compare():
    clips = sorted((clip for clip in heard_clips(60, widths=(30, 20)) if clip.kept), key=lambda c: c.emotion)
    few = [clip for emotion in range(3) for clip in [c for c in clips if c.emotion == emotion][:2]]
    stats = statistics_of(few, per_clip=True, widths=(30, 20))
    esns = select(stats, "mad", count=5)
    result = overlap(esns, esns, names=["x", "y"], statistics=[stats, stats], resamples=4)
    assert result.resamples == 4
    assert (result.pairs[0].jaccard.diagonal() == 1).all()


# ------------------------------------------------------------------ three and more, files, figures


def test_three_sets_by_exact_membership():
    third = random_set(2, (25, 9, 3), corpus="field")
    result = overlap(A, B, third)
    assert [(pair.a, pair.b) for pair in result.pairs] == [
        ("studio", "phone"),
        ("studio", "field"),
        ("phone", "field"),
    ]
    # What most sets share comes first, and of as many sets the most frequent.
    order = [(-held.sum(), -counts.sum()) for held, counts in zip(result.patterns, result.pattern_counts, strict=True)]
    assert order == sorted(order)
    for at, emotion in enumerate(result.emotions):
        members = [set(one.indices(emotion).tolist()) for one in (A, B, third)]
        for pattern, counts, expected in zip(
            result.patterns, result.pattern_counts, result.pattern_expected, strict=True
        ):
            inside = set.intersection(*(one for one, held in zip(members, pattern, strict=True) if held))
            outside = set().union(*(one for one, held in zip(members, pattern, strict=True) if not held))
            assert counts[at] == len(inside - outside)
            chance = 0.0
            for layer, width in enumerate(WIDTHS):
                shares = [one.counts()[at, layer] / width for one in (A, B, third)]
                chance += width * np.prod(
                    [share if held else 1 - share for share, held in zip(shares, pattern, strict=True)]
                )
            assert expected[at] == pytest.approx(chance)
    figure = result.plot()
    bars = [trace for trace in figure.data if isinstance(trace, go.Bar)]
    assert [bar.name for bar in bars] == ["angry", "sad"]
    assert sum(np.sum(bar.y) for bar in bars) == result.pattern_counts.sum()
    fits_a_phone(figure)


def test_it_reads_back_as_it_was(result: Overlap, tmp_path: Path):
    result.save(tmp_path / "overlap.json")
    again = Overlap.load(tmp_path / "overlap.json")
    assert again.to_frame().equals(result.to_frame())
    np.testing.assert_array_equal(again.patterns, result.patterns)
    assert again.patterns.dtype == np.bool_
    np.testing.assert_array_equal(again.resampled[0], result.resampled[0])
    frame = result.to_frame()
    assert len(frame) == 3 * 9
    assert set(frame["relation"]) == {"same", "other"}
    assert frame["fold"].notna().any()


def test_the_matrix_figure(result: Overlap):
    pair, figure = result.pairs[0], result.plot()
    fold, shared = [trace for trace in figure.data if isinstance(trace, go.Heatmap)]
    np.testing.assert_allclose(shared.z, pair.jaccard)
    assert fold.zmin == -fold.zmax
    marks = [
        trace for trace in figure.data if isinstance(trace, go.Scatter) and trace.error_x.array is not None
    ]
    assert [mark.y[0] for mark in marks] == [*EMOTIONS, "different emotions"]
    for at, mark in enumerate(marks[:3]):
        assert mark.x[0] == pytest.approx(pair.fold[at, at])
        assert mark.x[0] + mark.error_x.array[0] == pytest.approx(pair.fold_high[at, at])
    assert marks[3].x[0] == pytest.approx(pair.other_emotion.fold)
    stars = np.array([["*" in text for text in line] for line in fold.text])
    np.testing.assert_array_equal(stars, pair.p_holm <= 0.05)
    fits_a_phone(figure)


def test_the_curve_figure(result: Overlap):
    figure = result.plot_curve()
    curves = {(trace.name, trace.yaxis): trace for trace in figure.data}
    for at, emotion in enumerate(EMOTIONS):
        np.testing.assert_allclose(curves[emotion, "y"].y, [pair.fold[at, at] for pair in result.curve])
        np.testing.assert_allclose(curves[emotion, "y2"].y, [pair.jaccard[at, at] for pair in result.curve])
    others = curves["different emotions", "y"]
    np.testing.assert_allclose(others.y, [pair.other_emotion.fold for pair in result.curve])
    fits_a_phone(figure)


def test_sets_are_called_by_what_tells_them_apart():
    stats = [statistics(seed) for seed in (0, 1)]
    same = [replace(one, origin=replace(one.origin, corpus="same")) for one in stats]
    sets = [select(one, "mad", count=10) for one in same]
    found = overlap(*sets, relabellings=0)
    assert (found.pairs[0].a, found.pairs[0].b) == ("set 1", "set 2")
    other = replace(sets[1], origin=replace(sets[1].origin, fingerprint="other", model="another"))
    across = overlap(sets[0], other, across_models=True, relabellings=0)
    assert any("have different weights: compared place by place" in note for note in across.notes)
    with pytest.raises(StatisticsError, match="no p for the selection: it needs statistics with the sums"):
        overlap(*sets, relabellings=5)
