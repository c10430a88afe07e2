"""Injection without labels: the three ways are what they say, and their gains are counted as they should be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from planted_listener import EMOTIONS, PlantedListener, planted_clips, planted_set
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, noise
from tiny_omni import EMOTIONS as LABELS

from esn_interp.analysis.injection.measure import injection
from esn_interp.analysis.injection.result import Injection
from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.edits import mix, steer, two_pass, union
from esn_interp.interventions.injection import clip_gains
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.recognition import BASELINE, recognise

LEAKS = [0.4, 0.35, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05]
# Some clips sound like another emotion; they leak what they are meant to be, so that the oracle can turn them back.
MISTAKEN = [(speaker, "sad", "angry") for speaker in range(8)] + [(2, "happy", "neutral")]
ALPHAS = [1, 4]


def sharing() -> NeuronSet:
    """Two emotions that share neuron 1 of layer 0."""
    origin = Origin("small", "x", "thinker", (4, 3), "c", "y")
    return NeuronSet.from_indices(origin, {"calm": np.array([0, 1, 5]), "cross": np.array([1, 2])})


def flat(edits: list[Edit], clips: int, neurons: NeuronSet) -> np.ndarray:
    """Gains by clip and gate, whatever the edits' shapes."""
    gains = np.ones((clips, neurons.n_gates))
    for edit in edits:
        columns = neurons.origin.offsets[edit.layer] + edit.neurons
        gains[:, columns] = np.broadcast_to(edit.gain, (clips, len(columns)))
    return gains


probabilities = arrays(np.float64, (3, 2), elements=st.floats(0.01, 1)).map(
    lambda w: w / w.sum(1, keepdims=True)
)


@settings(deadline=None)
@given(p=probabilities, alpha=st.floats(-1, 8))
def test_the_ways_are_their_formulas(p, alpha):
    neurons = sharing()
    mixed = flat(mix(neurons, p, alpha), 3, neurons)
    expected = np.ones((3, 7))
    expected[:, [0, 5]] += alpha * p[:, [0]]
    expected[:, 1] += alpha  # in both sets, whose weights sum to 1
    expected[:, 2] += alpha * p[:, 1]
    assert_close(mixed, expected, terms=3)
    passed = flat(two_pass(neurons, p, alpha), 3, neurons)
    for clip, best in enumerate(p.argmax(axis=1)):
        alone = flat(steer(neurons[neurons.emotions[best]], alpha), 1, neurons)
        assert_close(passed[[clip]], alone, terms=2)


@pytest.mark.parametrize("alpha", [-0.5, 3])
def test_mix_of_certain_probabilities_is_two_pass_and_union_counts_a_neuron_once(alpha):
    neurons, certain = sharing(), np.eye(2)[[1, 0, 1]]
    np.testing.assert_array_equal(
        flat(mix(neurons, certain, alpha), 3, neurons), flat(two_pass(neurons, certain, alpha), 3, neurons)
    )
    together = flat(union(neurons, alpha), 1, neurons)[0]
    np.testing.assert_allclose(together, [1 + alpha, 1 + alpha, 1 + alpha, 1, 1, 1 + alpha, 1])
    np.testing.assert_allclose(clip_gains(neurons, np.ones((1, 2)), alpha)[0], together)


def test_a_clip_whose_emotion_has_no_neurons_is_left_alone():
    neurons, p = sharing(), np.array([[0.1, 0.1, 0.8], [0.6, 0.3, 0.1]])
    gains = flat(two_pass(neurons, p, 2, emotions=("calm", "cross", "bored")), 2, neurons)
    assert (gains[0] == 1).all()
    assert (gains[1] != 1).sum() == 3
    assert two_pass(neurons, p[:1], 2, emotions=("calm", "cross", "bored")) == []


@pytest.mark.parametrize(
    ("weights", "alpha", "says"),
    [
        (np.ones((2, 3)), 1, "are not clips by the 2 emotions"),
        (np.full((2, 2), 1.5), 1, "numbers from 0 to 1"),
        (np.full((2, 2), np.nan), 1, "numbers from 0 to 1"),
        (np.ones((2, 2)), -2, "alpha is a finite number"),
        (np.ones((2, 2)), float("inf"), "alpha is a finite number"),
    ],
)
def test_nonsense_is_refused(weights, alpha, says):
    with pytest.raises(EditError, match=says):
        mix(sharing(), weights, alpha)


