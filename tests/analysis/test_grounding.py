"""Grounding of planted neurons: some read the audio only, some the prompt only, and both can be worked out by hand."""

import numpy as np
import pytest
from planted_listener import BIAS, EMOTIONS, evidence_for, planted_clips, planted_set
from planted_mechanism import PROMPT_WEIGHT, GroundedListener, earliness, prompt_set
from scipy import stats

from esn_interp.analysis.grounding.donors import NOBODY, find_donors, limit_matched
from esn_interp.analysis.grounding.measure import grounding, other_prompts
from esn_interp.analysis.grounding.result import ALL, AUDIO, OTHERS, OWN, Grounding
from esn_interp.errors import AudioError, CorpusError, StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import Recognition

LEAKS = [0.0, 0.1, 0.2, 0.05, 0.3, 0.0, 0.15]
USUAL = Recognition(EMOTIONS).prompt
ALIKE = "What does the speaker feel like just now? Choose one: " + ", ".join(EMOTIONS) + "."


@pytest.fixture(scope="module")
def clips() -> Clips:
    return planted_clips(speakers=len(LEAKS), leaks=LEAKS)


@pytest.fixture(scope="module")
def heard(clips) -> Grounding:
    return grounding(GroundedListener(), clips, planted_set(), draws=3, seed=1, progress=False)


def log_odds(scores: np.ndarray, at: int) -> float:
    return float(scores[at] - np.logaddexp.reduce(np.delete(scores, at)))


def scores_of(emotion: str, leak: float, prompt: str = USUAL) -> np.ndarray:
    return np.array(evidence_for(emotion, leak)) + BIAS + PROMPT_WEIGHT * earliness(prompt)


def test_effects_of_another_recording_are_those_worked_out_by_hand(heard):
    for at, emotion in enumerate(EMOTIONS):
        into, out = [], []
        for leak in LEAKS:
            for other in EMOTIONS:
                if other == emotion:
                    continue
                before, after = scores_of(other, leak), scores_of(other, leak)
                after[at] += 1 - leak  # the donor has full evidence where the clip has a leak
                into.append(log_odds(after, at) - log_odds(before, at))
            before, after = scores_of(emotion, leak), scores_of(emotion, leak)
            after[at] -= 1 - leak
            out.append(log_odds(after, at) - log_odds(before, at))
        for group, expected in ((OTHERS, into), (OWN, out)):
            assert heard.effect.value[AUDIO, group, ALL, at] == pytest.approx(np.mean(expected), abs=2e-3)
            assert heard.moved.value[AUDIO, group, ALL, at] == pytest.approx(
                np.mean(np.abs(expected)), abs=2e-3
            )
        half = stats.t.ppf(0.975, len(LEAKS) - 1) * stats.sem(out)
        low = heard.effect.low[AUDIO, OWN, ALL, at]
        assert heard.effect.value[AUDIO, OWN, ALL, at] - low == pytest.approx(half, abs=2e-3)


def test_neurons_that_read_the_audio_have_an_audio_share_of_one(heard):
    np.testing.assert_allclose(heard.share.value, 1, atol=1e-3)
    assert (heard.share.low > 0.9).all()
    np.testing.assert_allclose(heard.neuron_share, 1, atol=1e-3)
    np.testing.assert_allclose(heard.moved.value[1:], 0, atol=1e-3)


def test_neurons_that_read_the_prompt_have_an_audio_share_of_zero(clips):
    found = grounding(GroundedListener(), clips, prompt_set(), draws=0, progress=False)
    # Named third before and after, the middle one does not move under another order, but by another task.
    np.testing.assert_allclose(found.share.value, 0, atol=1e-3)
    np.testing.assert_allclose(found.neuron_share, 0, atol=1e-3)
    order = found.kinds.index("order")
    reverse = earliness(other_prompts(Recognition(EMOTIONS))["order"])
    for at, emotion in enumerate(EMOTIONS):
        expected = []
        for leak in LEAKS:
            before, after = scores_of(emotion, leak), scores_of(emotion, leak)
            after[at] += PROMPT_WEIGHT * (reverse - earliness(USUAL))[at]
            expected.append(log_odds(after, at) - log_odds(before, at))
        assert found.effect.value[order, OWN, ALL, at] == pytest.approx(np.mean(expected), abs=2e-3)
    np.testing.assert_allclose(found.effect.value[AUDIO], 0, atol=1e-3)


