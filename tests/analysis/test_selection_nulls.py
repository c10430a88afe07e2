"""What analyses say of neurons selected by permuted labels: against each such set run by itself; how it is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from figure_rules import fits_a_phone
from planted_demo import StudiedListener
from planted_listener import elsewhere, planted_clips

import esn_interp as esn
from esn_interp.analysis.layers.result import LayerProfile
from esn_interp.neurons.relabelling import relabelled_sets

PERMUTATIONS, SEED = 6, 3


@pytest.fixture(scope="module")
def stats() -> esn.GateStatistics:
    clips = planted_clips(speakers=4, takes=3, leaks=[0.0, 0.2, 0.4, 0.6])
    return elsewhere(esn.collect(StudiedListener(), clips, per_clip=True, progress=False))


@pytest.fixture(scope="module")
def esns(stats) -> esn.NeuronSet:
    return esn.select(stats, "mad", count=4)


@pytest.fixture(scope="module")
def permuted(stats, esns) -> tuple[esn.NeuronSet, ...]:
    return relabelled_sets(stats, esns, permutations=PERMUTATIONS, seed=SEED).sets


@pytest.fixture(scope="module")
def clips() -> esn.Clips:
    return planted_clips(speakers=6, leaks=[0.0, 0.3, 0.5, 0.7, 0.8, 0.9])


@pytest.fixture(scope="module")
def ablated(stats, esns, clips) -> esn.Ablation:
    how = {"draws": 0, "relabellings": PERMUTATIONS, "seed": SEED, "progress": False}
    return esn.ablation(StudiedListener(), clips, esns, stats=stats, **how)


@pytest.fixture(scope="module")
def dosed(stats, esns, clips) -> esn.DoseResponse:
    how = {"alphas": [0, 2, 8], "null_alpha": 2, "draws": 0, "relabellings": PERMUTATIONS, "seed": SEED}
    return esn.dose_response(StudiedListener(), clips, esns, stats=stats, progress=False, **how)


@pytest.fixture(scope="module")
def profile(stats, esns) -> LayerProfile:
    return esn.layer_profile(esns, stats, resamples=0, relabellings=PERMUTATIONS, seed=SEED, permutations=99)


def marks(figure: go.Figure) -> go.Scatter:
    (found,) = [trace for trace in figure.data if str(trace.name).startswith("neurons by permuted labels")]
    return found


def test_ablation_measures_each_permuted_set_as_it_measures_the_own(ablated, permuted, clips):
    null = ablated.specificity_null
    assert null is not None
    assert len(null.drawn) == PERMUTATIONS
    for drawn, one in zip(null.drawn, permuted, strict=True):
        alone = esn.ablation(StudiedListener(), clips, one, draws=0, progress=False).change
        others = np.array([np.delete(line, at).mean() for at, line in enumerate(alone)])
        np.testing.assert_allclose(drawn, np.diag(alone) - others, atol=1e-12)


def test_doses_measure_each_permuted_set_at_one_gain(dosed, permuted, clips):
    null = dosed.flip_null
    assert null is not None
    for drawn, one in zip(null.drawn, permuted, strict=True):
        alone = esn.dose_response(StudiedListener(), clips, one, alphas=[2], draws=0, progress=False)
        np.testing.assert_allclose(drawn, alone.flip.value[:, 0], atol=1e-12)


def test_without_sums_of_single_clips_there_is_no_p_and_the_way_to_one_is_said(stats, esns, clips):
    bare = replace(stats, per_clip=None)
    found = esn.ablation(StudiedListener(), clips, esns, stats=bare, draws=0, progress=False)
    assert found.specificity_null is None
    assert "selection" not in found.summary()
    assert any("esn collect --per-clip" in note for note in found.notes)


def test_ablation_draws_the_permuted_sets_behind_the_own(ablated):
    figure, null = ablated.plot(), ablated.specificity_null
    grey = marks(figure)
    np.testing.assert_allclose(grey.x, 100 * null.drawn.T.ravel())
    assert list(grey.y) == [name for name in null.tests for _ in range(PERMUTATIONS)]
    own = [trace for trace in figure.data if trace.name == "own neurons"]
    np.testing.assert_allclose([trace.x[0] for trace in own], 100 * null.observed)
    assert figure.data.index(grey) < figure.data.index(own[0])
    axis = figure.layout[grey.xaxis.replace("x", "xaxis")]
    assert axis.matches is None  # in points; the matrices above share an axis of emotions
    fits_a_phone(figure)


def test_doses_draw_the_permuted_sets_at_their_gain(dosed):
    grey = marks(dosed.plot())
    assert dosed.null_alpha == 2
    np.testing.assert_allclose(grey.y, 100 * dosed.flip_null.omnibus_drawn)
    np.testing.assert_allclose(grey.x, np.log2(3))


def test_layers_draw_where_the_permuted_sets_lie(profile, permuted, tmp_path: Path):
    shares = np.stack([one.counts() / one.counts().sum(axis=1, keepdims=True) for one in permuted])
    np.testing.assert_allclose(profile.permuted_low, np.quantile(shares, 0.025, axis=0))
    surfaces = [trace for trace in profile.plot().data if trace.fill == "toself"]
    assert [trace.name for trace in surfaces] == ["permuted labels, 95 %"] * len(profile.emotions)
    for row, surface in enumerate(surfaces):
        np.testing.assert_allclose(surface.y[: len(profile.widths)], 100 * np.quantile(shares, 0.975, axis=0)[row])
    profile.save(tmp_path / "layers.json")
    np.testing.assert_array_equal(LayerProfile.load(tmp_path / "layers.json").permuted_high, profile.permuted_high)


def test_overlap_draws_what_permuted_sets_share(stats, esns):
    other = esn.select(stats, "cohen", count=4)
    found = esn.overlap(esns, other, statistics=[stats, stats], resamples=0, relabellings=PERMUTATIONS)
    null = found.pairs[0].fold_null
    assert null is not None
    grey = marks(found.plot())
    np.testing.assert_allclose(grey.x, null.drawn.T.ravel())
    assert list(grey.y) == [name for name in null.tests for _ in range(PERMUTATIONS)]
