"""Other kinds of ablation and of controls: means, other clips' gates, neurons that always fire; and a real model."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from ablation_by_hand import LEAKS, MISTAKEN, answer, by_speaker, gates_hit
from planted_demo import StudiedListener
from planted_listener import (
    BIAS,
    EMOTIONS,
    WIDTHS,
    PlantedListener,
    clip_bytes,
    evidence_for,
    planted_clips,
    planted_set,
)
from tiny_omni import noise

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.controls import always_on
from esn_interp.analysis.inference.significance import standardised_effect
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import collect
from esn_interp.tasks.recognition import Recognition


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(leaks=LEAKS, mistaken=MISTAKEN)


@pytest.fixture(scope="module")
def result(clips) -> Ablation:
    return ablation(PlantedListener(), clips, planted_set(), draws=6, seed=4, progress=False)


def test_mean_ablation_writes_the_mean_over_emotions():
    """The mean comes from clean speech, a fifth of whose clips carry each emotion: 0.2 stays."""
    statistics = collect(StudiedListener(), planted_clips(speakers=4, takes=3), progress=False)
    leaks = [0.0, 0.15, 0.19, 0.3, 0.5, 0.9]
    clips = planted_clips(speakers=6, leaks=leaks)
    found = ablation(
        StudiedListener(), clips, planted_set(), how="mean", stats=statistics, draws=0, progress=False
    )
    for i in range(5):
        expected = []
        for clip in clips:
            evidence = np.array(evidence_for(clip.emotion, leaks[int(clip.speaker[1:])]))
            evidence[i] = 0.2
            expected.append(int(np.argmax(evidence + BIAS)))
        np.testing.assert_array_equal(found.predicted[1 + i], expected)
    # Weak rivals do not win against what is left, strong ones do; at zero all would be lost but neutral.
    assert -1 < found.self_change.value < 0


@pytest.fixture(scope="module")
def statistics() -> GateStatistics:
    clips = planted_clips(speakers=4, takes=3, leaks=[0.1, 0.2, 0.3, 0.4])
    return collect(StudiedListener(), clips, per_clip=True, progress=False)


def test_resampling_writes_what_the_gates_did_on_other_clips(statistics):
    leaks = [0.0, 0.15, 0.3, 0.5, 0.7, 0.9]
    clips = planted_clips(speakers=6, leaks=leaks)
    found = ablation(
        StudiedListener(),
        clips,
        planted_set(),
        how="resample",
        stats=statistics,
        donors=7,
        draws=2,
        progress=False,
    )
    assert found.predicted.shape == (1 + 7 * 5, len(clips))
    assert found.random_predicted.shape == (2, 7 * 5, len(clips))
    # Seven donors of five emotions: each once, two of them twice.
    assert len(set(found.donors)) == 7
    assert (
        sorted(np.unique([name.split("-")[1] for name in found.donors], return_counts=True)[1])
        == [1] * 3 + [2] * 2
    )
    changes = []
    for d, donor in enumerate(found.donors):
        speaker, meant, _ = donor.split("-")
        for i, emotion in enumerate(EMOTIONS):
            written = 1.0 if meant == emotion else [0.1, 0.2, 0.3, 0.4][int(speaker[1:])]
            expected = []
            for clip in clips:
                evidence = np.array(evidence_for(clip.emotion, leaks[int(clip.speaker[1:])]))
                evidence[i] = written
                expected.append(int(np.argmax(evidence + BIAS)))
            np.testing.assert_array_equal(found.predicted[1 + 5 * d + i], expected)
        after = found.predicted[1 + 5 * d : 6 + 5 * d] == found.truth
        before = found.predicted[0] == found.truth
        changes.append(
            [
                [(a[found.truth == j].mean() - before[found.truth == j].mean()) for j in range(5)]
                for a in after
            ]
        )
    np.testing.assert_allclose(found.change, np.mean(changes, axis=0), atol=1e-12)
    # A clip counts once for each donor.
    assert found.confusion("sad").sum() == 7 * len(clips)
    assert found.confusion().sum() == len(clips)


def test_resampling_needs_clips_to_draw_from(statistics):
    clips, listener = planted_clips(speakers=1), StudiedListener()
    without = collect(listener, planted_clips(speakers=2, takes=5), progress=False)
    with pytest.raises(
        StatisticsError, match=r"hold no single clips; collect them with per_clip=True"
    ):
        ablation(listener, clips, planted_set(), how="resample", stats=without, progress=False)
    with pytest.raises(StatisticsError, match="1 to 60 clips of planted, not 61"):
        ablation(listener, clips, planted_set(), how="resample", stats=statistics, donors=61, progress=False)


def test_the_neurons_that_fire_most_are_always_on_and_cost_nothing(statistics):
    """Frequency is fooled: the gates that fire at every token of every clip lead nowhere."""
    found = ablation(
        StudiedListener(),
        planted_clips(leaks=LEAKS),
        planted_set(),
        stats=statistics,
        controls=["decile", "lap"],
        draws=3,
        progress=False,
    )
    (busy,) = found.comparisons
    assert (busy.name, busy.neurons) == ("lap", found.neurons)
    chosen = always_on(statistics, planted_set())
    assert not any(gates_hit(chosen[emotion])[emotion] == 4 for emotion in EMOTIONS)
    assert busy.own_minus.value == pytest.approx(found.self_change.value - busy.self_change.value)
    assert busy.own_minus.high < 0
    for i, emotion in enumerate(EMOTIONS):
        expected = [
            answer(evidence_for(c.emotion, LEAKS[int(c.speaker[1:])]), gates_hit(chosen[emotion]))
            for c in planted_clips(leaks=LEAKS)
        ]
        np.testing.assert_array_equal(busy.predicted[i], expected)
    assert found.matched == ("layer", "decile of mean abs(g)")
    text = found.summary()
    assert "random neurons of the same layers and activity" in text
    shared = [gates_hit(chosen[emotion])[emotion] for emotion in EMOTIONS]
    assert busy.shared == tuple(shared)
    told = f"the neurons that fire most on its clips ({sum(shared)} of 20 are own)"
    assert f"{told} by {100 * busy.self_change.value:+.1f}" in text
    frame = found.to_frame()
    rows = frame[(frame.neurons == "lap") & (frame.relation == "self")]
    assert rows.change.mean() == pytest.approx(busy.self_change.value)


def test_effect_sizes_are_means_over_speakers_in_standard_deviations(result, clips):
    truth, one = result.truth, int(np.flatnonzero(np.isfinite(result.effect_sizes))[0])
    own = by_speaker(result, clips, result.predicted[1 + one] == truth)[:, one]
    random = np.mean(
        [by_speaker(result, clips, d[one] == truth)[:, one] for d in result.random_predicted], axis=0
    )
    values = own - random
    assert result.effect_sizes[one] == pytest.approx(values.mean() / values.std(ddof=1))
    expected = standardised_effect(values)
    assert (result.effect_low[one], result.effect_high[one]) == pytest.approx((expected.low, expected.high))
    frame = result.to_frame()
    assert frame.effect_size.count() == np.isfinite(result.effect_sizes).sum()
    assert f"own minus random in standard deviations {result.effect_size.value:+.1f}" in result.summary()


def test_all_neurons_selected_leave_no_control_and_that_is_said():
    everything = np.arange(sum(WIDTHS))
    sets = NeuronSet.from_indices(planted_set().origin, dict.fromkeys(EMOTIONS, everything))
    found = ablation(PlantedListener(), planted_clips(speakers=2), sets, draws=4, progress=False)
    assert found.draws == 0
    assert found.matched == ()
    assert "no random control: layer 0: 'neutral' holds 24 of 24 neurons, too many" in " ".join(found.notes)
    # With every gate at zero, only the bias speaks.
    np.testing.assert_array_equal(found.predicted[1:], np.zeros((5, len(found.clips)), dtype=int))
    assert "random" not in found.summary()


def test_nothing_selected_for_any_emotion_changes_nothing():
    sets = NeuronSet.from_indices(planted_set().origin, dict.fromkeys(EMOTIONS, np.zeros(0, np.int64)))
    found = ablation(PlantedListener(), planted_clips(speakers=2), sets, draws=2, progress=False)
    assert (found.change == 0).all()
    assert (found.random_change == 0).all()
    assert "no neurons for neutral, happy, angry, sad, fearful: nothing was edited there" in found.notes


def test_confusions_are_drawn_before_and_after(result):
    figure = result.plot_confusion()
    assert len(figure.data) == 6
    for at, name in enumerate((None, *result.sets)):
        table = result.confusion(name)
        np.testing.assert_allclose(figure.data[at].z, 100 * table / table.sum(axis=1, keepdims=True))
    without = planted_clips(speakers=2, without=[(speaker, "fearful") for speaker in range(2)])
    one = ablation(PlantedListener(), without, planted_set(), draws=0, progress=False).plot_confusion()
    assert np.isnan(one.data[0].z[4]).all()  # a row without clips stays blank
    assert not any(one.data[0].text[4])


def test_every_control_has_its_matrix(statistics):
    found = ablation(
        StudiedListener(),
        planted_clips(speakers=2),
        planted_set(),
        stats=statistics,
        controls=["random", "lap"],
        draws=1,
        progress=False,
    )
    matrices = found.plot().data
    for matrix, change in zip(
        matrices, (found.change, found.random_change, found.comparisons[0].change), strict=True
    ):
        np.testing.assert_allclose(matrix.z, 100 * change)


def test_two_clips_a_class_and_ties_everywhere():
    """Clips without any evidence: all answers tie but for the bias, nothing can change, nothing varies."""
    silent = planted_clips(speakers=1, takes=2)
    frame = silent.to_frame()
    # Of different lengths: the same recording would not be allowed two emotions.
    frame["audio"] = [clip_bytes([0.0] * 5, female=True, seconds=0.2 + 0.005 * at) for at in range(len(silent))]
    found = ablation(
        PlantedListener(), Clips.from_frame(frame, name="ties"), planted_set(), draws=2, progress=False
    )
    assert (found.predicted == 0).all()
    assert (found.change == 0).all()
    assert found.baseline_uar.value == pytest.approx(0.2)
    assert np.isnan(found.effect_sizes).all()
    assert found.confusion()[:, 0].tolist() == [2] * 5


def test_a_real_model_is_studied_as_if_every_clip_were_asked_by_itself(tiny_lm):
    rng = np.random.default_rng(0)
    rows = []
    for number, wave in enumerate(noise(0.4, 0.9, 0.6, 1.1, 0.5, 0.7)):
        file = io.BytesIO()
        soundfile.write(file, wave, 16_000, format="WAV", subtype="FLOAT")
        rows.append(
            {
                "audio": file.getvalue(),
                "emotion": EMOTIONS[number % 5],
                "speaker": f"s{number % 2}",
                "id": f"c{number}",
            }
        )
    clips = Clips.from_frame(pd.DataFrame(rows), name="noise")
    origin = Origin("tiny", tiny_lm.fingerprint, tiny_lm.component, tiny_lm.widths, "noise", "x")
    sets = NeuronSet.from_indices(
        origin, {e: np.sort(rng.choice(origin.n_gates, 12, replace=False)) for e in EMOTIONS}
    )
    found = ablation(tiny_lm, clips, sets, draws=1, seed=3, batch_size=4, progress=False)
    random = sets.random_like(int(np.random.SeedSequence(3).generate_state(1)[0]))
    question = Recognition(EMOTIONS)
    conditions = [(), *(deactivate(sets[e]) for e in EMOTIONS), *(deactivate(random[e]) for e in EMOTIONS)]
    alone = np.array(
        [
            [
                tiny_lm.scores(tiny_lm.encode([clip.waveform()], question.prompt), EMOTIONS, edits=edits)[0]
                for clip in clips
            ]
            for edits in conditions
        ]
    )
    np.testing.assert_array_equal(
        np.vstack([found.predicted, found.random_predicted[0]]), alone.argmax(axis=2)
    )
    assert len(np.unique(alone.argmax(axis=2))) > 1
