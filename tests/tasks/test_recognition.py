"""The multiple-choice question over a corpus: order, economy, bad clips, and what follows from answers."""

import io

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from planted_listener import EMOTIONS, PlantedListener, clip_bytes, evidence_for, planted_clips, planted_set
from rounding import assert_close
from sklearn import metrics

from esn_interp.errors import AudioError, CorpusError, EditError
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.models.edits import Edit
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import BASELINE, Predictions, Recognition, recognise


def test_prompt_lists_the_options_in_order():
    question = Recognition(EMOTIONS)
    assert question.prompt == (
        "What is the emotion of the speaker? Choose one: neutral, happy, angry, sad, fearful."
    )
    assert question.labels == EMOTIONS


@pytest.mark.parametrize("emotions", [(), ("sad",), ("sad", "sad")])
def test_a_choice_needs_two_different_emotions(emotions):
    with pytest.raises(CorpusError, match="two or more"):
        Recognition(emotions)


def test_answers_come_in_corpus_order_whatever_the_batches():
    clips = planted_clips(mistaken=[(0, "sad", "angry"), (3, "happy", "fearful")], leaks=[0.1] * 8)
    heard = [
        "angry" if clip.id == "s00-sad-0" else "fearful" if clip.id == "s03-happy-0" else clip.emotion
        for clip in clips
    ]
    first = recognise(PlantedListener(), clips, batch_size=1)
    for batch_size in (3, 16, 1000):
        answers = recognise(PlantedListener(), clips, batch_size=batch_size)
        assert [EMOTIONS[k] for k in answers.predicted[0]] == heard
        assert answers.clips == tuple(clips.column("id"))
        assert answers.speaker == tuple(clips.column("speaker"))
        assert [EMOTIONS[k] for k in answers.truth] == clips.column("emotion")
        assert_close(answers.log_probs, first.log_probs, terms=len(EMOTIONS))
        np.testing.assert_array_equal(answers.tokens, first.tokens)
    assert_close(np.exp(first.log_probs).sum(axis=2), 1, terms=len(EMOTIONS))


def test_tokens_are_counted_by_scope_without_padding():
    clips = planted_clips(speakers=2)
    answers = recognise(PlantedListener(), clips, batch_size=7)
    audio = [len(clip.waveform()) // 800 for clip in clips]
    np.testing.assert_array_equal(answers.tokens, [[count, 3, 1] for count in audio])


def test_every_batch_is_heard_once_and_conditions_without_effect_share_a_run():
    listener, sets = PlantedListener(), planted_set()
    conditions = {
        BASELINE: (),
        "nothing": steer(sets["sad"], 0.0),
        "sad": deactivate(sets["sad"]),
        "angry": deactivate(sets["angry"]),
    }
    answers = recognise(listener, planted_clips(), conditions=conditions, batch_size=16)
    assert len(listener.encoded) == 5  # 80 clips in batches of 16
    assert listener.scored == 5 * 3  # the unedited run serves both conditions that change nothing
    np.testing.assert_array_equal(answers.log_probs[0], answers.log_probs[1])
    assert answers.conditions == tuple(conditions)
    # Clips of like duration run together: no batch is longer than the next one begins.
    lengths = [length for batch in listener.encoded for length in batch]
    assert lengths == sorted(lengths)


def test_a_silenced_emotion_is_lost_and_only_that():
    answers = recognise(
        PlantedListener(),
        planted_clips(),
        conditions={BASELINE: (), "sad": deactivate(planted_set()["sad"])},
    )
    np.testing.assert_array_equal(answers.recall(), np.ones(5))
    np.testing.assert_array_equal(answers.recall("sad"), [1, 1, 1, 0, 1])
    # With its evidence gone, what is left is the bias, which favours neutral.
    assert answers.confusion("sad")[3].tolist() == [16, 0, 0, 0, 0]
    assert answers.uar("sad") == pytest.approx(0.8)


def _with_bad_clips() -> Clips:
    good = {"audio": clip_bytes(evidence_for("sad")), "emotion": "sad", "speaker": "a", "id": "good"}
    silent = io.BytesIO()
    soundfile.write(silent, np.zeros(8000), 16_000, format="WAV")
    bad = [
        {"audio": silent.getvalue(), "emotion": "happy", "speaker": "a", "id": "silent"},
        {"audio": b"this is text", "emotion": "happy", "speaker": "b", "id": "text"},
    ]
    return Clips.from_frame(pd.DataFrame([bad[0], good, bad[1]]), name="mixed")


def test_bad_clips_are_skipped_and_listed():
    answers = recognise(PlantedListener(), _with_bad_clips())
    assert answers.clips == ("good",)
    assert answers.rows.tolist() == [1]
    assert [skip.clip for skip in answers.skipped] == ["silent", "text"]
    assert all(skip.clip in skip.reason for skip in answers.skipped)
    assert np.isnan(answers.recall()[0])  # no happy clip was left
    assert answers.uar() == 1.0


def test_strict_stops_at_the_first_bad_clip():
    with pytest.raises(AudioError, match="silent"):
        recognise(PlantedListener(), _with_bad_clips(), strict=True)


def test_a_corpus_without_a_usable_clip_says_why():
    clips = _with_bad_clips().where(id=["silent", "text"])
    with pytest.raises(CorpusError, match=r"no clip to ask about; the first of 2 skipped: .*silent"):
        recognise(PlantedListener(), clips, recognition=Recognition(EMOTIONS))


def test_an_emotion_that_is_no_option_names_the_clip():
    with pytest.raises(CorpusError, match="clip s00-fearful-0: its emotion 'fearful' is not among"):
        recognise(PlantedListener(), planted_clips(), recognition=Recognition(EMOTIONS[:4]))


def test_scores_that_overflow_are_an_error_and_not_an_answer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("esn_interp.models.edits.STRONGEST", np.inf)  # such an edit is refused before
    flood = Edit(0, np.array([0, 1]), gain=1.0, shift=float(np.finfo(np.float32).max))
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(EditError, match=r"condition 'flood': the model's scores for clip .* are not finite"),
    ):
        recognise(PlantedListener(), planted_clips(speakers=1), conditions={"flood": [flood]})


