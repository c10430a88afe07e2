"""Ablation of planted neurons: every figure is known beforehand, or worked out again in plain loops."""


import numpy as np
import pytest
from ablation_by_hand import LEAKS, MISTAKEN, answer, by_speaker, evidence_of, gates_hit, recalls
from planted_listener import (
    EMOTIONS,
    PlantedListener,
    planted_clips,
    planted_set,
)
from scipy import stats

from esn_interp.analysis.ablation.measure import ablation
from esn_interp.analysis.ablation.result import Ablation
from esn_interp.analysis.inference.significance import holm, sign_flip_test
from esn_interp.analysis.trials import UNMET, deal
from esn_interp.errors import CorpusError, EsnError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(leaks=LEAKS, mistaken=MISTAKEN)


@pytest.fixture(scope="module")
def result(clips) -> Ablation:
    return ablation(PlantedListener(), clips, planted_set(), draws=6, seed=4, progress=False)


def test_clean_speech_gives_the_matrix_that_was_planted():
    found = ablation(
        PlantedListener(), planted_clips(mistaken=MISTAKEN), planted_set(), draws=0, progress=False
    )
    expected = -np.eye(5)
    expected[0, 0] = 0  # without any evidence the bias says neutral
    # The neutral clip that sounded fearful is right once fear can't be heard; the sad one that sounded angry
    # is wrong either way.
    expected[4, 0] = 1 / 16
    expected[3, 3] = -15 / 16
    np.testing.assert_allclose(found.change, expected)
    assert found.self_change.value == pytest.approx(np.diag(expected).mean())
    assert found.cross_change.value == pytest.approx(1 / 16 / 20)
    assert found.specificity.value == pytest.approx(np.diag(expected).mean() - 1 / 16 / 20)
    np.testing.assert_allclose(found.baseline_recall, [15 / 16, 1, 1, 15 / 16, 1])
    assert found.baseline_uar.value == pytest.approx((3 + 2 * 15 / 16) / 5)
    assert "no random control" in " ".join(found.notes)
    assert np.isnan(found.random_change).all()
    assert np.isnan(found.p_values).all()


def test_effects_on_all_clips_equal_plain_loops(result, clips):
    ids, truth = clips.column("id"), [EMOTIONS.index(emotion) for emotion in clips.column("emotion")]
    before = [answer(evidence_of(name)) for name in ids]
    for i, emotion in enumerate(EMOTIONS):
        after = [answer(evidence_of(name), {emotion: 4}) for name in ids]
        np.testing.assert_array_equal(result.predicted[1 + i], after)
        np.testing.assert_allclose(result.change[i], recalls(after, truth) - recalls(before, truth))
    np.testing.assert_array_equal(result.predicted[0], before)
    np.testing.assert_allclose(result.baseline_recall, recalls(before, truth))


def test_random_controls_equal_plain_loops_over_the_draws(result, clips):
    ids, truth = clips.column("id"), [EMOTIONS.index(emotion) for emotion in clips.column("emotion")]
    before = recalls([answer(evidence_of(name)) for name in ids], truth)
    seeds = np.random.SeedSequence(4).generate_state(6)
    expected = np.zeros((6, 5, 5))
    for draw, seed in enumerate(seeds):
        random = planted_set().random_like(int(seed))
        for i, emotion in enumerate(EMOTIONS):
            after = [answer(evidence_of(name), gates_hit(random[emotion])) for name in ids]
            expected[draw, i] = recalls(after, truth) - before
    assert np.abs(expected).max() > 0.1  # or the control would prove nothing here
    np.testing.assert_allclose(result.random_draws, expected)
    np.testing.assert_allclose(result.random_change, expected.mean(axis=0))
    diagonal = np.eye(5, dtype=bool)
    assert result.random_self.value == pytest.approx(expected.mean(axis=0)[diagonal].mean())
    assert result.random_cross.value == pytest.approx(expected.mean(axis=0)[~diagonal].mean())
    assert result.self_minus_random.value == pytest.approx(
        result.self_change.value - result.random_self.value
    )


