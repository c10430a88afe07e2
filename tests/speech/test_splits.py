"""Splits that can be chosen, repeated and saved; and folds in which everybody is evaluated once."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esn_interp.errors import CorpusError, EsnError
from esn_interp.speech.clips import Clips
from esn_interp.speech.splits import Assignment

EMOTIONS = ("neutral", "angry", "sad")


def crossed(speakers: int, *, sentences: int = 3, **columns: Any) -> Clips:
    rows = [
        {
            "audio": f"{speaker}-{sentence}-{emotion}.wav",
            "emotion": emotion,
            "speaker": f"s{speaker:02d}",
            "sex": ("female", "male")[speaker % 2],
            "sentence": f"t{sentence}",
            "session": f"day {speaker // 2}",
            **columns,
        }
        for speaker in range(speakers)
        for sentence in range(sentences)
        for emotion in EMOTIONS
    ]
    return Clips.from_frame(pd.DataFrame(rows), name="crossed")


UNITS = {
    "speaker": lambda clip: clip.speaker,
    "sentence": lambda clip: clip.sentence,
    "session": lambda clip: clip.extras["session"],
}


@pytest.mark.parametrize("by", UNITS)
@pytest.mark.parametrize("seed", [0, 5])
def test_what_is_split_by_stays_together(by: str, seed: int) -> None:
    clips = crossed(8, sentences=4)
    parts = clips.split(by=by, seed=seed)
    units = [{UNITS[by](clip) for clip in part} for part in parts]
    assert all(units)
    assert sum(map(len, units)) == len(set.union(*units))
    assert sorted(i for part in parts for i in part.column("id")) == sorted(clips.column("id"))
    again = clips.split(by=by, seed=seed)
    assert [part.fingerprint for part in again] == [part.fingerprint for part in parts]


def test_the_default_is_the_very_split_it_always_was() -> None:
    clips = crossed(10)
    assert [part.speakers for part in clips.split(seed=4)] == [
        part.speakers for part in clips.split(by="speaker", seed=4)
    ]
    assert [len(part.speakers) for part in clips.split()] == [2, 3, 5]


def test_a_column_of_its_own_can_be_passed_over_for_speakers() -> None:
    rows = crossed(6).to_frame()
    rows["split"] = ["validation", "identification", "evaluation"] * (len(rows) // 3)
    clips = Clips.from_frame(rows.assign(audio="a.wav"), name="own")
    assert clips.split_by == "corpus"
    shared = "speakers with clips in more than one of validation, identification and evaluation: 6"
    assert any(shared in note for note in clips.split()[0].notes)
    apart = clips.split(by="speaker")
    assert [len(part.speakers) for part in apart] == [1, 2, 3]
    assert apart[0].notes == ()


@pytest.mark.parametrize(
    ("by", "reason"),
    [
        ("mood", "cannot split by 'mood'; choose speaker, sentence, session, corpus"),
        ("corpus", "its own splits hold no clip for validation"),
    ],
)
def test_a_split_that_cannot_be_is_refused(by: str, reason: str) -> None:
    with pytest.raises(CorpusError, match=reason):
        crossed(6).split(by=by)


def test_clips_without_a_speaker_or_session_cannot_be_kept_apart_by_it() -> None:
    frame = crossed(4).to_frame().assign(audio="a.wav", extras=None)
    frame.loc[3, "speaker"] = ""
    clips = Clips.from_frame(frame, name="gap")
    assert clips.split_by == "sentence"
    with pytest.raises(CorpusError, match="1 of 36 clips have no speaker, so speakers cannot be kept apart"):
        clips.split(by="speaker")
    with pytest.raises(CorpusError, match="36 of 36 clips have no session"):
        clips.split(by="session")


@settings(max_examples=5, deadline=None)
@given(size=st.integers(1, 12), seed=st.integers(0, 4))
def test_identification_clips_per_emotion_are_drawn_by_the_seed(size: int, seed: int) -> None:
    clips = crossed(8)
    _, whole, evaluation = clips.split(seed=seed)
    _, few, same = clips.split(identification=size, seed=seed)
    there, kept = Counter(whole.column("emotion")), Counter(few.column("emotion"))
    assert kept == {emotion: min(size, count) for emotion, count in there.items()}
    assert set(few.column("id")) <= set(whole.column("id"))
    assert same.fingerprint == evaluation.fingerprint
    assert clips.split(identification=size, seed=seed)[1].fingerprint == few.fingerprint


def test_fewer_identification_clips_are_some_of_the_more() -> None:
    clips = crossed(8)
    some, more = (set(clips.split(identification=n, seed=2)[1].column("id")) for n in (2, 4))
    assert some < more
    with pytest.raises(CorpusError, match="0 identification clips per emotion; give 1 or more"):
        clips.split(identification=0)


def test_shares_can_be_chosen() -> None:
    parts = crossed(10).split(shares=(1, 1, 8))
    assert [len(part.speakers) for part in parts] == [1, 1, 8]
    with pytest.raises(CorpusError, match="give three positive numbers"):
        crossed(10).split(shares=(1, 1))


def test_an_assignment_is_saved_and_gives_the_same_split(tmp_path: Path) -> None:
    clips = crossed(9)
    assignment = clips.assign(by="speaker", identification=3, seed=7)
    path = tmp_path / "split.json"
    assignment.save(path)
    loaded = Assignment.load(path)
    assert loaded == assignment
    assert (loaded.by, loaded.seed, loaded.identification, loaded.corpus) == ("speaker", 7, 3, "crossed")
    assert loaded.counts() == {"validation": 18, "identification": 9, "evaluation": 36}
    expected = [part.fingerprint for part in clips.split(by="speaker", identification=3, seed=7)]
    assert [part.fingerprint for part in clips.divide(loaded)] == expected
    # Also for clips in another order, and for some of them.
    assert [len(part) for part in clips[::-1].divide(loaded)] == [18, 9, 36]
    with pytest.raises(CorpusError, match=r"9 of 90 clips are not in the split of crossed \(9-0-neutral\)"):
        crossed(10).divide(loaded)
    path.write_text("{}")
    with pytest.raises(EsnError, match="expected 'split'"):
        Assignment.load(path)


@settings(max_examples=10, deadline=None)
@given(speakers=st.integers(4, 13), data=st.data())
def test_every_speaker_is_evaluated_in_exactly_one_fold(speakers: int, data: st.DataObject) -> None:
    clips = crossed(speakers, sentences=1)
    count = data.draw(st.one_of(st.none(), st.integers(2, speakers)))
    folds = clips.assign_folds(count, seed=3)
    assert len(folds) == (count or min(5, speakers))
    who = dict(zip(clips.column("id"), clips.column("speaker"), strict=True))
    sizes, evaluated = [], []
    for fold in folds:
        split_of = {speaker: {fold.splits[i] for i in who if who[i] == speaker} for speaker in clips.speakers}
        assert all(len(splits) == 1 for splits in split_of.values())
        assert set.union(*split_of.values()) == {"validation", "identification", "evaluation"}
        evaluated += [speaker for speaker, splits in split_of.items() if splits == {"evaluation"}]
        sizes.append(len(evaluated) - sum(sizes))
    assert sorted(evaluated) == list(clips.speakers)
    assert max(sizes) - min(sizes) <= 1
    assert clips.assign_folds(count, seed=3) == folds


def test_folds_hold_both_sexes_and_can_be_saved() -> None:
    clips = crossed(10)
    for validation, identification, evaluation in clips.folds():
        assert [len(part.speakers) for part in (validation, identification, evaluation)] == [3, 5, 2]
        assert all(set(part.column("sex")) == {"female", "male"} for part in (identification, evaluation))
    assert [fold.fold for fold in clips.assign_folds(2)] == ["1 of 2", "2 of 2"]


@pytest.mark.parametrize(("speakers", "folds"), [(2, 2), (4, 5), (4, 1), (3, 2)])
def test_folds_that_cannot_be_are_refused(speakers: int, folds: int) -> None:
    if (speakers, folds) == (3, 2):  # two speakers are evaluated at once, and one is left for two purposes
        with pytest.raises(CorpusError, match="leaves 1 speaker for both validation and identification"):
            list(crossed(3).folds(2))
    else:
        with pytest.raises(CorpusError, match=f"{speakers} speakers cannot be cross-fitted in {folds} folds"):
            list(crossed(speakers).folds(folds))


def test_emodb_is_cross_fitted_by_speaker(emodb_root: Path) -> None:
    from esn_interp.speech.corpora import corpus

    clips = corpus("emodb", root=emodb_root)
    folds = list(clips.folds())
    assert sorted(i for _, _, part in folds for i in part.column("id")) == sorted(clips.column("id"))
    for parts in folds:
        assert [len(part.speakers) for part in parts] == [3, 5, 2]
        assert all(part.emotions == clips.emotions for part in parts[1:])


def test_an_assignment_to_a_part_that_is_none_is_damaged(tmp_path: Path) -> None:
    assignment = crossed(9).assign(by="speaker")
    assignment.save(tmp_path / "split.json")
    told = json.loads((tmp_path / "split.json").read_text(encoding="utf-8"))
    told["splits"][next(iter(told["splits"]))] = "exam"
    (tmp_path / "split.json").write_text(json.dumps(told), encoding="utf-8")
    with pytest.raises(EsnError, match=r"split\.json: entry 'splits' names a split 'exam'; the file is damaged"):
        Assignment.load(tmp_path / "split.json")