answers_of_clips = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(answers_of_clips)
def test_measures_agree_with_scikit_learn(pairs):
    truth, answer = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    log_probs = np.where(np.arange(4) == answer[:, None], np.log(0.7), np.log(0.1)).astype(np.float32)[None]
    count = len(pairs)
    predictions = Predictions(
        conditions=(BASELINE,),
        emotions=("a", "b", "c", "d"),
        log_probs=log_probs,
        truth=truth,
        speaker=("s",) * count,
        clips=tuple(map(str, range(count))),
        rows=np.arange(count),
        tokens=np.ones((count, 3), dtype=np.int64),
    )
    present = np.unique(truth)
    confusion = metrics.confusion_matrix(truth, answer, labels=range(4))
    np.testing.assert_array_equal(predictions.confusion(), confusion)
    assert predictions.accuracy() == pytest.approx(metrics.accuracy_score(truth, answer))
    assert predictions.uar() == pytest.approx(
        metrics.recall_score(truth, answer, labels=present, average="macro", zero_division=0.0)
    )
    assert predictions.macro_f1() == pytest.approx(
        metrics.f1_score(truth, answer, labels=present, average="macro", zero_division=0.0)
    )


def test_an_unknown_condition_is_named():
    answers = recognise(PlantedListener(), planted_clips(speakers=1))
    with pytest.raises(KeyError, match="no condition 'sad'; there are baseline"):
        answers.recall("sad")


def test_synonyms_add_their_probabilities_to_the_emotion():
    recognition = Recognition(("happy", "sad"), synonyms={"sad": ("gloomy", "sad", "down")})
    assert recognition.labels == ("happy", "sad", "gloomy", "down")
    assert "gloomy" not in recognition.prompt
    probabilities = np.array([[0.4, 0.2, 0.3, 0.1], [0.7, 0.1, 0.1, 0.1]])
    by_emotion = np.exp(recognition.by_emotion(np.log(probabilities)))
    np.testing.assert_allclose(by_emotion, [[0.4, 0.6], [0.7, 0.3]])


@pytest.mark.parametrize(
    ("synonyms", "words"),
    [({"sad": ("happy",)}, "'happy' stands for two"), ({"angry": ("mad",)}, "which is not among")],
)
def test_synonyms_that_do_not_tell_emotions_apart_are_refused(synonyms, words):
    with pytest.raises(CorpusError, match=words):
        Recognition(("happy", "sad"), synonyms=synonyms)


def test_synonyms_change_what_a_planted_listener_answers():
    class Wordy(PlantedListener):
        """Knows emotions by other words as well, and spreads its belief evenly over them."""

        def scores(self, encoded, labels, *, edits=()):
            named = [label for label in labels if label in EMOTIONS]
            known = super().scores(encoded, named, edits=edits)
            share = {label: known[:, named.index(label.removesuffix("!"))] for label in labels}
            return np.log(np.stack([np.exp(share[label]) / 2 for label in labels], axis=1))

    clips = planted_clips(speakers=2, takes=1)
    plain = recognise(Wordy(), clips, progress=False)
    doubled = Recognition(clips.emotions, synonyms={emotion: (f"{emotion}!",) for emotion in EMOTIONS})
    both = recognise(Wordy(), clips, recognition=doubled, progress=False)
    np.testing.assert_array_equal(plain.predicted, both.predicted)
    assert_close(np.exp(both.log_probs).sum(axis=2), 1, terms=2 * len(EMOTIONS))