def test_a_batch_of_a_real_model_equals_its_clips_one_by_one(tiny_lm):
    rng = np.random.default_rng(0)
    lm = tiny_lm
    origin = Origin(lm.name, lm.fingerprint, lm.component, lm.widths, "noise", "n")
    neurons = NeuronSet.from_indices(
        origin, {emotion: rng.choice(origin.n_gates, 12, replace=False) for emotion in LABELS}
    )
    waves, p = noise(0.4, 0.7, 0.5), rng.dirichlet(np.ones(len(LABELS)), size=3)
    together = tiny_lm.scores(tiny_lm.encode(waves, CHOICE), LABELS, edits=mix(neurons, p, 3.0))
    plain = tiny_lm.scores(tiny_lm.encode(waves, CHOICE), LABELS)
    for at, wave in enumerate(waves):
        # The same gains as plain edits of one number per neuron.
        edits = [
            Edit(edit.layer, edit.neurons, gain=np.asarray(edit.gain)[0])
            for edit in mix(neurons, p[[at]], 3.0)
        ]
        alone = tiny_lm.scores(tiny_lm.encode([wave], CHOICE), LABELS, edits=edits)
        assert_close(together[[at]], alone, terms=terms_of(tiny_lm.model))
    assert np.abs(together - plain).max() > 1e-2


@pytest.fixture(scope="module")
def clips():
    return planted_clips(leaks=LEAKS, mistaken=MISTAKEN)


@pytest.fixture(scope="module")
def result(clips) -> Injection:
    return injection(PlantedListener(), clips, planted_set(), alphas=ALPHAS, draws=3, seed=1, progress=False)


def test_gains_equal_plain_loops(result, clips):
    listener, neurons = PlantedListener(), planted_set()
    before = recognise(listener, clips, progress=False)
    for k, alpha in enumerate(ALPHAS):
        conditions = {BASELINE: (), **{e: steer(neurons[e], alpha) for e in EMOTIONS}}
        answers = recognise(listener, clips, conditions=conditions, progress=False)
        everyone = np.arange(len(clips))
        told = answers.predicted[1 + before.truth, everyone]
        guessed = answers.predicted[1 + before.predicted[0], everyone]
        all_sets = recognise(listener, clips, conditions={"all": steer(neurons, alpha)}, progress=False)
        for method, predicted in (("oracle", told), ("two_pass", guessed), ("union", all_sets.predicted[0])):
            row = result.methods.index(method)
            np.testing.assert_array_equal(result.predicted[row, k], predicted)
            gain = (predicted == before.truth).mean() - before.accuracy()
            assert result.gain(method, alpha).value == pytest.approx(gain)
            recalls = [(predicted == before.truth)[before.truth == e].mean() for e in range(len(EMOTIONS))]
            assert result.uar.value[row, k] == pytest.approx(np.mean(recalls) - before.uar())
    assert result.baseline_accuracy.value == pytest.approx(before.accuracy())
    assert result.baseline_uar.value == pytest.approx(before.uar())
    # The mistaken clips have what the oracle needs; what the first pass misheard, two passes only confirm.
    assert result.gain("oracle", 4).value > 0.05
    assert result.gain("two_pass", 4).value == 0


def test_a_perfect_first_pass_makes_two_pass_the_oracle():
    perfect = planted_clips(speakers=3, leaks=[0.1, 0.3, 0.2])
    found = injection(PlantedListener(), perfect, planted_set(), alphas=[1, 8], draws=0, progress=False)
    assert found.baseline_accuracy.value == 1
    rows = [found.methods.index(name) for name in ("oracle", "two_pass")]
    np.testing.assert_array_equal(found.predicted[rows[0]], found.predicted[rows[1]])


def test_each_clip_meets_its_own_random_sets(result, clips):
    assert result.random_predicted.shape == (1, 4, 2, len(clips))
    everything = injection(
        PlantedListener(),
        clips,
        planted_set(),
        alphas=ALPHAS,
        draws=3,
        draws_per_clip=None,
        seed=1,
        progress=False,
    )
    assert everything.random_predicted.shape[0] == 3
    seeds = np.random.SeedSequence(1).generate_state(3)
    listener = PlantedListener()
    for turn, state in enumerate(seeds):
        random = planted_set().random_like(int(state))
        edits = {"all": steer(random, 4)}
        predicted = recognise(listener, clips, conditions=edits, progress=False).predicted[0]
        row = result.methods.index("union")
        np.testing.assert_array_equal(everything.random_predicted[turn, row, 1], predicted)
    right = (everything.random_predicted == everything.truth).mean(axis=(0, 3))
    np.testing.assert_allclose(
        everything.random_accuracy.value, right - everything.baseline_accuracy.value, atol=1e-12
    )


def test_intervals_and_tests_take_the_speaker_as_the_unit(result, clips):
    from scipy import stats

    speakers = np.array(clips.column("speaker"))
    row = result.methods.index("oracle")
    change = (result.predicted[row, 1] == result.truth).astype(float) - (
        result.baseline_predicted == result.truth
    )
    by_speaker = np.array([change[speakers == s].mean() for s in clips.speakers])
    half = np.hypot(stats.t.ppf(0.975, 7) * stats.sem(by_speaker), -np.log(0.025) / len(change))
    gain = result.gain("oracle", 4)
    assert (gain.value, gain.high) == (
        pytest.approx(by_speaker.mean()),
        pytest.approx(by_speaker.mean() + half, rel=1e-3),
    )
    assert gain.speakers == 8
    assert 0 < result.p_values[row, 1] <= 1
    assert (result.p_holm >= result.p_values).all()