def test_intervals_and_tests_equal_scipy_on_speaker_means(result, clips):
    truth = result.truth
    before = by_speaker(result, clips, result.predicted[0] == truth)
    own = np.stack([by_speaker(result, clips, row == truth) - before for row in result.predicted[1:]], axis=1)
    random = np.stack(
        [
            np.mean(
                [by_speaker(result, clips, d[i] == truth) - before for d in result.random_predicted], axis=0
            )
            for i in range(5)
        ],
        axis=1,
    )
    diagonal = np.eye(5, dtype=bool)

    def t_interval(values, weight=0.0):
        """Beside Student's t: what an event that no clip of a cell of this weight shows could still change."""
        rare = -np.log(0.025) * weight / (truth == 0).sum()
        half = np.hypot(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values), rare)
        return values.mean() - half, values.mean() + half

    for i, j in ((1, 1), (2, 0), (4, 4)):
        expected = t_interval(own[:, i, j])
        low, high = np.clip(expected, -1, 1)
        assert result.change_low[i, j] <= low + 1e-12
        assert result.change_high[i, j] >= high - 1e-12
        assert result.change_high[i, j] - result.change_low[i, j] < 1.5 * (high - low) + 0.5
    own_self, own_cross = own[:, diagonal].mean(axis=1), own[:, ~diagonal].mean(axis=1)
    random_self = random[:, diagonal].mean(axis=1)
    # Bounds stop at what is possible: a change of recall at -1 and 1, a recall at 0 and 1.
    for ours, values, weight, within in (
        (result.self_change, own_self, 1 / 5, (-1, 1)),
        (result.cross_change, own_cross, 1 / 20, (-1, 1)),
        (result.specificity, own_self - own_cross, 1 / 5, (-2, 2)),
        (result.random_self, random_self, 1 / 5, (-1, 1)),
        (result.self_minus_random, own_self - random_self, 1 / 5, (-2, 2)),
        (result.baseline_uar, before.mean(axis=1), 1 / 5, (0, 1)),
    ):
        assert ours.value == pytest.approx(values.mean())
        expected = np.clip(t_interval(values, weight), *within)
        assert (ours.low, ours.high) == pytest.approx(expected, rel=1e-3)
        assert ours.speakers == 8
    p_values = np.array([sign_flip_test((own - random)[:, i, i]) for i in range(5)])
    np.testing.assert_allclose(result.p_values, p_values)
    np.testing.assert_allclose(result.p_holm, holm(p_values))


def test_dealt_draws_see_the_same_controls_on_fewer_clips(result, clips):
    dealt = ablation(
        PlantedListener(),
        clips,
        planted_set(),
        draws=6,
        draws_per_clip=2,
        seed=4,
        batch_size=5,
        progress=False,
    )
    met = dealt.random_predicted != UNMET
    assert (met.sum(axis=0) == 2).all()
    np.testing.assert_array_equal(dealt.random_predicted[met], result.random_predicted[met])
    np.testing.assert_allclose(dealt.change, result.change)
    right = dealt.random_predicted[:, 2] == dealt.truth
    change = (right.astype(int) - (dealt.predicted[0] == dealt.truth))[:, dealt.truth == 1]
    assert dealt.random_change[2, 1] == pytest.approx(change[met[:, 2][:, dealt.truth == 1]].mean())


def test_draws_are_dealt_evenly():
    rng = np.random.default_rng(0)
    truth, speaker = rng.integers(0, 5, 301), rng.integers(0, 9, 301)
    met = deal(truth, speaker, draws=20, per_clip=3, seed=1)
    assert (met.sum(axis=0) == 3).all()
    assert np.ptp(met.sum(axis=1)) <= 1
    for emotion in range(5):
        counts = met[:, truth == emotion].sum(axis=1)
        assert np.ptp(counts) <= 9  # at most one of each speaker more than another draw has
    assert not np.array_equal(met, deal(truth, speaker, draws=20, per_clip=3, seed=2))
    assert deal(truth, speaker, draws=4, per_clip=4, seed=1).all()


