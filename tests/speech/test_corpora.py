"""The corpora: the two bundled ones as promised, EmoDB as released, and the user's own folders and tables."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from esn_interp.errors import CorpusError
from esn_interp.models.loading import heard_of
from esn_interp.speech.audio import read_audio
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import CORPORA, corpus, toy

FIVE = ("neutral", "happy", "angry", "sad", "fearful")
BUNDLED = ("toy-studio", "toy-phone")


@pytest.fixture(scope="module", params=BUNDLED)
def bundled(request: pytest.FixtureRequest) -> Clips:
    return corpus(request.param)


def test_a_bundled_corpus_is_fully_crossed(bundled: Clips) -> None:
    assert bundled.emotions == FIVE
    assert len(bundled.speakers) == 20
    cells = Counter(zip(*(bundled.column(name) for name in ("speaker", "sentence", "emotion")), strict=True))
    assert len(cells) == len(bundled) == 20 * 8 * 5
    assert set(bundled.column("language")) == {"en"}
    found, tried = (set(bundled.where(split=split).column("transcript")) for split in ("identification", "evaluation"))
    assert len(found) == len(tried) == 8
    assert set(bundled.column("transcript")) == found | tried


def test_a_bundled_corpus_splits_its_voices_4_6_10_with_both_sexes(bundled: Clips) -> None:
    assert bundled.split_by == "corpus"
    parts = bundled.split()
    assert [len(part.speakers) for part in parts] == [4, 6, 10]
    for part in parts:
        sexes = Counter(dict(zip(part.column("speaker"), part.column("sex"), strict=True)).values())
        assert sexes["female"] == sexes["male"]
        assert part.emotions == FIVE


def test_bundled_audio_is_loud_enough_short_enough_and_not_clipped(bundled: Clips) -> None:
    for clip in bundled.limit(50):
        wave = clip.waveform()
        assert 0.6 < len(wave) / 16_000 < 4.0
        assert np.abs(wave).max() > 0.02
        # Opus overshoots the limiter of the loudest shouts by a few samples.
        assert np.mean(np.abs(wave) > 0.99) < 1e-3
        assert clip.audio["bytes"][:4] == b"OggS"


def test_anger_is_louder_than_sadness_and_sadness_slower(bundled: Clips) -> None:
    level, seconds = (dict.fromkeys(FIVE, 0.0) for _ in range(2))
    for clip in bundled.where(split="validation"):
        wave = clip.waveform()
        level[clip.emotion] += 10 * np.log10(np.mean(wave**2)) / 32
        seconds[clip.emotion] += len(wave) / 16_000 / 32
    assert level["angry"] > level["neutral"] + 3 > level["sad"] + 6
    assert seconds["sad"] > seconds["neutral"] > seconds["fearful"]


def test_the_two_corpora_share_no_voice_no_sentence_and_mostly_not_the_acting() -> None:
    studio, phone = (corpus(name) for name in BUNDLED)
    assert not set(studio.speakers) & set(phone.speakers)
    assert not set(studio.column("transcript")) & set(phone.column("transcript"))
    hot = [
        extras["acting"] == "hot"
        for clips in (studio, phone)
        for extras in clips.where(emotion="angry").column("extras")
    ]
    assert np.mean(hot[:160]) > 0.65
    assert np.mean(hot[160:]) < 0.35


def test_the_bundled_corpora_stay_small() -> None:
    import esn_interp.speech.corpora as package

    files = list((Path(package.__file__).parent / "data").glob("*.parquet"))
    assert {file.stem for file in files} == {*BUNDLED, "emodb-sample"}
    assert sum(file.stat().st_size for file in files) < 15e6


def test_three_speakers_of_emodb_come_with_the_package_and_no_bundled_model_learnt_from_them() -> None:
    clips = corpus("emodb-sample")
    assert len(clips) == 163
    assert set(clips.speakers) == {"10", "14", "15"}
    assert Counter(clips.column("emotion")) == CORPORA["emodb-sample"].counts
    assert all(clip.audio["bytes"][:4] == b"OggS" for clip in clips)
    for model in ("toy-emodb", "smol-audio"):
        heard = heard_of(model)
        assert set(heard.roles(clips.column("corpus"), clips.column("speaker"))) == {""}
        whole = ["emodb"] * 10, ["03", "08", "09", "10", "11", "12", "13", "14", "15", "16"]
        assert "training" in heard.roles(*whole)
    card = (Path(toy.__file__).parent / "data" / "emodb-sample.md").read_text(encoding="utf-8")
    assert "CC0-1.0" in card
    assert "Interspeech 2005" in card


def test_the_sample_is_what_the_release_says(emodb_root: Path) -> None:
    whole = {clip.id: clip for clip in corpus("emodb", root=emodb_root).where(speaker=["10", "14", "15"])}
    sample = corpus("emodb-sample")
    assert {clip.id for clip in sample} == set(whole)
    for clip in sample.limit(14):
        theirs = whole[clip.id]
        for name in ("emotion", "speaker", "sex", "sentence", "transcript", "language"):
            assert getattr(clip, name) == getattr(theirs, name)
        ours, recorded = clip.waveform(), theirs.waveform()
        assert len(ours) == len(recorded)
        assert np.corrcoef(ours, recorded)[0, 1] > 0.9


def test_the_bundled_clips_are_what_the_generator_makes() -> None:
    pytest.importorskip("espeakng_loader", reason="the generator needs the tools extra")
    pytest.importorskip("pyworld", reason="the generator needs the tools extra")
    import make_corpora

    for definition in make_corpora.CORPORA:
        # Where nobody reads by espeak-ng there is nothing to compare with, unless Kokoro is at hand.
        readers = [voice.engine for voice, _ in definition.cast]
        if "espeak" not in readers and not os.environ.get("KOKORO_VOICES"):
            continue
        number = readers.index("espeak") + 1 if "espeak" in readers else 4
        rows = make_corpora.perform_sentence((definition, number, 2, 0))
        bundled = {clip.id: clip for clip in corpus(definition.name).where(speaker=rows[0]["speaker"])}
        for row in rows:
            made, there = read_audio(row["audio"]), bundled[row["id"]].waveform()
            assert made.shape == there.shape
            # Not to the bit: another processor may round otherwise, and the encoder amplifies it.
            assert np.corrcoef(made, there)[0, 1] > 0.98
            assert json.loads(row["extras"]) == bundled[row["id"]].extras


def test_emodb_is_read_as_released(emodb_root: Path) -> None:
    clips = corpus("emodb", root=emodb_root)
    assert len(clips) == 535
    assert len(clips.speakers) == 10
    counts = Counter(clips.column("emotion"))
    assert counts == {
        "angry": 127, "bored": 81, "neutral": 79, "happy": 71, "fearful": 69, "sad": 62, "disgusted": 46,
    }  # fmt: skip
    assert clips.emotions == (*FIVE, "bored", "disgusted")
    first = clips[0]
    assert (first.id, first.speaker, first.sex, first.sentence) == ("03a01Fa", "03", "male", "a01")
    assert first.transcript == "Der Lappen liegt auf dem Eisschrank."
    assert first.extras["listener_recognised_pct"] == 90
    assert len(first.waveform()) / 16_000 == pytest.approx(first.extras["duration_s"], abs=1e-3)
    parts = clips.split()
    assert clips.split_by == "speaker"
    assert [len(part.speakers) for part in parts] == [2, 3, 5]
    assert all(set(part.column("sex")) == {"female", "male"} for part in parts)


def test_what_emodb_says_of_its_speakers_agrees_with_its_table(emodb_root: Path) -> None:
    by_name = corpus("emodb", root=emodb_root).to_frame().set_index("id")
    by_table = corpus(emodb_root).to_frame().set_index("id").loc[by_name.index]
    for column in ("emotion", "speaker", "sex", "language"):
        assert by_name[column].tolist() == by_table[column].tolist()
    # The table ends a question with a full stop.
    assert by_name["transcript"].str.rstrip(".?").tolist() == by_table["transcript"].str.rstrip(".?").tolist()


def test_emodb_keeps_the_emotions_asked_for(emodb_root: Path) -> None:
    clips = corpus("emodb", root=emodb_root, emotions=["anger", "sad"])
    assert clips.emotions == ("angry", "sad")
    with pytest.raises(CorpusError, match="no clip with emotion 'furious'"):
        corpus("emodb", root=emodb_root, emotions=["furious"])


def test_emodb_says_what_it_expected(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="root="):
        corpus("emodb")
    with pytest.raises(CorpusError, match=r"expected the release's folder"):
        corpus("emodb", root=tmp_path / "nowhere")
    with pytest.raises(CorpusError, match=r"expected names such as wav/03a01Fa.wav"):
        corpus("emodb", root=tmp_path)
    (tmp_path / "wav").mkdir()
    record(tmp_path / "wav" / "03a01Wa.wav")
    assert corpus("emodb", root=tmp_path).column("emotion") == ["angry"]
    (tmp_path / "metadata.csv").write_text("name\n03a01Wa\n")
    with pytest.raises(CorpusError, match="has no column 'file'"):
        corpus("emodb", root=tmp_path)


def record(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(4_000) / 9.0), 16_000)


def test_a_folder_per_emotion_with_or_without_speakers(tmp_path: Path) -> None:
    for name in ("Anger/anna/a.wav", "Anger/ben/a.wav", "sad/c.flac"):
        record(tmp_path / "mine" / name)
    (tmp_path / "mine" / "sad" / "notes.txt").write_text("not audio")
    clips = corpus(tmp_path / "mine")
    assert clips.name == "mine"
    assert clips.column("emotion") == ["angry", "angry", "sad"]
    assert clips.column("speaker") == ["anna", "ben", ""]
    assert clips.column("id") == ["mine-00001", "mine-00002", "c"]
    assert clips[2].waveform().shape == (4000,)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_table_names_files_beside_it_and_keeps_what_else_it_says(tmp_path: Path, form: str) -> None:
    record(tmp_path / "audio" / "a.wav")
    shutil.copy(tmp_path / "audio" / "a.wav", tmp_path / "audio" / "b.wav")
    rows = [
        {"file": "audio/a.wav", "emotion": "fear", "speaker": "03", "gender": "f", "arousal": 4.5},
        {
            "file": str(tmp_path / "audio" / "b.wav"),
            "emotion": "calm",
            "speaker": "04",
            "gender": "m",
            "arousal": 1.5,
        },
    ]
    path = tmp_path / f"table.{form}"
    if form == "csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
        path.write_text("\n".join(lines))
    else:
        path.write_text("\n".join(json.dumps(row) for row in rows))
    clips = corpus(str(path))
    assert clips.speakers == ("03", "04")
    assert clips.emotions == ("fearful", "calm")
    assert clips.column("sex") == ["female", "male"]
    assert clips[0].extras == {"arousal": 4.5}
    assert all(len(clip.waveform()) == 4000 for clip in clips)


def test_a_wrong_source_is_one_clear_line(tmp_path: Path) -> None:
    files = {
        "mood.csv": ("file,mood\na.wav,1\n", "column 'emotion' is missing"),
        "file.csv": ("clip,emotion\na.wav,sad\n", "needs a column audio, file or path; found clip, emotion"),
        "gap.csv": ("file,emotion\na.wav,sad\n,sad\n", "row 2: no audio"),
        "bare.csv": ("", "cannot be read as a table"),
        "torn.jsonl": ('{"file": "a.wav", "emo', "cannot be read as a table"),
        "letter.txt": ("hello", "neither a .csv nor a .jsonl table"),
    }
    for name, (content, reason) in files.items():
        (tmp_path / name).write_text(content)
        with pytest.raises(CorpusError, match=reason) as refused:
            corpus(tmp_path / name)
        assert "\n" not in str(refused.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="a subfolder per emotion"):
        corpus(tmp_path / "empty")
    with pytest.raises(CorpusError, match="known corpora: toy-studio, toy-phone, emodb"):
        corpus("toy-studo")


def test_clips_and_datasets_pass_through(tmp_path: Path) -> None:
    record(tmp_path / "mine" / "sad" / "a.wav")
    clips = corpus(tmp_path / "mine")
    assert corpus(clips) is clips
    assert corpus(clips.dataset, name="again").column("emotion") == ["sad"]


def test_every_listed_corpus_tells_what_a_user_must_know() -> None:
    assert list(CORPORA) == [info.name for info in CORPORA.values()]
    for info in CORPORA.values():
        assert info.title
        assert info.licence
        assert info.description
        if info.needs_root:
            with pytest.raises(CorpusError, match="root="):
                corpus(info.name)