def test_an_alpha_of_zero_changes_nothing(clips):
    found = injection(PlantedListener(), clips, planted_set(), alphas=[0, 2], draws=2, progress=False)
    assert (found.accuracy.value[..., 0] == 0).all()
    assert (found.random_accuracy.value[..., 0] == 0).all()
    with pytest.raises(EditError, match="alpha 0 changes nothing"):
        injection(PlantedListener(), clips, planted_set(), alphas=[0], draws=2, progress=False)


def test_odd_inputs_have_an_answer():
    alone = planted_clips(speakers=1, leaks=[0.3], without=[(0, "sad")])
    found = injection(PlantedListener(), alone, planted_set(), alphas=[2], draws=2, progress=False)
    assert np.isnan(found.accuracy.low).all()
    assert np.isnan(found.p_values).all()
    assert any("one speaker only" in note for note in found.notes)
    assert any("no clip is sad" in note for note in found.notes)
    assert np.isfinite(found.uar.value).all()

    some = planted_set(("happy", "angry"))
    narrow = injection(
        PlantedListener(), planted_clips(speakers=2), some, alphas=[2], draws=1, progress=False
    )
    assert narrow.sets == ("happy", "angry")
    assert any("no neurons for neutral, sad, fearful" in note for note in narrow.notes)

    origin, gates = planted_set().origin, planted_set().n_gates
    whole = NeuronSet.from_indices(origin, dict.fromkeys(EMOTIONS, np.arange(gates)))
    full = injection(PlantedListener(), planted_clips(speakers=2), whole, alphas=[2], draws=3, progress=False)
    assert full.draws == 0
    assert np.isnan(full.random_accuracy.value).all()
    assert any("too many for a random control" in note for note in full.notes)


def test_two_clips_of_each_emotion_and_ties_have_an_answer():
    few = planted_clips(speakers=2, takes=1, leaks=[0.3, 0.2])
    found = injection(PlantedListener(), few, planted_set(), alphas=[2], draws=1, progress=False)
    assert (found.accuracy.value[0], found.baseline_accuracy.value) == (0, 1)
    assert np.isnan(found.p_values).all()
    # Clips that carry every emotion in full are all heard as neutral; only the oracle tells them apart.
    tied = planted_clips(speakers=6, takes=1, leaks=[1.0] * 6)
    found = injection(PlantedListener(), tied, planted_set(), alphas=[1], draws=1, progress=False)
    assert found.baseline_accuracy.value == pytest.approx(0.2)
    assert found.gain("oracle", 1).value == pytest.approx(0.8)
    for method in ("two_pass", "union"):
        assert found.gain(method, 1).value == 0


@pytest.mark.parametrize(
    ("options", "error", "says"),
    [
        (dict(methods=["guess"]), EditError, "unknown way of injecting 'guess'; choose from two_pass"),
        (dict(alphas=[]), EditError, "not none"),
        (dict(alphas=[-3]), EditError, "not -3"),
        (dict(draws=2, draws_per_clip=3), StatisticsError, "1 to 2 random draws, not 3"),
    ],
)
def test_impossible_requests_are_refused(clips, options, error, says):
    with pytest.raises(error, match=says):
        injection(PlantedListener(), clips, planted_set(), progress=False, **options)


def test_an_empty_set_is_refused(clips):
    empty = NeuronSet.from_indices(planted_set().origin, {e: np.zeros(0, np.int64) for e in EMOTIONS})
    with pytest.raises(StatisticsError, match="the set of neurons is empty"):
        injection(PlantedListener(), clips, empty, progress=False)


def test_table_file_summary_and_figure_hold_the_same_numbers(result, tmp_path):
    frame = result.to_frame()
    own = frame[(frame.quantity == "accuracy") & (frame.neurons == "own")]
    np.testing.assert_allclose(own.gain.to_numpy().reshape(4, 2), result.accuracy.value)
    result.save(tmp_path / "injection.json")
    assert Injection.load(tmp_path / "injection.json").to_dict() == result.to_dict()
    assert f"{100 * result.accuracy.value[0].max():+.1f}" in result.summary()
    drawn = {(t.name, t.legendgroup, t.yaxis): t for t in result.plot().data}
    oracle = next(t for (_, group, axis), t in drawn.items() if group == "oracle" and axis == "y")
    np.testing.assert_allclose(oracle.y, 100 * result.accuracy.value[0])
    np.testing.assert_allclose(oracle.error_y.array, 100 * (result.accuracy.high - result.accuracy.value)[0])
    with pytest.raises(EditError, match="two_pass at alpha 3 was not run"):
        result.gain("two_pass", 3)