def test_a_speaker_without_an_emotion_counts_where_there_is_something_to_count():
    clips = planted_clips(leaks=LEAKS, without=[(2, "sad"), (5, "sad")])
    found = ablation(PlantedListener(), clips, planted_set(), draws=2, progress=False)
    assert found.speakers_with.tolist() == [8, 8, 8, 6, 8]
    assert "sad: only 6 of 8 speakers have a clip of it" in found.notes
    assert np.isfinite(found.p_values).all()
    assert found.specificity.speakers == 8
    assert np.isfinite([found.specificity.low, found.specificity.high]).all()
    assert found.change[3, 3] == pytest.approx(-1)


def test_an_emotion_without_clips_is_left_out_of_the_means():
    clips = planted_clips(without=[(speaker, "fearful") for speaker in range(8)])
    found = ablation(PlantedListener(), clips, planted_set(), draws=0, progress=False)
    assert found.emotions == EMOTIONS  # the question stays the one that the neurons were found with
    assert np.isnan(found.change[:, 4]).all()
    assert found.self_change.value == pytest.approx(np.mean([0, -1, -1, -1]))
    assert any(note.startswith("no clip is fearful") for note in found.notes)


def test_few_speakers_get_intervals_and_no_p_value():
    clips = planted_clips(speakers=3, leaks=LEAKS[1:4])
    found = ablation(PlantedListener(), clips, planted_set(), draws=3, progress=False)
    assert np.isnan(found.p_holm).all()
    assert np.isfinite([found.specificity.low, found.specificity.high]).all()
    assert any(note.startswith("only 3 speakers") for note in found.notes)


def test_one_speaker_gets_values_only():
    found = ablation(PlantedListener(), planted_clips(speakers=1), planted_set(), draws=3, progress=False)
    assert found.self_change.value == pytest.approx(-0.8)
    assert np.isnan([found.self_change.low, found.change_low[0, 0]]).all()
    assert any(note.startswith("one speaker only") for note in found.notes)
    assert "no interval" in found.summary()


def test_one_emotion_alone_is_ablated_among_all_options():
    found = ablation(PlantedListener(), planted_clips(), planted_set()["sad"], draws=2, progress=False)
    assert found.sets == ("sad",)
    assert found.emotions == EMOTIONS
    np.testing.assert_allclose(found.change, [[0, 0, 0, -1, 0]])
    assert found.self_change.value == -1
    assert found.cross_change.value == 0


def test_an_empty_set_changes_nothing_and_is_noted():
    sets = planted_set()
    emptied = NeuronSet.from_indices(
        sets.origin, {e: sets.indices(e) if e != "sad" else np.zeros(0, np.int64) for e in EMOTIONS}
    )
    found = ablation(PlantedListener(), planted_clips(), emptied, draws=2, progress=False)
    assert found.neurons[3] == 0
    np.testing.assert_array_equal(found.change[3], np.zeros(5))
    assert "no neurons for sad: nothing was edited there" in found.notes


