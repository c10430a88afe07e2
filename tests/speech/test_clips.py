"""Labelled clips: the schema, choosing among them, and splits that keep speakers apart."""

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from esn_interp.errors import AudioError, CorpusError
from esn_interp.speech.clips import Clips

COLUMNS = [
    "id",
    "audio",
    "emotion",
    "speaker",
    "sex",
    "sentence",
    "transcript",
    "language",
    "corpus",
    "split",
    "extras",
]  # the contract, spelt out here on purpose


def wav(seconds: float = 0.2) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.sin(np.arange(round(16_000 * seconds)) / 7.0), 16_000, format="WAV")
    return file.getvalue()


WAV = wav()


def table(emotions: list[str], **columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"audio": [WAV] * len(emotions), "emotion": emotions, **columns})


def crossed(speakers: int, *, sentences: int = 2, **columns: Any) -> Clips:
    rows = [
        {
            "audio": WAV,
            "emotion": emotion,
            "speaker": f"s{speaker:02d}",
            "sex": ("female", "male")[speaker % 2],
            "sentence": f"t{sentence}",
            **columns,
        }
        for speaker in range(speakers)
        for sentence in range(sentences)
        for emotion in ("neutral", "angry")
    ]
    return Clips.from_frame(pd.DataFrame(rows), name="crossed")


def test_a_table_becomes_clips_in_the_schema_with_labels_spelt_one_way() -> None:
    frame = table(
        ["Anger", "joy ", "neutral"], speaker=["a", "a", "b"], sex=["F", "f", None], age=[30, 30, 41]
    )
    clips = Clips.from_frame(frame, name="mine")
    assert clips.dataset.column_names == COLUMNS
    assert len(clips) == 3
    assert clips.emotions == ("neutral", "happy", "angry")
    assert clips.speakers == ("a", "b")
    first = clips[0]
    assert (first.emotion, first.sex, first.corpus, first.split) == ("angry", "female", "mine", "")
    assert first.extras == {"age": 30}
    assert clips[-1].sex == ""
    assert [clip.id for clip in clips] == ["mine-00001", "mine-00002", "mine-00003"]
    assert first.waveform().shape == (3200,)
    assert list(clips.to_frame().columns) == [column for column in COLUMNS if column != "audio"]
    with pytest.raises(IndexError):
        clips[3]


def test_emotions_are_in_one_order_whatever_the_corpus() -> None:
    clips = Clips.from_frame(table(["surprise", "fear", "disgust", "sadness", "neutral"]), name="x")
    assert clips.emotions == ("neutral", "sad", "fearful", "disgusted", "surprised")


def test_ids_come_from_files_where_these_are_unique() -> None:
    frame = pd.DataFrame({"audio": ["a/one.wav", "a/two.wav", "b/two.wav"], "emotion": ["sad"] * 3})
    assert Clips.from_frame(frame, name="files").column("id") == ["one", "files-00002", "files-00003"]


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (pd.DataFrame({"audio": [WAV]}), "column 'emotion' is missing; found audio"),
        (pd.DataFrame({"emotion": ["sad"]}), "column 'audio' is missing; found emotion"),
        (table([]), "holds no clips"),
        (table(["sad", ""]), "row 2: no emotion"),
        (pd.DataFrame({"audio": [WAV, None], "emotion": ["sad", "sad"]}), "row 2: no audio"),
        (table(["sad"], sex=["robot"]), "row 1: sex 'robot'"),
        (table(["sad"], split=["train"]), "split 'train' is none of validation, identification, evaluation"),
        (table(["sad", "sad"], id=["x", "x"]), "id 'x' is in rows 1 and 2"),
    ],
)
def test_a_table_that_is_wrong_is_refused_with_the_row(frame: pd.DataFrame, reason: str) -> None:
    with pytest.raises(CorpusError, match=reason) as refused:
        Clips.from_frame(frame, name="mine")
    assert "corpus mine" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_dataset_of_hugging_face_is_taken_without_decoding() -> None:
    dataset = Dataset.from_dict({"audio": [{"bytes": WAV, "path": "a.wav"}] * 2, "emotion": ["sad", "joy"]})
    clips = Clips.from_dataset(dataset, name="hub")
    assert clips.column("emotion") == ["sad", "happy"]
    again = Clips.from_dataset(clips.dataset, name="hub")
    assert again.fingerprint == clips.fingerprint
    assert again[1].waveform().shape == (3200,)


def test_a_clip_that_cannot_be_read_says_which() -> None:
    frame = pd.DataFrame({"audio": ["/nowhere/a.wav"], "emotion": ["sad"]})
    clips = Clips.from_frame(frame, name="lost")
    with pytest.raises(AudioError, match="a: no such file"):
        clips[0].waveform()


