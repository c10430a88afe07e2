"""Doses that are not gains: sizes of sets, token scopes, bands of layers, and what steering breaks."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_gates import statistics_from_rates
from planted_listener import (
    BIAS,
    EMOTIONS,
    PER_LAYER,
    WIDTHS,
    PlantedListener,
    planted_clips,
    planted_gates,
    planted_set,
)

from esn_interp.analysis.dose.breaking import UNPARSED
from esn_interp.analysis.dose.doses import in_layers, of_emotions, over_bands
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.errors import EditError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics

LEAKS = [0.6, 0.4, 0.3, 0.22, 0.15, 0.12, 0.08, 0.03]
GATES = sum(WIDTHS)


@pytest.fixture(scope="module")
def clips():
    return planted_clips(leaks=LEAKS)


@pytest.fixture(scope="module")
def stats() -> GateStatistics:
    """Means that rank the planted gates of an emotion first, in the order of their layers."""
    mean = np.zeros((len(EMOTIONS), GATES))
    offsets = planted_set().origin.offsets
    for at, emotion in enumerate(EMOTIONS):
        gates = [
            start + gate for layer, start in enumerate(offsets) for gate in planted_gates(emotion, layer)
        ]
        mean[at, gates] = 2.0 - 0.1 * np.arange(len(gates))
    made = statistics_from_rates(np.full_like(mean, 0.5), mean, WIDTHS, EMOTIONS)
    return replace(made, origin=planted_set().origin)


def run(clips, esns=None, **options) -> DoseResponse:
    given = {"draws": 0, "progress": False, **options}
    return dose_response(PlantedListener(), clips, esns or planted_set(), **given)


def test_sizes_are_selected_as_the_set_was(clips, stats):
    esns = select(stats, "mad", top=4 / GATES, scope="last", filter="none")
    tops = [1 / GATES, 2 / GATES, 4 / GATES]
    found = run(clips, esns, tops=tops, stats=stats, alpha=8, draws=2)
    assert found.axis == "top"
    np.testing.assert_array_equal(found.neurons, np.tile([1, 2, 4], (len(EMOTIONS), 1)))
    for at, top in enumerate(tops):
        alone = run(clips, select(stats, "mad", top=top, scope="last", filter="none"), alphas=[8])
        np.testing.assert_array_equal(found.flip.value[:, at], alone.flip.value[:, 0])
        assert found.flip_rate(top) == alone.flip_rate(8)
    assert (np.diff(found.flip.mean) > 0).all()
    assert found.random_flip.mean.max() < found.flip.mean.max() / 2
    assert set(found.to_frame().top) == set(tops)
    with pytest.raises(EditError, match=r"top 0\.5 was not run; there are"):
        found.flip_rate(0.5)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(tops=[0.1]), "pass stats="),
        (dict(tops=[0.1], stats="stats"), "were made by 'planted', not by one selector"),
        (dict(tops=[], stats="stats"), "fractions of all gates"),
    ],
)
def test_sizes_need_statistics_and_a_selected_set(clips, stats, options, says):
    options = {name: stats if value == "stats" else value for name, value in options.items()}
    with pytest.raises(StatisticsError, match=says):
        run(clips, **options)


def test_a_size_out_of_range_is_refused(clips, stats):
    with pytest.raises(StatisticsError, match="top is a fraction"):
        run(clips, select(stats, "mad", count=2), tops=[0.1, 1.5], stats=stats)


def test_scopes_act_where_they_say(clips):
    # The planted listener answers from its last token only.
    found = run(clips, scopes=["audio", "last", "all"], alpha=16)
    everywhere = run(clips, alphas=[0, 16])
    assert found.labels == ("audio", "last", "all")
    assert found.positions[:2] == (("audio",), ("last",))
    assert found.flip_rate("audio") == everywhere.flip_rate(0)
    assert found.flip_rate("last") == found.flip_rate("all") == everywhere.flip_rate(16)
    assert found.tokens_touched[0] + 4 * found.tokens_touched[1] == found.tokens_touched[2]
    assert found.sigmoid is None
    assert np.isnan(found.spearman)
    assert "at scope last (alpha 16)" in found.summary()


def test_bands_use_the_neurons_of_their_layers(clips):
    found = run(clips, bands=2, alpha=16, draws=2)
    assert found.labels == ("0–0", "1–1")
    np.testing.assert_array_equal(found.neurons, PER_LAYER)
    for layer in (0, 1):
        alone = run(clips, in_layers(planted_set(), layer, layer), alphas=[16])
        np.testing.assert_array_equal(found.flip.value[:, layer], alone.flip.value[:, 0])
    both = run(clips, bands=[(0, 1)], alpha=16)
    assert both.flip_rate(0) == run(clips, alphas=[16]).flip_rate(16)


def test_thirds_have_names_and_cover_every_layer_once():
    origin = Origin("deep", "x", "thinker", (4,) * 28, "c", "y")
    esns = NeuronSet.from_indices(origin, {"sad": np.arange(28 * 4)})
    axis = over_bands(esns, 3, 1.0)
    assert [dose.label for dose in axis.doses] == ["early 0–8", "middle 9–18", "late 19–27"]
    assert sum(len(dose.neurons) for dose in axis.doses) == len(esns)


def test_a_band_without_neurons_changes_nothing_and_says_so(clips):
    found = run(clips, in_layers(planted_set(), 1, 1), bands=2, alpha=16)
    assert found.flip_rate("0–0") == found.unedited_flip
    assert any(note.startswith("band 0–0: no neurons for neutral") for note in found.notes)
    assert not any(note.startswith("band 1–1") for note in found.notes)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (dict(alphas=[1], bands=2), "give one of alphas, bands"),
        (dict(scopes=["audio", "generated"]), "scopes are some of audio, text, last, all"),
        (dict(scopes=["last", "last"]), "each once"),
        (dict(scopes=["last"], positions=["last"]), "leave positions out"),
        (dict(bands=3), "2 layers make 1 to 2 bands, not 3"),
        (dict(bands=[(1, 2)]), "layers run from 0 to 1"),
        (dict(bands=[]), "one or more ranges"),
        (dict(bands=2, alpha=-2), "alpha is a finite number"),
    ],
)
def test_impossible_doses_are_refused(clips, options, says):
    with pytest.raises(EditError, match=says):
        run(clips, **options)


def test_sets_can_be_narrowed_to_emotions_in_another_order():
    narrow = of_emotions(planted_set(), ("sad", "happy"))
    assert narrow.emotions == ("sad", "happy")
    for emotion in narrow.emotions:
        np.testing.assert_array_equal(narrow.indices(emotion), planted_set().indices(emotion))
    with pytest.raises(StatisticsError, match="no neurons were selected for bored"):
        of_emotions(planted_set(), ("bored",))


def test_where_steering_breaks_the_model_is_found(clips):
    # Above a total of 5 the planted listener babbles: a clip of the target reaches it between gains 4 and 16.
    found = run(clips, alphas=[-1, 0, 1, 16], side_clips=20)
    lost = found.lost
    assert lost is not None
    assert lost.clips == 20
    assert lost.curves[UNPARSED].mean[1] == lost.curves[UNPARSED].mean[2] == 0
    # One clip in five is of the target itself, and some of the others have enough of it.
    assert lost.curves[UNPARSED].mean[3] >= 0.2
    assert lost.curves["transcription"].mean.tolist() == [0, 0, 0, 0]  # the word gate is not steered
    assert found.broken == ("16",)
    assert "more than 10 points are lost elsewhere at alpha 16" in found.summary()
    assert "loss of transcription" in set(found.to_frame().quantity)


def test_files_hold_what_breaks_and_what_is_fitted(clips, tmp_path):
    found = run(clips, alphas=[0, 0.5, 1, 2, 4, 8, 16, 32], side_clips=5)
    assert found.sigmoid is not None
    # Speakers flip at about 1 / leak - 1: half of the eight of them by 1 / 0.18 - 1.
    assert 2.5 < found.sigmoid.ec50.value < 6
    assert found.sigmoid.ec50.low < found.sigmoid.ec50.value < found.sigmoid.ec50.high
    found.save(tmp_path / "dose.json")
    loaded = DoseResponse.load(tmp_path / "dose.json")
    assert loaded.to_dict() == found.to_dict()
    assert loaded.broken == found.broken


def test_an_emotion_without_clips_leaves_its_recall_unknown():
    rows = planted_clips(leaks=LEAKS, without=[(speaker, "sad") for speaker in range(8)])
    found = run(rows, alphas=[0, 4, 16])
    sad = EMOTIONS.index("sad")
    assert np.isnan(found.recall.value[sad]).all()
    assert np.isfinite(found.flip.value).all()  # clips of other emotions can still turn sad
    assert np.isfinite(found.recall.mean).all()
    assert any(note.startswith("no clip is sad") for note in found.notes)


def test_one_speaker_has_values_but_no_intervals():
    found = run(planted_clips(speakers=1, leaks=[0.3]), alphas=[0, 1, 2, 4, 8])
    assert np.isfinite(found.flip.mean).all()
    assert np.isnan(found.flip.mean_low).all()
    assert found.sigmoid is not None
    assert np.isnan(found.sigmoid.ec50.low)
    assert any(note.startswith("one speaker only") for note in found.notes)


def test_all_neurons_have_no_random_control(clips, stats):
    # Everything is amplified alike, so that the answer stays what it was; no neurons are left to draw from.
    everything = NeuronSet.from_indices(planted_set().origin, dict.fromkeys(EMOTIONS, np.arange(GATES)))
    found = run(clips, everything, alphas=[0, 4], draws=1)
    assert found.flip_rate(4) == found.flip_rate(0)
    assert np.isnan(found.random_flip_rate().value)
    assert any("too many for a random control" in note for note in found.notes)


def test_only_a_size_that_leaves_too_few_neurons_lacks_its_control(clips):
    mean = np.tile(np.linspace(2, 1, GATES), (len(EMOTIONS), 1))
    mean[1:] = 0  # so that all gates are eligible for the first emotion
    stats = replace(statistics_from_rates(mean, mean, WIDTHS, EMOTIONS), origin=planted_set().origin)
    esns = select(stats, "mad", top=0.1, filter="none")
    found = run(clips, esns, tops=[0.1, 0.9], stats=stats, draws=1)
    assert np.isfinite(found.random_flip.mean[0])
    assert np.isnan(found.random_flip.mean[1])
    assert any(note.startswith("top 90 %: no random control") for note in found.notes)


def test_two_clips_of_each_emotion_are_enough_for_a_value():
    found = run(planted_clips(speakers=2, takes=1, leaks=[0.5, 0.2]), alphas=[0, 2, 8], draws=1)
    assert found.flip.mean.tolist() == [0, 0.5, 1]  # one of two speakers, then both
    assert np.isfinite(found.flip.mean_low).all()
    assert any(note.startswith("only 2 speakers") for note in found.notes)


def test_ties_everywhere_go_to_the_first_option_until_a_dose_breaks_them():
    rows = planted_clips(leaks=[1.0] * 6, speakers=6)  # every clip carries every emotion in full

    class Undecided(PlantedListener):
        def _run(self, encoded, edits):
            totals, gates = super()._run(encoded, edits)
            return np.round(totals - BIAS, 3), gates

    found = dose_response(Undecided(), rows, planted_set(), alphas=[-1, 0, 1], draws=1, progress=False)
    np.testing.assert_allclose(found.flip.value[:, 1], [1, 0, 0, 0, 0])
    np.testing.assert_allclose(found.flip.value[:, 2], 1)
    np.testing.assert_allclose(found.flip.value[:, 0], 0)
    assert found.spearman == pytest.approx(1)


def test_points_stand_at_their_doses_and_breaking_ones_are_shaded(clips):
    found = run(clips, scopes=["audio", "last"], alpha=16, draws=1, side_clips=10)
    figure = found.plot()
    assert list(figure.layout.xaxis3.ticktext) == ["audio", "last"]
    points = {(trace.name, trace.yaxis): trace for trace in figure.data}
    for at, emotion in enumerate(EMOTIONS):
        np.testing.assert_allclose(points[emotion, "y"].y, 100 * found.flip.value[at])
        np.testing.assert_array_equal(np.round(points[emotion, "y"].x), [0, 1])
    mean = points["mean, 95 % interval", "y"]
    np.testing.assert_allclose(mean.y, 100 * found.flip.mean)
    np.testing.assert_allclose(mean.error_y.array, 100 * (found.flip.mean_high - found.flip.mean))
    np.testing.assert_allclose(points["random neurons", "y"].y, 100 * found.random_flip.mean)
    assert found.lost is not None
    np.testing.assert_allclose(points[f"lost: {UNPARSED}", "y3"].y, 100 * found.lost.curves[UNPARSED].mean)
    assert found.broken == ("last",)
    shaded = {(shape.x0, shape.x1) for shape in figure.layout.shapes}
    assert shaded == {(0.52, 1.48)}


def test_the_curve_shows_the_fit_and_where_the_model_breaks(clips):
    found = run(clips, alphas=[0, 0.5, 1, 2, 4, 8, 16, 32], side_clips=10)
    figure, fit = found.plot(), found.sigmoid
    traces = {trace.name: trace for trace in figure.data}
    assert fit is not None
    np.testing.assert_allclose(traces["sigmoid"].y[[0, -1]], 100 * fit.at(np.array([0.5, 32])))
    assert traces["EC50"].x[0] == pytest.approx(np.log2(1 + fit.ec50.value))
    assert traces["EC50"].y[0] == pytest.approx(50 * (fit.bottom + fit.top))
    assert f"{fit.ec50:.2g}" in figure.layout.title.text
    # One background for each panel and each dose that breaks the model.
    assert len(found.broken) >= 1
    assert len(figure.layout.shapes) == 3 * len(found.broken)