def test_positions_are_obeyed_and_counted():
    clips = planted_clips(speakers=2)
    text = ablation(PlantedListener(), clips, planted_set(), positions={"text"}, draws=0, progress=False)
    assert (text.change == 0).all()
    assert text.positions == ("text",)
    assert text.tokens_touched == 3 * len(clips)
    everywhere = ablation(PlantedListener(), clips, planted_set(), draws=0, progress=False)
    assert everywhere.tokens_touched == sum(len(clip.waveform()) // 800 + 4 for clip in clips)


def test_confusion_and_table_hold_the_same_numbers(result):
    before, after = result.confusion(), result.confusion("sad")
    change = np.diag(after) / after.sum(axis=1) - np.diag(before) / before.sum(axis=1)
    np.testing.assert_allclose(change, result.change[3])
    frame = result.to_frame()
    assert len(frame) == 2 * 25
    own = frame[(frame.neurons == "own") & (frame.relation == "self")]
    assert own.change.mean() == pytest.approx(result.self_change.value)
    np.testing.assert_allclose(own.p_holm, result.p_holm)
    cross = frame[(frame.neurons == "random") & (frame.relation == "cross")]
    assert cross.change.mean() == pytest.approx(result.random_cross.value)


def test_summary_says_the_figures(result):
    text = result.summary()
    assert text.count("\n") == 0
    assert f"{100 * result.self_change.value:+.1f} [{100 * result.self_change.low:+.1f}" in text
    assert "80 clips of 8 speakers" in text
    assert f"{100 * result.random_self.value:+.1f}" in text


def test_files_hold_everything(result, tmp_path):
    result.save(tmp_path / "ablation.json")
    loaded = Ablation.load(tmp_path / "ablation.json")
    assert loaded.to_dict() == result.to_dict()
    np.testing.assert_array_equal(loaded.random_predicted, result.random_predicted)
    assert loaded.random_predicted.dtype == np.int8
    assert loaded.specificity == result.specificity
    assert loaded.origins == result.origins
    assert (loaded.origins.selector, loaded.origins.corpus) == ("planted", "planted")
    without = ablation(PlantedListener(), planted_clips(speakers=2), planted_set(), draws=0, progress=False)
    without.save(tmp_path / "small.json")
    assert Ablation.load(tmp_path / "small.json").random_draws.shape == (0, 5, 5)


def test_damaged_and_foreign_files_are_refused(result, tmp_path):
    result.save(tmp_path / "ablation.json")
    text = (tmp_path / "ablation.json").read_text()
    (tmp_path / "damaged.json").write_text(text.replace('"self_change"', '"self"'))
    with pytest.raises(StatisticsError, match=r"damaged.json: this ablation file is damaged"):
        Ablation.load(tmp_path / "damaged.json")
    (tmp_path / "foreign.json").write_text(text.replace('"ablation"', '"dose_response"', 1))
    with pytest.raises(EsnError, match="dose_response"):
        Ablation.load(tmp_path / "foreign.json")


def test_wrong_requests_are_one_clear_line(clips):
    listener, sets = PlantedListener(), planted_set()
    with pytest.raises(StatisticsError, match="unknown ablation 'nearly'; choose zero, mean or resample"):
        ablation(listener, clips, sets, how="nearly")
    with pytest.raises(StatisticsError, match="pass stats="):
        ablation(listener, clips, sets, how="mean")
    with pytest.raises(StatisticsError, match="1 to 3 random draws, not 4"):
        ablation(listener, clips, sets, draws=3, draws_per_clip=4)
    with pytest.raises(StatisticsError, match="unknown control 'twin'; choose from random, decile, lap"):
        ablation(listener, clips, sets, controls=["random", "twin"])
    with pytest.raises(StatisticsError, match="in one way: choose random"):
        ablation(listener, clips, sets, controls=["random", "decile"])
    for name in ("decile", "lap"):
        with pytest.raises(StatisticsError, match=f"the control '{name}' needs the statistics"):
            ablation(listener, clips, sets, controls=name)
    listener.fingerprint = "other"  # type: ignore[misc]
    with pytest.raises(StatisticsError, match="other"):
        ablation(listener, clips, sets)


def test_emotions_that_do_not_fit_are_refused():
    clips = planted_clips(speakers=1).where(emotion=["sad", "angry"])
    with pytest.raises(CorpusError, match="has the emotions angry, sad, the neuron sets sad, happy"):
        ablation(PlantedListener(), clips, planted_set(["sad", "happy"]), progress=False)


def test_same_seed_same_result(clips, result):
    again = ablation(PlantedListener(), clips, planted_set(), draws=6, seed=4, batch_size=7, progress=False)
    assert again.to_dict() == result.to_dict()
    other = ablation(PlantedListener(), clips, planted_set(), draws=6, seed=5, progress=False)
    assert not np.array_equal(other.random_predicted, result.random_predicted)