def test_where_keeps_what_matches_and_names_what_it_does_not_know() -> None:
    clips = crossed(4)
    kept = clips.where(emotion="angry", speaker=["s01", "s03"])
    assert set(kept.column("speaker")) == {"s01", "s03"}
    assert set(kept.column("emotion")) == {"angry"}
    assert len(kept) == 4
    with pytest.raises(CorpusError, match="no clip with emotion 'furious'; it has 'neutral', 'angry'"):
        clips.where(emotion="furious")
    with pytest.raises(CorpusError, match="no column 'mood'"):
        clips.where(mood="angry")


@settings(max_examples=25, deadline=None)
@given(
    emotions=st.lists(st.sampled_from(["neutral", "angry", "sad"]), min_size=1, max_size=20), data=st.data()
)
def test_a_limit_is_balanced_and_drawn_by_the_seed(emotions: list[str], data: st.DataObject) -> None:
    clips = Clips.from_frame(table(emotions), name="x")
    count = data.draw(st.integers(1, len(emotions) + 2))
    kept = clips.limit(count, seed=3)
    assert len(kept) == min(count, len(clips))
    assert kept.column("id") == clips.limit(count, seed=3).column("id")
    assert kept.column("id") == sorted(kept.column("id"))  # the order of the corpus
    taken = pd.Series(kept.column("emotion")).value_counts().to_dict()
    there = pd.Series(emotions).value_counts().to_dict()
    for emotion, number in there.items():
        most = max(taken.values())
        assert taken.get(emotion, 0) == number or taken.get(emotion, 0) >= most - 1
    with pytest.raises(CorpusError, match="limit of 0"):
        clips.limit(0)


def test_a_limit_takes_of_all_speakers_alike() -> None:
    clips = crossed(6)  # of every emotion
    emotions, speakers = len(clips.emotions), len(clips.speakers)
    for seed in range(5):
        kept = clips.limit(emotions * speakers, seed=seed)
        counts = pd.crosstab(pd.Series(kept.column("speaker")), pd.Series(kept.column("emotion")))
        assert counts.to_numpy().tolist() == [[1] * emotions] * speakers
        few = pd.Series(clips.limit(speakers, seed=seed).column("speaker")).value_counts()
        assert (len(few), few.max()) == (speakers, 1)


def test_taking_and_slicing_agree_and_change_the_fingerprint() -> None:
    clips = crossed(3)
    assert clips[2:5].column("id") == clips.take([2, 3, 4]).column("id")
    assert clips.take(range(len(clips))).fingerprint == clips.fingerprint
    assert clips.take([1, 0]).fingerprint != clips.take([0, 1]).fingerprint
    assert clips.fingerprint.startswith("2-")
    assert len(clips.fingerprint) == 14


@settings(max_examples=25, deadline=None)
@given(speakers=st.integers(3, 14), seed=st.integers(0, 5))
def test_speakers_are_never_shared_between_splits(speakers: int, seed: int) -> None:
    clips = crossed(speakers)
    assert clips.split_by == "speaker"
    parts = clips.split(seed=seed)
    heard = [set(part.column("speaker")) for part in parts]
    assert all(heard)
    assert not heard[0] & heard[1] | heard[0] & heard[2] | heard[1] & heard[2]
    assert sorted(id for part in parts for id in part.column("id")) == sorted(clips.column("id"))
    assert [part.column("id") for part in parts] == [part.column("id") for part in clips.split(seed=seed)]
    if speakers >= 10:
        assert all(set(part.column("sex")) == {"female", "male"} for part in parts)
        assert len(heard[2]) >= len(heard[1]) >= len(heard[0])


def test_the_corpus_decides_on_its_splits_where_it_can() -> None:
    names = ["validation", "identification", "evaluation"]
    clips = Clips.from_frame(table(["sad"] * 6, speaker=["a"] * 6, split=names * 2), name="x")
    assert clips.split_by == "corpus"
    for part, name in zip(clips.split(), names, strict=True):
        assert part.column("split") == [name, name]


def test_one_speaker_is_split_by_sentence_and_two_clips_not_at_all() -> None:
    clips = crossed(1, sentences=6)
    assert clips.split_by == "sentence"
    heard = [set(part.column("sentence")) for part in clips.split(seed=1)]
    assert all(heard)
    assert sum(map(len, heard)) == 6
    with pytest.raises(CorpusError, match="2 sentences cannot be divided"):
        crossed(1, sentences=2).split()