def test_a_set_of_both_kinds_lies_between(clips):
    both = planted_set() | prompt_set()
    found = grounding(GroundedListener(), clips, both, draws=0, progress=False)
    assert ((found.share.value > 0.5) & (found.share.value < 0.95)).all()
    prompt_neurons = np.isin(both.flat, prompt_set().indices())
    np.testing.assert_allclose(found.neuron_share[prompt_neurons], 0, atol=1e-3)
    np.testing.assert_allclose(found.neuron_share[~prompt_neurons], 1, atol=1e-3)
    frame = found.neurons_frame()
    np.testing.assert_allclose(frame.share, found.neuron_share)


def test_gates_act_where_the_answer_is_made(heard):
    """The listener decides at its last token: what is exchanged or silenced before changes nothing."""
    scopes = list(heard.scopes)
    for scope in ("audio", "text"):
        np.testing.assert_allclose(heard.effect.value[:, :, scopes.index(scope)], 0, atol=1e-6)
        np.testing.assert_array_equal(heard.ablation.value[scopes.index(scope)], 0)
    last = scopes.index("last")
    np.testing.assert_allclose(heard.effect.value[:, :, last], heard.effect.value[:, :, ALL], atol=1e-6)
    assert (heard.ablation.mean[[last, ALL]] < -0.5).all()
    assert heard.flipped.mean[AUDIO, OWN, ALL] > 0.5
    assert np.abs(heard.random_ablation.mean).max() < 0.1


def test_random_neurons_do_less(heard):
    assert heard.draws == 3
    assert abs(heard.random_effect.mean[AUDIO, OWN]) < abs(heard.effect.mean[AUDIO, OWN, ALL]) / 5
    alone = grounding(
        GroundedListener(), planted_clips(speakers=3), planted_set(), draws=0, progress=False, limit=20
    )
    assert alone.draws == 0
    assert np.isnan(alone.random_effect.value).all()
    assert "random" not in alone.summary()
    assert len(alone.clips) == 20


def test_batches_do_not_matter(clips, heard):
    task = {"task": heard.prompts["task"]}
    small = grounding(
        GroundedListener(), clips, planted_set(), prompts=task, draws=0, batch_size=23, progress=False
    )
    both = [heard.kinds.index(kind) for kind in small.kinds]
    np.testing.assert_allclose(small.effect.value, heard.effect.value[both], atol=1e-6)
    np.testing.assert_allclose(small.neuron_share, heard.neuron_share, atol=1e-6)
    assert small.clips == heard.clips == tuple(clips.column("id"))


def test_donors_share_speaker_and_words_and_differ_in_emotion(clips):
    frame, donors = clips.to_frame(), find_donors(clips, EMOTIONS)
    for at, emotion in enumerate(EMOTIONS):
        lenders = frame.iloc[donors.row[at]].reset_index(drop=True)
        assert (lenders.speaker == frame.speaker).all()
        assert (lenders.sentence == frame.sentence).all()
        assert (lenders.emotion != frame.emotion).all()
        assert ((lenders.emotion == emotion) != (frame.emotion == emotion)).all()
    assert donors.same_words.all()
    # An emotion's own clips borrow from different emotions in turn.
    assert len(set(frame.emotion.iloc[donors.row[0, frame.emotion == "neutral"]])) > 1


def test_without_like_words_or_a_speakers_other_emotions():
    clips = planted_clips(speakers=2, takes=1, without=[(1, e) for e in EMOTIONS if e != "sad"])
    frame = clips.to_frame()
    frame["audio"], frame["sentence"] = clips.column("audio"), ""
    unscripted = Clips.from_frame(frame, name="unscripted")
    donors = find_donors(unscripted, EMOTIONS)
    assert not donors.same_words.any()
    assert (donors.row[:, :5] != NOBODY).all()
    assert (donors.row[:, 5] == NOBODY).all()
    found = grounding(GroundedListener(), unscripted, planted_set(), draws=0, progress=False)
    assert any(note.startswith("100% of the donors say other words") for note in found.notes)
    assert any(note.startswith("only 2 speakers") for note in found.notes)
    lonely = unscripted.where(speaker="s01")
    with pytest.raises(StatisticsError, match="no speaker has clips of two emotions"):
        grounding(GroundedListener(), lonely, planted_set(), progress=False)


def test_a_limit_keeps_pairs_together(clips):
    few = limit_matched(clips, 23, seed=3)
    assert len(few) == 20
    assert find_donors(few, EMOTIONS).same_words.all()
    assert len(few.speakers) == 4  # a sentence of each
    assert len(limit_matched(clips, 3)) == 3  # no group is that small


