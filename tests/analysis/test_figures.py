"""Figures hold the numbers of their results; pixels are not looked at here."""

import numpy as np
import plotly.graph_objects as go
import pytest
from colour_vision import distance, on_scale
from planted_listener import EMOTIONS, WIDTHS, PlantedListener, planted_clips, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.drawing import theme
from esn_interp.drawing.marks import log_position
from esn_interp.neurons.neuron_map import neuron_map
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin

ALPHAS = [-1, 0, 1, 16]


@pytest.fixture(scope="module")
def ablated() -> Ablation:
    clips = planted_clips(speakers=6, leaks=[0.0, 0.3, 0.5, 0.8, 0.8, 0.9], mistaken=[(0, "sad", "angry")])
    return ablation(PlantedListener(), clips, planted_set(), draws=3, progress=False)


@pytest.fixture(scope="module")
def dosed() -> DoseResponse:
    clips = planted_clips(speakers=6, leaks=[0.6, 0.4, 0.3, 0.22, 0.1, 0.03])
    return dose_response(PlantedListener(), clips, planted_set(), alphas=ALPHAS, draws=3, progress=False)


def traces(figure: go.Figure, kind: type) -> list:
    return [trace for trace in figure.data if isinstance(trace, kind)]


def test_neuron_map_has_a_mark_for_every_member():
    neurons = planted_set()
    figure = neurons.plot()
    marks = traces(figure, go.Scatter)
    assert [trace.name for trace in marks] == list(EMOTIONS)
    for trace in marks:
        one = neurons[trace.name]
        np.testing.assert_array_equal(trace.x, one.neuron)
        np.testing.assert_array_equal(np.round(trace.y), one.layer)  # lanes stay within the layer's band
        np.testing.assert_array_equal(trace.customdata, one.score)
        assert "layer %{y:.0f}, neuron %{x}" in trace.hovertemplate
        assert "score" in trace.hovertemplate
    lanes = {tuple(np.round(trace.y - np.round(trace.y), 6)) for trace in marks}
    assert len(lanes) == len(EMOTIONS)
    (profile,) = traces(figure, go.Heatmap)
    np.testing.assert_array_equal(profile.text, neurons.counts().T)
    assert profile.zmin == -profile.zmax <= -2
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes]
    assert bands == [(-0.5, width - 0.5) for width in WIDTHS]
    assert f"of {sum(WIDTHS)} gates, selected by planted" in figure.layout.title.text


def test_neuron_map_of_a_large_model_is_drawn_by_the_graphics_card():
    origin = Origin("large", "x", "thinker", (9000,) * 28, "c", "y")
    indices = {emotion: np.arange(0, 28 * 9000, 25) + at for at, emotion in enumerate(EMOTIONS)}
    figure = neuron_map(NeuronSet.from_indices(origin, indices))
    assert len(traces(figure, go.Scattergl)) == len(EMOTIONS)
    assert sum(len(trace.x) for trace in traces(figure, go.Scattergl)) == 5 * 28 * 360


def test_neurons_of_random_layers_look_as_even_as_they_are():
    """At the size of a model of seven billion weights, in colours as they are drawn, and in a page that opens."""
    widths, rng = (18_944,) * 28, np.random.default_rng(5)
    origin = Origin("7B", "x", "thinker", widths, "c", "y")
    size = round(0.005 * sum(widths))
    random = {emotion: rng.choice(sum(widths), size, replace=False) for emotion in EMOTIONS}
    gathered = random | {"angry": np.union1d(random["angry"], 20 * 18_944 + np.arange(0, 30_000, 300))}
    for indices, uneven in ((random, {}), (gathered, {("angry", 20), ("angry", 21)})):
        figure = neuron_map(NeuronSet.from_indices(origin, indices))
        (profile,) = traces(figure, go.Heatmap)
        scale = (profile.colorscale, profile.zmin, profile.zmax)
        drawn = np.array([[on_scale(value, *scale) for value in line] for line in profile.z])
        assert drawn.shape == (28, len(EMOTIONS))
        seen = {(EMOTIONS[at], layer) for layer, at in zip(*np.nonzero(drawn != "#ffffff"), strict=True)}
        assert seen == set(uneven)
        assert all(distance("#ffffff", drawn[layer, EMOTIONS.index(emotion)]) > 10 for emotion, layer in uneven)
        assert len(figure.to_html(include_plotlyjs=True).encode()) < 5e6


def test_neuron_map_survives_an_emotion_without_neurons():
    origin = planted_set().origin
    figure = neuron_map(
        NeuronSet.from_indices(origin, {"sad": np.array([3]), "bored": np.zeros(0, np.int64)})
    )
    assert [len(trace.x) for trace in traces(figure, go.Scatter)] == [1, 0]


def test_ablation_matrix_shows_the_changes_and_the_control(ablated):
    figure = ablated.plot()
    own, random = traces(figure, go.Heatmap)
    np.testing.assert_allclose(own.z, 100 * ablated.change)
    np.testing.assert_allclose(random.z, 100 * ablated.random_change)
    np.testing.assert_allclose(own.customdata[..., 0], 100 * ablated.change_low)
    np.testing.assert_allclose(random.customdata[..., 1], 100 * ablated.random_high)
    np.testing.assert_allclose(own.customdata[2, :, 2], 100 * ablated.baseline_recall)
    assert list(own.x) == list(own.y) == list(EMOTIONS)
    # One diverging scale for both, centred on zero.
    assert own.zmin == -own.zmax == random.zmin == -random.zmax
    assert own.zmax == pytest.approx(100 * np.abs(ablated.change).max())
    assert own.colorscale == random.colorscale
    printed = [[float(text.replace("−", "-")) for text in row] for row in own.text]
    np.testing.assert_allclose(printed, np.round(100 * ablated.change))
    outlined = [(shape.x0 + 0.5, shape.y0 + 0.5) for shape in figure.layout.shapes]
    assert outlined == 2 * [(at, at) for at in range(5)]
    assert "percentage points" in figure.layout.title.text


