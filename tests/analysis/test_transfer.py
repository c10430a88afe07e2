"""Transfer of planted neurons: each effect equals the plain analysis, and ratios are what they must be."""

from dataclasses import replace

import numpy as np
import pytest
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_gates, planted_set

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.dose.measure import dose_response
from esn_interp.analysis.transfer.measure import transfer
from esn_interp.analysis.transfer.result import Transfer
from esn_interp.errors import CorpusError, EditError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet

LEAKS = [0.6, 0.55, 0.4, 0.3, 0.22, 0.15, 0.62, 0.7]
ORIGIN = planted_set().origin


def some_planted(layers: tuple[int, ...], emotions=EMOTIONS) -> NeuronSet:
    """The planted neurons of these layers alone: half of them for one layer of two."""
    return NeuronSet.from_indices(
        ORIGIN,
        {
            emotion: np.concatenate(
                [ORIGIN.offsets[layer] + planted_gates(emotion, layer) for layer in layers]
            )
            for emotion in emotions
        },
    )


def strangers() -> NeuronSet:
    """Neurons that lead nowhere."""
    return NeuronSet.from_indices(ORIGIN, {e: np.array([10 + at, 40 + at]) for at, e in enumerate(EMOTIONS)})


def run(corpora, **options) -> Transfer:
    return transfer(PlantedListener(), corpora, **{"draws": 2, "alpha": 8, "progress": False, **options})


@pytest.fixture(scope="module")
def clips():
    return planted_clips(leaks=LEAKS), planted_clips(leaks=[leak / 2 for leak in LEAKS], speakers=8)


@pytest.fixture(scope="module")
def result(clips) -> Transfer:
    return run({"near": (clips[0], some_planted((0, 1))), "far": (clips[1], some_planted((0,)))})


def test_effects_equal_the_plain_analyses(result, clips):
    sets = {"near": some_planted((0, 1)), "far": some_planted((0,))}
    for name, some in zip(("near", "far"), clips, strict=True):
        on = result.target(name)
        for k, source in enumerate(("near", "far")):
            silenced = ablation(PlantedListener(), some, sets[source], draws=0, progress=False)
            np.testing.assert_allclose(on.ablation.change[k], silenced.change)
            assert on.ablation.interval(on.ablation.effect, k) == silenced.specificity
            turned = dose_response(
                PlantedListener(), some, sets[source], alphas=[0, 8], draws=0, progress=False
            )
            gain = turned.flip_rate(8).value - turned.flip_rate(0).value
            assert on.steering.effect.value[k] == pytest.approx(gain)
            np.testing.assert_array_equal(on.predicted[1, k], turned.predicted[:, 1])


def test_ratios_are_quotients_and_of_a_set_to_itself_one(result):
    for name in ("near", "far"):
        for effect in ("ablation", "steering"):
            on = result.target(name).of(effect)
            own = result.corpora.index(name)
            ratio = result.ratio(name, name, effect)
            if np.isnan(ratio.value):
                assert not on.interval(on.effect, own).excludes_zero
                continue
            assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1, 1))
            np.testing.assert_allclose(on.ratio.value, on.effect.value / on.effect.value[own])
    # Half of the neurons do less than all of them, and still something.
    half = result.ratio("far", "near", "ablation")
    assert 0 < half.value < 1
    assert half.low < half.value < half.high


def test_the_same_set_transfers_fully_and_strangers_do_not(clips):
    same = run({"here": (clips[0], planted_set()), "there": (clips[1], planted_set())})
    for effect in ("ablation", "steering"):
        for source, target in (("here", "there"), ("there", "here")):
            ratio = same.ratio(source, target, effect)
            assert (ratio.value, ratio.low, ratio.high) == pytest.approx((1, 1, 1))
    np.testing.assert_allclose(same.shared, 1)
    other = run({"here": (clips[0], planted_set()), "there": (clips[1], strangers())})
    assert other.ratio("there", "here").value == pytest.approx(0)
    assert np.isnan(other.ratio("here", "there").value)
    assert any(
        "there, the effect of its own neurons (ablation) does not differ from 0" in n for n in other.notes
    )
    assert "undefined" in other.summary()
    np.testing.assert_allclose(other.shared, np.eye(2))


def test_random_neurons_and_other_emotions_are_controls(result):
    for effect in ("ablation", "steering"):
        measured = result.target("near").of(effect)
        assert abs(measured.effect.value[-1]) < 0.5 * abs(measured.effect.value[0])
        assert abs(measured.other_emotions.value[0]) < 0.5 * abs(measured.own_emotion.value[0])
        off = measured.change[0][~np.eye(len(EMOTIONS), dtype=bool)]
        assert measured.other_emotions.value[0] == pytest.approx(off.mean())
    assert abs(result.ratio("random", "near").value) < 0.5


def test_only_what_all_know_is_compared(clips):
    missing = planted_clips(speakers=6, leaks=LEAKS[:6], without=[(speaker, "sad") for speaker in range(6)])
    found = run({"one": (clips[0], planted_set()), "two": (missing, some_planted((0, 1), EMOTIONS[:4]))})
    assert found.emotions == ("neutral", "happy", "angry")
    assert len(found.target("one").clips) == 3 * 16
    assert any("not all have them: fearful, sad" in note for note in found.notes)