def test_odd_sets_and_clips(clips):
    origin, planted = planted_set().origin, planted_set()
    every = np.arange(origin.n_gates)
    odd = NeuronSet.from_indices(
        origin, {"neutral": every, "happy": every[:0], "angry": planted.indices("angry"), "sad": every[:1]}
    )
    some = clips.where(speaker="s01", emotion=["neutral", "happy", "angry"])
    found = grounding(GroundedListener(), some, odd, draws=2, progress=False)
    assert found.draws == 0
    assert any("no random control: layer 0: 'neutral' holds 24 of 24 neurons" in note for note in found.notes)
    assert "no neurons for happy: nothing was edited there" in found.notes
    assert "sad: no clip has a donor of it, so its gates were not exchanged" in found.notes
    assert found.notes[0].startswith("one speaker only")
    assert np.isnan(found.effect.value[..., [1, 3]]).all()
    assert np.isfinite(found.effect.value[..., [0, 2]]).all()
    assert np.isnan(found.effect.low).all()
    assert np.isfinite(found.effect.mean).all()


def test_what_cannot_be_done_is_refused(clips):
    planted = planted_set()
    empty = NeuronSet.from_indices(planted.origin, {"angry": np.zeros(0, int), "sad": np.zeros(0, int)})
    with pytest.raises(StatisticsError, match="the sets of angry, sad are all empty"):
        grounding(GroundedListener(), clips, empty, progress=False)
    for prompts in ({}, {"same": USUAL}):
        with pytest.raises(StatisticsError, match="give one or more that differ from the question"):
            grounding(GroundedListener(), clips, planted, prompts=prompts, progress=False)
    with pytest.raises(CorpusError, match="keep the clips of the sets' emotions only"):
        grounding(
            GroundedListener(),
            clips.where(emotion=["angry", "happy"]),
            planted_set(["angry", "sad"]),
            progress=False,
        )


def test_prompts_of_ones_own(clips):
    found = grounding(
        GroundedListener(), clips, prompt_set(), prompts={"alike": ALIKE}, draws=0, limit=10, progress=False
    )
    assert found.kinds == ("audio", "alike")
    assert found.prompts == {"alike": ALIKE}
    np.testing.assert_allclose(found.moved.value, 0, atol=1e-6)
    assert found.plot().data
    assert "audio share nan" in found.summary()
    assert np.isnan(found.share.value).all()  # nothing moves these neurons, so there is nothing to share


def test_tables_figures_and_files_hold_the_same_numbers(heard, tmp_path):
    heard.save(tmp_path / "grounding.json")
    loaded = Grounding.load(tmp_path / "grounding.json")
    assert loaded.to_dict() == heard.to_dict()
    frame = heard.to_frame()
    one = frame[(frame.quantity == "effect") & (frame.kind == "audio") & (frame.clips == "own")]
    mean = one[(one.scope == "all") & (one["set"] == "mean")]
    assert mean.value.item() == heard.effect.mean[AUDIO, OWN, ALL]
    assert f"{heard.effect.mean[AUDIO, OWN, ALL]:+.2f}" in heard.summary()
    figure = heard.plot()
    angry = [trace for trace in figure.data if trace.name == "angry"]
    assert angry[0].x[0] == heard.effect.value[AUDIO, OWN, ALL, 2]
    means = [trace for trace in figure.data if trace.name == "mean, 95 % interval"]
    assert means[0].x[0] == heard.effect.mean[AUDIO, OWN, ALL]
    np.testing.assert_allclose(means[1].x, heard.share.value)
    np.testing.assert_allclose(means[2].x, 100 * heard.ablation.mean)


@pytest.mark.parametrize("strict", [False, True])
def test_a_clip_that_can_not_be_heard_is_neither_patched_nor_lent(clips, strict):
    frame = clips.to_frame().assign(audio=[*clips.column("audio")])
    frame.at[0, "audio"] = {"bytes": b"no sound", "path": None}
    broken = Clips.from_frame(frame[:20], name="broken")
    options = {"draws": 0, "progress": False, "strict": strict}
    if strict:
        with pytest.raises(AudioError):
            grounding(GroundedListener(), broken, planted_set(), **options)
        return
    found = grounding(GroundedListener(), broken, planted_set(), **options)
    assert [one.clip for one in found.skipped] == [broken.column("id")[0]]
    assert broken.column("id")[0] not in found.clips
    frame["audio"] = [{"bytes": b"no sound", "path": None}] * len(frame)
    with pytest.raises(CorpusError, match=r"corpus silent: no clip to patch; the first of [0-9]+ skipped: "):
        grounding(GroundedListener(), Clips.from_frame(frame[:20], name="silent"), planted_set(), **options)