def test_ablation_matrix_does_not_blow_up_noise():
    figure = ablation(
        PlantedListener(), planted_clips(), planted_set(), positions={"text"}, draws=0, progress=False
    ).plot()
    (own,) = traces(figure, go.Heatmap)
    assert own.zmax == 10
    assert {text for row in own.text for text in row} == {"0"}


def test_ablation_matrix_prints_a_dash_for_what_is_unknown():
    clips = planted_clips(without=[(speaker, "fearful") for speaker in range(8)])
    (own,) = traces(
        ablation(PlantedListener(), clips, planted_set(), draws=0, progress=False).plot(), go.Heatmap
    )
    assert {row[4] for row in own.text} == {"–"}


def test_dose_curve_shows_the_curves_their_bands_and_the_control(dosed):
    figure = dosed.plot()
    curves = {(t.name, t.xaxis): t for t in traces(figure, go.Scatter) if t.fill is None}
    position = log_position(dosed.alphas)
    for at, emotion in enumerate(EMOTIONS):
        np.testing.assert_allclose(curves[emotion, "x"].y, 100 * dosed.flip.value[at])
        np.testing.assert_allclose(curves[emotion, "x2"].y, 100 * dosed.recall.value[at])
        np.testing.assert_allclose(curves[emotion, "x"].x, position)
        assert [row[0] for row in curves[emotion, "x"].customdata] == [f"{alpha:g}" for alpha in ALPHAS]
        high = [row[2] for row in curves[emotion, "x"].customdata]
        np.testing.assert_allclose(high, 100 * dosed.flip.high[at])
    np.testing.assert_allclose(curves["mean, 95 % interval", "x"].y, 100 * dosed.flip.mean)
    np.testing.assert_allclose(curves["random neurons", "x"].y, 100 * dosed.random_flip.mean)
    assert ("random neurons", "x2") not in curves
    bands = [t for t in traces(figure, go.Scatter) if t.fill == "toself"]
    assert len(bands) == 3
    np.testing.assert_allclose(bands[0].y[:4], 100 * dosed.flip.mean_high)
    np.testing.assert_allclose(bands[0].y[:3:-1], 100 * dosed.flip.mean_low)
    assert list(figure.layout.xaxis2.ticktext) == ["−1", "0", "1", "16"]
    # Each curve is in the legend once, though it is drawn in both panels.
    shown = [t.name for t in figure.data if t.showlegend]
    assert sorted(shown) == sorted([*EMOTIONS, "mean, 95 % interval", "random neurons"])


def test_dose_curve_of_one_speaker_has_no_bands():
    found = dose_response(
        PlantedListener(),
        planted_clips(speakers=1, leaks=[0.4]),
        planted_set(),
        alphas=[0, 2],
        draws=0,
        progress=False,
    )
    assert not [t for t in traces(found.plot(), go.Scatter) if t.fill == "toself"]


def test_log_axis_keeps_order_and_puts_doublings_of_the_gain_equally_far_apart():
    np.testing.assert_allclose(log_position(np.array([0.0, 1.0, 3.0, 7.0])), [0, 1, 2, 3])
    np.testing.assert_allclose(log_position(np.array([-1.0])), -1)
    assert (np.diff(log_position(np.linspace(-1, 16, 50))) > 0).all()


def test_every_figure_fits_a_phone(ablated, dosed):
    figures = [
        ablated.plot(),
        dosed.plot(),
        planted_set().plot(),
    ]
    for figure in figures:
        assert figure.layout.template == theme.TEMPLATE
        assert figure.layout.width is None  # the page decides
        assert figure.layout.height > 150
        assert figure.layout.template.layout.legend.orientation == "h"
        lines = figure.layout.title.text.replace("</span>", "").split("<br>")
        texts = [line.rsplit(">", 1)[-1] for line in lines]
        assert len(texts[0]) <= 42
        assert max(map(len, texts)) <= 56
        assert figure.to_json()  # nothing in it that JSON can't hold


def test_every_emotion_has_a_colour_of_its_own():
    names = [*EMOTIONS, "bored", "disgusted", "surprised"]
    colors = theme.emotion_colors(names)
    assert len(set(colors.values())) == len(names)
    assert colors["sad"] == theme.emotion_colors(["sad"])["sad"]
    assert theme.CONTROL not in colors.values()


def test_effects_are_centred_and_counts_start_at_white():
    positions = [position for position, _ in theme.EFFECTS]
    assert positions == pytest.approx([1 - position for position in reversed(positions)])
    assert dict(theme.EFFECTS)[0.5] == dict(theme.COUNTS)[0.0] == "#ffffff"


def test_translucent_colours():
    assert theme.translucent("#ff8000", 0.5) == "rgba(255, 128, 0, 0.5)"