def test_odd_inputs_have_an_answer(clips):
    alone = planted_clips(speakers=1, leaks=[0.6])
    found = run({"one": (alone, planted_set()), "two": (clips[0], planted_set())})
    assert np.isnan(found.ratio("two", "one").value)
    assert np.isfinite(found.ratio("one", "two").value)
    assert any(note.startswith("one: one speaker only") for note in found.notes)

    empty = NeuronSet.from_indices(ORIGIN, {e: np.zeros(0, np.int64) for e in EMOTIONS})
    nothing = run({"one": (clips[0], planted_set()), "two": (clips[1], empty)})
    assert nothing.ratio("two", "one").value == pytest.approx(0)
    assert np.isnan(nothing.ratio("one", "two").value)

    whole = NeuronSet.from_indices(ORIGIN, dict.fromkeys(EMOTIONS, np.arange(ORIGIN.n_gates)))
    full = run({"one": (clips[0], whole), "two": (clips[1], planted_set())})
    assert np.isnan(full.target("one").ablation.effect.value[-1])
    assert np.isfinite(full.target("two").ablation.effect.value[-1])
    assert any(note.startswith("one: no random control") for note in full.notes)


def test_two_clips_of_each_emotion_and_ties_have_an_answer():
    few = planted_clips(speakers=2, takes=1, leaks=[0.6, 0.55])
    # Clips that carry every emotion in full are told apart by the listener's small bias alone.
    tied = planted_clips(speakers=6, takes=1, leaks=[1.0] * 6)
    found = run({"few": (few, planted_set()), "tied": (tied, planted_set())}, draws=1)
    for target in ("few", "tied"):
        for effect in ("ablation", "steering"):
            ratio = found.ratio("few" if target == "tied" else "tied", target, effect)
            assert np.isnan(ratio.value) or ratio.value == pytest.approx(1)
    # All tied clips are heard as neutral, and each set that is turned up wins them all.
    np.testing.assert_allclose(found.target("tied").steering.change[1].diagonal(), [0, 1, 1, 1, 1])
    assert any(note.startswith("few: only 2 speakers") for note in found.notes)


def test_neurons_found_on_the_same_clips_are_refused_unless_that_is_asked_for(clips):
    origin = replace(ORIGIN, corpus_fingerprint=clips[0].fingerprint)
    corpora = {"one": (clips[0], replace(planted_set(), origin=origin)), "two": (clips[1], planted_set())}
    with pytest.raises(CorpusError, match="are among those that the neurons were found on"):
        run(corpora)
    found = run(corpora, allow_identification_clips=True)
    (note,) = [note for note in found.notes if "found on" in note]
    assert note.startswith(f"one: {len(clips[0])} of {len(clips[0])} clips")
    assert "are among those that the neurons were found on" in found.summary()


@pytest.mark.parametrize(
    ("corpora", "options", "error", "says"),
    [
        (lambda c: {"one": (c[0], planted_set())}, {}, StatisticsError, "two corpora or more; there is one"),
        (
            lambda c: {"random": (c[0], planted_set()), "two": (c[1], planted_set())},
            {},
            StatisticsError,
            "can't be called 'random'",
        ),
        (
            lambda c: {"one": (c[0], planted_set()), "two": (c[1], planted_set(("sad",)))},
            {},
            CorpusError,
            "share 1 emotions; transfer needs two",
        ),
        (
            lambda c: {"one": (c[0], planted_set()), "two": (c[1], planted_set())},
            {"alpha": 0},
            EditError,
            "not 0",
        ),
    ],
)
def test_impossible_requests_are_refused(clips, corpora, options, error, says):
    with pytest.raises(error, match=says):
        run(corpora(clips), **options)


def test_unknown_names_are_refused(result):
    with pytest.raises(StatisticsError, match="unknown corpus 'moon'"):
        result.target("moon")
    with pytest.raises(StatisticsError, match="unknown source 'moon'"):
        result.ratio("moon", "near")
    with pytest.raises(StatisticsError, match="choose ablation or steering"):
        result.ratio("far", "near", "shouting")


def test_table_file_summary_and_figure_hold_the_same_numbers(result, tmp_path):
    frame = result.to_frame()
    assert len(frame) == 2 * 2 * 4 * 3
    row = frame[(frame.target == "near") & (frame.source == "far") & (frame.quantity == "ratio")].iloc[0]
    ratio = result.ratio("far", "near")
    assert (row.value, row.low, row.high) == (ratio.value, ratio.low, ratio.high)
    result.save(tmp_path / "transfer.json")
    loaded = Transfer.load(tmp_path / "transfer.json")
    assert loaded.to_dict() == result.to_dict()
    assert f"far to near ablation {ratio:.2f}" in result.summary()
    figure = loaded.plot()
    own = [trace for trace in figure.data if trace.name == "on the neurons’ own emotion"]
    on = result.target("near").ablation
    np.testing.assert_allclose([trace.x[0] for trace in own[:3]], 100 * on.own_emotion.value)
    assert f"{ratio:.2f}" in [note.text for note in figure.layout.annotations]
