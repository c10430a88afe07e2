"""What a model heard in its training is known, kept out of the evaluation, and warned of where it is not."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest
from command_line import esn as run_esn
from command_line import write_clips
from hypothesis import given
from hypothesis import strategies as st
from planted_demo import StudiedListener, study
from planted_listener import PlantedListener, planted_clips, planted_set
from tiny_omni import save_tiny
from toy_omni import real_speech

import esn_interp as esn
from esn_interp.errors import CorpusError, EsnError
from esn_interp.models.loading import heard_of
from esn_interp.speech.heard import Heard, HeardWarning, heard_by
from esn_interp.speech.splits import Assignment


def told(training=(), validation=(), *, corpus="planted"):
    return Heard("tutored", {"training": {corpus: training}, "validation": {corpus: validation}})


def speakers(parts):
    return [part.speakers for part in parts]


def taught(training=(), validation=()):
    lm = PlantedListener()
    lm.heard = told(training, validation)
    return lm


CLIPS = planted_clips(speakers=8, takes=1)
LEARNT = r"tutored learnt from clips of these very speakers \(s00, s01\)"


def test_a_model_is_evaluated_on_whom_it_has_not_heard():
    parts = CLIPS.split(unheard_by=told(("s04", "s00", "s07"), ("s02",)))
    assert speakers(parts) == [("s02",), ("s00", "s04", "s07"), ("s01", "s03", "s05", "s06")]
    assert sum(map(len, parts)) == len(CLIPS)


@pytest.mark.parametrize(
    "roles", [{"training": ("s00", "s01", "s02", "s03", "s04")}, {"validation": ("s05", "s06")}]
)
@pytest.mark.parametrize("seed", range(4))
def test_where_one_role_was_played_the_heard_serve_for_both_sets(roles, seed):
    heard = sorted(*roles.values())
    validation, identification, evaluation = speakers(CLIPS.split(unheard_by=told(**roles), seed=seed))
    assert sorted(validation + identification) == heard
    assert len(validation) == {5: 2, 2: 1}[len(heard)]
    assert set(evaluation) == set(CLIPS.speakers) - set(heard)


@given(st.sets(st.sampled_from(CLIPS.speakers)), st.sets(st.sampled_from(CLIPS.speakers)), st.integers(0, 9))
def test_nobody_heard_is_ever_evaluated(training, validation, seed):
    heard = training | validation
    record = told(tuple(training), tuple(validation - training))
    if len(heard) in (1, len(CLIPS.speakers)):
        with pytest.raises(CorpusError, match=r"has heard (one|every)"):
            CLIPS.split(unheard_by=record, seed=seed)
        return
    parts = CLIPS.split(unheard_by=record, seed=seed)
    assert not heard & set(parts[2].speakers)
    assert all(map(len, parts))
    together = [clip for part in parts for clip in part.column("id")]
    assert sorted(together) == sorted(CLIPS.column("id"))


def test_a_model_that_heard_others_changes_nothing():
    for heard in (told(), told(("s00", "s01"), corpus="elsewhere"), told(("someone",))):
        assert CLIPS.assign(unheard_by=heard, seed=3) == CLIPS.assign(seed=3)


def test_the_record_is_about_speakers_of_a_corpus_not_of_clips_by_a_name():
    """A part of a corpus, or two corpora put together under another name, are still those speakers."""
    parts = replace(CLIPS, name="a part of it").split(unheard_by=told(("s00", "s01"), ("s02",)))
    assert speakers(parts)[:2] == [("s02",), ("s00", "s01")]


def test_the_assignment_says_for_whom_it_was_made(tmp_path):
    assignment = CLIPS.assign(unheard_by=told(("s00", "s01"), ("s02",)), identification=1)
    assert (assignment.by, assignment.unheard_by) == ("speaker", "tutored")
    assert assignment.counts()["identification"] == 5  # one clip an emotion
    assignment.save(tmp_path / "split.json")
    assert Assignment.load(tmp_path / "split.json") == assignment


def test_what_cannot_be_kept_apart_is_refused():
    with pytest.raises(CorpusError, match=r"tutored has heard every speaker .*nobody to evaluate it on"):
        CLIPS.split(unheard_by=told(CLIPS.speakers))
    with pytest.raises(CorpusError, match=r"a split by sentence would not keep out .*split by speaker"):
        CLIPS.split(by="sentence", unheard_by=told(("s00", "s01")))
    with pytest.raises(CorpusError, match=r"has heard one of its speakers \(s03\)"):
        CLIPS.split(unheard_by=told(("s03",)))


def test_results_on_speakers_that_a_model_learnt_from_say_so():
    lm = taught(("s00", "s01"), ("s02",))
    with pytest.warns(HeardWarning, match=LEARNT):
        answers = esn.recognise(lm, CLIPS, progress=False)
    assert re.match(LEARNT, answers.heard)
    with pytest.warns(HeardWarning, match=LEARNT):
        result = esn.ablation(lm, CLIPS, planted_set(), draws=0, progress=False)
    assert re.match(LEARNT, result.notes[0])
    with pytest.warns(HeardWarning, match=LEARNT):
        doses = esn.dose_response(lm, CLIPS, planted_set(), alphas=[0, 1], draws=0, progress=False)
    assert re.match(LEARNT, doses.notes[0])


def test_nothing_is_said_of_others():
    """Warnings are errors here. Speakers on whom a training was chosen are those on whom settings are."""
    lm = taught(("s00", "s01"), ("s02",))
    for part in (CLIPS.where(speaker="s02"), CLIPS.where(speaker=["s05", "s06"])):
        assert esn.recognise(lm, part, progress=False).heard == ""


def test_a_record_lies_beside_the_weights(tmp_path):
    folder = save_tiny(tmp_path / "model")
    assert heard_by(esn.load(folder)) == heard_of(folder) == Heard(str(folder))
    heard = told(("s00",), ("s01",))
    heard.save(folder)
    found = heard_of(folder, name="tutored")
    assert esn.load(folder, name="tutored").heard == found
    assert found.speakers == {"training": {"planted": ["s00"]}, "validation": {"planted": ["s01"]}}
    assert heard_by(SimpleNamespace()) == Heard()


@pytest.mark.filterwarnings("always::esn_interp.speech.heard.HeardWarning")
def test_the_command_line_splits_by_it_and_warns_in_a_line(tmp_path):
    folder = save_tiny(tmp_path / "model")
    Heard(speakers={"training": {"made": ["s0", "s1", "s2"]}}).save(folder)
    made = write_clips(tmp_path / "made", speakers=["s0", "s1", "s2", "s3"])
    about = ["--model", folder, "--corpus", made, "--json"]
    stats, neurons, effect = (tmp_path / name for name in ("s.safetensors", "n.safetensors", "effect.json"))
    collected = run_esn("collect", *about, "--split", "evaluation", "--out", stats)
    assert set(collected.content["seen"].values()) == {1}  # one clip an emotion: s3's
    assert "has heard some of these speakers in its training and is evaluated on others" in collected.err

    how = ["--selector", "random", "--count", 2, "--filter", "none"]
    assert run_esn("select", stats, *how, "--out", neurons).code == 0
    ablate = ["ablate", *about, "--neurons", neurons, "--draws", 0, "--out", effect]
    ablate.append("--allow-identification-clips")
    everybody, learnt = (
        run_esn(*ablate, "--split", "all"),
        "learnt from clips of these very speakers (s0, s1, s2)",
    )
    assert everybody.code == 0, everybody.out
    assert sum(learnt in note for note in everybody.content["notes"]) == 1
    (line,) = (line for line in everybody.err.splitlines() if learnt in line)
    assert line.startswith("esn: note: ")
    assert learnt not in run_esn(*ablate).err


def test_a_file_that_is_no_record_is_refused(tmp_path):
    (tmp_path / "heard.json").write_text(json.dumps({"kind": "split", "version": 1}))
    with pytest.raises(EsnError, match=r"heard\.json"):
        heard_of(tmp_path)


def test_toy_emodb_says_whom_it_heard():
    lm = esn.load("toy-emodb")
    assert {role: tuple(of["emodb"]) for role, of in lm.heard.speakers.items()} == {
        "training": real_speech.TRAINING,
        "validation": real_speech.VALIDATION,
    }
    assert "emodb" not in heard_of("toy-omni").speakers["training"]


def test_emodb_is_split_by_it(emodb_root):
    parts = esn.corpus("emodb", root=emodb_root).split(unheard_by=heard_of("toy-emodb"), seed=5)
    assert speakers(parts) == [real_speech.VALIDATION, real_speech.TRAINING, real_speech.EVALUATION]


@pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")
def test_a_study_evaluates_on_the_unheard(tmp_path, monkeypatch):
    monkeypatch.setattr(StudiedListener, "heard", told(("s01", "s02", "s03"), ("s00",)), raising=False)
    clips = planted_clips(speakers=9, takes=1)
    content = study(tmp_path, clips=clips).content
    assert content["corpus"]["splits"]["evaluation"]["speakers"] == ["s04", "s05", "s06", "s07", "s08"]
    assert content["corpus"]["splits"]["identification"]["speakers"] == ["s01", "s02", "s03"]
    assert "heard some of the voices in its training" in (tmp_path / "report.html").read_text()
