"""Side tasks of the planted listener, whose side effects are known; and what counts as naming an emotion."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted_listener import (
    EMOTIONS,
    SEX_GATE,
    TRANSCRIPT,
    WORD_GATE,
    PlantedListener,
    clip_bytes,
    evidence_for,
    planted_clips,
    planted_set,
)

from esn_interp.errors import CorpusError
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.models.edits import Edit
from esn_interp.speech.clips import Clips
from esn_interp.tasks.free_text import SYNONYMS, free_answers, parse_emotion, parse_rate
from esn_interp.tasks.recognition import BASELINE
from esn_interp.tasks.side_tasks import off_target, transcription_accuracy


def silence(gate: tuple[int, int]) -> list[Edit]:
    return [Edit(gate[0], np.array([gate[1]]), gain=0.0)]


def test_side_effects_are_found_where_they_were_planted():
    costs = off_target(
        PlantedListener(),
        planted_clips(),
        conditions={
            "sex": silence(SEX_GATE),
            "word": silence(WORD_GATE),
            "sad": deactivate(planted_set()["sad"]),
        },
        progress=False,
    )
    assert costs.conditions == (BASELINE, "sex", "word", "sad")
    for task in costs.tasks:
        assert costs.mean(task) == 1
    assert costs.drop("sex", "sex") == pytest.approx(0.5)  # half of the speakers are women
    assert costs.drop("transcription", "word") == pytest.approx(1 / 6)  # one of six words
    assert costs.drop("transcription", "sex") == costs.drop("sex", "word") == 0
    # Unheard, sadness is taken for neutral: the valence of a fifth of the clips changes, the arousal of none.
    assert costs.drop("valence", "sad") == pytest.approx(1 / 5)
    assert costs.drop("arousal", "sad") == 0
    assert costs.drop("transcription", "sad") == costs.drop("sex", "sad") == 0
    assert costs.mean_drop("sex") == pytest.approx(0.5 / 3)
    assert costs.transcripts["word"][0] == "the kettle stands on the"
    assert costs.transcripts[BASELINE][0] == TRANSCRIPT


def test_accuracies_stand_by_clip_in_corpus_order():
    clips = planted_clips(speakers=4)
    costs = off_target(
        PlantedListener(),
        clips,
        conditions={"sex": silence(SEX_GATE)},
        tasks=["sex"],
        batch_size=7,
        progress=False,
    )
    assert costs.clips == tuple(clips.column("id"))
    np.testing.assert_array_equal(costs.accuracy[1, 0], [float(sex == "male") for sex in clips.column("sex")])
    assert costs.transcripts == {}


def test_audio_is_heard_once_per_batch_and_question():
    listener = PlantedListener()
    off_target(
        listener,
        planted_clips(speakers=4),
        conditions={"sex": silence(SEX_GATE), "word": silence(WORD_GATE)},
        tasks=["sex", "valence"],
        batch_size=20,
        progress=False,
    )
    assert len(listener.encoded) == 2 * 2
    assert listener.scored == 2 * 2 * 3


def test_what_is_not_known_is_not_judged():
    rows = [
        {"audio": clip_bytes(evidence_for("sad")), "emotion": "sad", "sex": "male", "transcript": ""},
        {"audio": clip_bytes(evidence_for("sad")), "emotion": "sad", "transcript": TRANSCRIPT},
        {"audio": clip_bytes(evidence_for("happy")), "emotion": "surprised", "transcript": ""},
    ]
    costs = off_target(PlantedListener(), Clips.from_frame(pd.DataFrame(rows), name="gaps"), conditions={})
    known = ~np.isnan(costs.accuracy[0])
    assert known.tolist() == [
        [False, True, False],  # transcription
        [True, False, False],  # sex
        [True, True, False],  # valence: surprise may be either
        [True, True, True],  # arousal
    ]
    nobody = Clips.from_frame(pd.DataFrame(rows[:1]), name="gap")
    assert np.isnan(off_target(PlantedListener(), nobody, conditions={}).mean("transcription"))


def test_table_has_a_row_per_condition():
    costs = off_target(
        PlantedListener(), planted_clips(speakers=2), conditions={"sex": silence(SEX_GATE)}, progress=False
    )
    frame = costs.to_frame()
    assert frame.columns.tolist() == ["condition", "transcription", "sex", "valence", "arousal"]
    assert frame.set_index("condition").loc["sex", "sex"] == pytest.approx(0.5)


def test_limit_asks_evenly_about_few():
    costs = off_target(
        PlantedListener(), planted_clips(), conditions={}, tasks=["arousal"], limit=10, seed=3, progress=False
    )
    assert sorted(name.split("-")[1] for name in costs.clips) == sorted([*EMOTIONS] * 2)


def test_unknown_task_and_unusable_corpus_are_refused():
    with pytest.raises(CorpusError, match="unknown side task 'age'; choose from transcription, sex"):
        off_target(PlantedListener(), planted_clips(speakers=1), conditions={}, tasks=["age"])
    broken = Clips.from_frame(pd.DataFrame([{"audio": b"no audio", "emotion": "sad"}]), name="broken")
    with pytest.raises(CorpusError, match="corpus broken: no clip to ask about"):
        off_target(PlantedListener(), broken, conditions={})
    with pytest.raises(CorpusError, match="corpus broken: no clip to ask about"):
        parse_rate(PlantedListener(), broken)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "accuracy"),
    [
        ("The kettle is on.", "the kettle is on", 1.0),
        ("the kettle is on", "the cattle is on", 0.75),
        ("the kettle is on", "", 0.0),
        ("on", "on and on and on", 0.0),  # four insertions are no worse than nothing right
        ("Don’t go", "don't go", 1.0),
        ("Sie fährt", "sie faehrt", 0.5),
    ],
)
def test_transcription_accuracy_by_hand(reference, hypothesis, accuracy):
    assert transcription_accuracy(reference, hypothesis) == pytest.approx(accuracy)


def test_transcription_accuracy_without_reference_is_unknown():
    assert np.isnan(transcription_accuracy(" ?! ", "anything"))


words = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=7)


@given(words, words)
def test_transcription_accuracy_is_one_minus_the_edit_distance_per_word(reference, hypothesis):
    row = list(range(len(hypothesis) + 1))
    for i, left in enumerate(reference, start=1):
        previous, row[0] = row[0], i
        for j, right in enumerate(hypothesis, start=1):
            previous, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, previous + (left != right))
    expected = 1 - min(row[-1] / len(reference), 1)
    assert transcription_accuracy(" ".join(reference), " ".join(hypothesis)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("angry", "angry"),
        ("The speaker sounds quite FURIOUS!", "angry"),
        ("They are sad, deeply unhappy.", "sad"),
        ("not happy at all", None),
        ("The speaker is not happy but sad.", "sad"),
        ("She isn’t very angry; she is afraid.", "fearful"),
        ("not only happy", "happy"),
        ("happy or sad", None),
        ("", None),
        ("madly happinesss", None),  # whole words only
        ("I could not tell.", None),
    ],
)
def test_free_answers_are_read(text, emotion):
    assert parse_emotion(text, EMOTIONS) == emotion


def test_a_synonym_that_is_an_option_stands_for_itself():
    assert parse_emotion("excited", EMOTIONS) == "happy"
    assert parse_emotion("excited", [*EMOTIONS, "excited"]) == "excited"
    assert parse_emotion("homesick", [*EMOTIONS, "homesick"]) == "homesick"


@given(st.sampled_from([(e, word) for e in EMOTIONS for word in SYNONYMS[e]]))
def test_every_synonym_names_its_emotion_and_no_other(pair):
    emotion, word = pair
    assert parse_emotion(f"They sound {word.upper()}.", EMOTIONS) == emotion
    assert parse_emotion(word, [e for e in EMOTIONS if e != emotion]) is None


def test_parse_rate_falls_where_steering_breaks_the_model():
    clips, sets = planted_clips(leaks=[0.5] * 8), planted_set()
    assert parse_rate(PlantedListener(), clips, progress=False) == 1
    # Past a logit of 5 the listener babbles: at alpha 16 evidence 0.5 has become 8.5, and 1 has become 17.
    broken = {emotion: steer(sets[emotion], 16.0) for emotion in EMOTIONS}
    assert parse_rate(PlantedListener(), clips, conditions=broken, progress=False) == 0
    # At alpha 4.5 only the clips of the target itself get there (5.5), the others stay at 2.75.
    strong = {emotion: steer(sets[emotion], 4.5) for emotion in EMOTIONS}
    assert parse_rate(PlantedListener(), clips, conditions=strong, progress=False) == pytest.approx(0.8)


def test_free_answers_come_by_clip_in_corpus_order():
    clips = planted_clips(speakers=3)
    conditions = {BASELINE: (), "sad": deactivate(planted_set()["sad"])}
    answers = free_answers(PlantedListener(), clips, conditions=conditions, batch_size=4, progress=False)
    assert list(answers) == [BASELINE, "sad"]
    assert list(answers["sad"]) == clips.column("id")
    assert answers["sad"]["s01-sad-0"] == "They sound neutral."
    assert answers[BASELINE]["s01-sad-0"] == "They sound sad."
