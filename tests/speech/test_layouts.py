"""Every corpus in small, laid out as its owner ships it: rows, labels, speakers, sexes, words and splits."""

import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from miniature_corpora import LAYOUTS
from miniature_corpora.acted_in_english import esd, ravdess
from miniature_corpora.conversations import iemocap, meld, msp_podcast
from miniature_corpora.parts import tone, write

from esn_interp.errors import AudioError, CorpusError
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import CORPORA, corpus
from esn_interp.speech.labels import VOCABULARY
from esn_interp.speech.schema import COLUMNS

NAMES = list(LAYOUTS)


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpora")
    for name, layout in LAYOUTS.items():
        (folder / name).mkdir()
        layout.build(folder / name)
    return {name: folder / name for name in LAYOUTS}


def load(name: str, roots: dict[str, Path]) -> Clips:
    return corpus(name, root=roots[name], **LAYOUTS[name].options)


def test_every_corpus_that_needs_a_root_has_a_layout_here() -> None:
    assert set(NAMES) == {info.name for info in CORPORA.values() if info.needs_root}


@pytest.mark.parametrize("name", NAMES)
def test_the_clips_are_what_the_files_say(name: str, roots: dict[str, Path]) -> None:
    clips = load(name, roots)
    assert clips.name == name
    assert clips.dataset.column_names == list(COLUMNS)
    by_id = {clip.id: clip for clip in clips}
    for clip_id, expected in LAYOUTS[name].clips.items():
        clip = by_id[clip_id]
        for column, value in expected.items():
            if column == "extras":
                assert {key: clip.extras[key] for key in value} == value
            else:
                assert getattr(clip, column) == value, (clip_id, column)
    for note in LAYOUTS[name].notes:
        assert any(note in said for said in clips.notes), (note, clips.notes)
    assert clips.split_by == LAYOUTS[name].split_by


@pytest.mark.parametrize("name", NAMES)
def test_the_audio_is_found_and_heard_at_16_khz(name: str, roots: dict[str, Path]) -> None:
    for clip in load(name, roots):
        assert clip.audio["bytes"] is None  # it stays on disk until it is heard
        wave = clip.waveform()
        assert len(wave) == pytest.approx(3200, abs=1)
        assert wave.dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_the_labels_are_words_of_the_vocabulary_and_the_counts_cover_them(name: str) -> None:
    info = CORPORA[name]
    assert set(info.labels.values()) <= set(VOCABULARY)
    if info.counts:
        assert set(info.counts) == set(info.labels.values())
    for emotions in info.conventions.values():
        assert set(emotions) <= set(info.labels.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_bad_root_is_one_line_that_says_what_was_expected(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write(tmp_path / "file.txt", "this is no folder")
    for root in (tmp_path / "nowhere", tmp_path / "file.txt", tmp_path / "empty"):
        with pytest.raises(CorpusError, match=re.escape(str(root))) as refused:
            corpus(name, root=root)
        assert str(refused.value).startswith(f"corpus {name}: ")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", NAMES)
def test_folders_with_other_than_latin_names_are_read(
    name: str, roots: dict[str, Path], tmp_path: Path
) -> None:
    there = tmp_path / "Größe – 录音"
    shutil.copytree(roots[name], there)  # the same sound: a fingerprint holds it
    assert corpus(name, root=there).fingerprint == load(name, roots).fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_one_unreadable_file_among_good_ones_spoils_itself_only(name: str, tmp_path: Path) -> None:
    LAYOUTS[name].build(tmp_path)
    victim = Path(corpus(name, root=tmp_path)[0].audio["path"])
    victim.write_text("this was a recording once", encoding="utf-8")
    for clip in corpus(name, root=tmp_path):
        if clip.audio["path"] == str(victim):
            with pytest.raises(AudioError, match=f"^{clip.id}: not audio"):
                clip.waveform()
        else:
            assert len(clip.waveform()) == pytest.approx(3200, abs=1)


def test_iemocap_merges_excited_into_happy_unless_told_not_to(roots: dict[str, Path]) -> None:
    root = roots["iemocap"]
    merged = Counter(corpus("iemocap", root=root).column("emotion"))
    assert merged == {"neutral": 2, "happy": 4, "angry": 2, "sad": 2, "frustrated": 2}
    apart = corpus("iemocap", root=root, merge_excited=False)
    assert Counter(apart.column("emotion"))["excited"] == 2
    assert Counter(apart.column("emotion"))["happy"] == 2


def test_iemocap_has_its_conventions_styles_and_sessions(roots: dict[str, Path]) -> None:
    root = roots["iemocap"]
    four = corpus("iemocap", root=root, emotions="4-class")
    assert four.emotions == ("neutral", "happy", "angry", "sad")
    assert any("2 frustrated" in note for note in four.notes)
    assert corpus("iemocap", root=root, emotions="5-class").emotions == (*four.emotions, "frustrated")
    improvised = corpus("iemocap", root=root, style="improvised")
    assert {extras["style"] for extras in improvised.column("extras")} == {"improvised"}
    assert len(improvised) == 6
    with pytest.raises(CorpusError, match="2 sessions cannot be divided"):
        four.split(by="session")
    with pytest.raises(CorpusError, match="style='acted' is none of all, improvised, scripted"):
        corpus("iemocap", root=root, style="acted")


def test_sessions_stay_together(tmp_path: Path) -> None:
    iemocap(tmp_path)
    release = tmp_path / "IEMOCAP_full_release"
    for path in sorted((release / "Session2").rglob("*")):
        if path.is_file():
            there = str(path.relative_to(release)).replace("Session2", "Session3").replace("Ses02", "Ses03")
            (release / there).parent.mkdir(parents=True, exist_ok=True)
            content = path.read_bytes()
            text = path.suffix == ".txt"
            (release / there).write_bytes(content.replace(b"Ses02", b"Ses03") if text else content)
    parts = corpus("iemocap", root=tmp_path).split(by="session", seed=1)
    sessions = [{extras["session"] for extras in part.column("extras")} for part in parts]
    assert sorted(map(len, sessions)) == [1, 1, 1]
    assert set.union(*sessions) == {"1", "2", "3"}


def test_iemocap_half_downloaded(tmp_path: Path) -> None:
    iemocap(tmp_path)
    session = tmp_path / "IEMOCAP_full_release" / "Session1"
    for path in (session / "sentences" / "wav" / "Ses01F_impro01").glob("*.wav"):
        path.unlink()
    for path in (session / "dialog" / "transcriptions").glob("*.txt"):
        path.unlink()
    clips = corpus("iemocap", root=tmp_path)
    assert any("listed clips without a file, left out: 4 of 16" in note for note in clips.notes)
    assert any("clips without a transcript: 4" in note for note in clips.notes)
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match="labels but no audio"):
        corpus("iemocap", root=tmp_path)


def test_meld_shares_speakers_between_its_splits_and_says_so(roots: dict[str, Path]) -> None:
    clips = load("meld", roots)
    validation, identification, evaluation = clips.split()
    assert [set(part.column("split")) for part in (validation, identification, evaluation)] == [
        {"validation"}, {"identification"}, {"evaluation"},
    ]  # fmt: skip
    assert any(
        "speakers with clips in more than one of validation, identification and evaluation: 3" in note
        for note in evaluation.notes
    )
    apart = clips.split(by="speaker")
    assert not set(apart[0].speakers) & set(apart[2].speakers)
    assert not any("more than one" in note for note in apart[0].notes)


def test_meld_is_read_from_its_videos(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the sound of videos needs the extra video")
    meld(tmp_path, ".mp4")
    clips = corpus("meld", root=tmp_path)
    assert len(clips) == 8
    wave = clips[0].waveform()
    assert len(wave) == pytest.approx(16_000, abs=1_500)  # a codec pads to whole frames
    assert np.argmax(np.abs(np.fft.rfft(wave))) * 16_000 / len(wave) == pytest.approx(300, abs=2)


def test_a_wav_is_taken_before_the_video_beside_it(tmp_path: Path) -> None:
    meld(tmp_path)
    write(tmp_path / "train_splits" / "dia0_utt0.mp4", "no video at all")
    assert {Path(clip.audio["path"]).suffix for clip in corpus("meld", root=tmp_path)} == {".wav"}


def test_meld_without_its_clips_or_with_another_table(tmp_path: Path) -> None:
    meld(tmp_path)
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match="holds tables but no clips"):
        corpus("meld", root=tmp_path)
    write(tmp_path / "train_sent_emo.csv", "Utterance,Speaker,Mood\nHello,Joey,joy\n")
    with pytest.raises(
        CorpusError, match=r"train_sent_emo.csv has no column 'Emotion'; found Utterance, Speaker, Mood"
    ):
        corpus("meld", root=tmp_path)


@pytest.mark.parametrize("form", ["labels_concensus.csv", "labels_consensus.json"])
def test_msp_podcast_in_its_other_forms(form: str, roots: dict[str, Path], tmp_path: Path) -> None:
    msp_podcast(tmp_path, form)
    assert corpus("msp-podcast", root=tmp_path).to_frame().equals(load("msp-podcast", roots).to_frame())


def test_msp_podcast_partitions_and_unknown_speakers(roots: dict[str, Path]) -> None:
    root = roots["msp-podcast"]
    assert corpus("msp-podcast", root=root, test="Test2").where(split="evaluation").column("emotion") == [
        "sad"
    ]
    known = corpus("msp-podcast", root=root, known_speakers=True, test="Test2", transcripts=False)
    assert "" not in known.speakers
    assert set(known.column("transcript")) == {""}
    with pytest.raises(CorpusError, match="1 of 4 clips have no speaker, so speakers cannot be kept apart"):
        corpus("msp-podcast", root=root).split(by="speaker")


def test_msp_podcast_half_downloaded(tmp_path: Path) -> None:
    msp_podcast(tmp_path)
    (tmp_path / "Audios" / "MSP-PODCAST_0001_0008.wav").unlink()
    assert any("left out: 1 of 6 (" in note for note in corpus("msp-podcast", root=tmp_path).notes)
    for path in (tmp_path / "Audios").iterdir():
        path.unlink()
    with pytest.raises(CorpusError, match="none of the 6 files"):
        corpus("msp-podcast", root=tmp_path)


def test_esd_by_language_and_by_its_own_parts(roots: dict[str, Path], tmp_path: Path) -> None:
    root = roots["esd"]
    english = corpus("esd", root=root, language="en")
    assert english.speakers == ("0011",)
    own = corpus("esd", root=root, partition=True)
    assert own.split_by == "corpus"
    assert [len(part) for part in own.split()] == [9, 9, 9]
    assert any(
        "speakers with clips in more than one of validation, identification and evaluation: 3" in note
        for note in own.split()[0].notes
    )
    esd(tmp_path, parts=False)
    flat = corpus("esd", root=tmp_path)
    assert flat.column("transcript") == corpus("esd", root=root).column("transcript")
    with pytest.raises(CorpusError, match="no folders train, evaluation and test"):
        corpus("esd", root=tmp_path, partition=True)


def test_ravdess_speech_song_or_both(roots: dict[str, Path], tmp_path: Path) -> None:
    assert corpus("ravdess", root=roots["ravdess"], channel="song").column("emotion") == ["sad"] * 3
    assert len(corpus("ravdess", root=roots["ravdess"], channel="both")) == 15
    ravdess(tmp_path)
    for path in tmp_path.rglob("03-02-*.wav"):
        path.unlink()
    with pytest.raises(CorpusError, match="holds no song; take the archive Audio_Song"):
        corpus("ravdess", root=tmp_path, channel="song")


def test_crema_d_without_its_demographics(tmp_path: Path) -> None:
    tone(tmp_path / "1001_DFA_ANG_XX.wav")
    clips = corpus("crema-d", root=tmp_path)
    assert clips[0].sex == ""
    assert any("VideoDemographics.csv" in note for note in clips.notes)


def test_files_that_are_named_otherwise_are_counted_and_left_out(tmp_path: Path) -> None:
    for name in ("03-01-01-01-02-01-01.wav", "voice memo.wav", "._03-01-01-01-02-01-01.wav"):
        tone(tmp_path / name)
    clips = corpus("ravdess", root=tmp_path)
    assert len(clips) == 1
    assert any(
        "are not named like the corpus's own, left out: 1, such as voice memo.wav" in note
        for note in clips.notes
    )
    (tmp_path / "03-01-01-01-02-01-01.wav").unlink()
    with pytest.raises(
        CorpusError, match=r"but 1 others, such as voice memo.wav; expected names such as Actor_01"
    ):
        corpus("ravdess", root=tmp_path)


def test_labels_that_mean_nothing_are_listed_not_guessed(tmp_path: Path) -> None:
    for name in ("Anger_F_A_tarde", "Joy_F_A_tarde", "Joy_M_A_tarde"):
        tone(tmp_path / f"{name}.wav")
    clips = corpus("mesd", root=tmp_path)
    assert clips.column("emotion") == ["angry"]
    assert "left out, labels without an emotion: 2 joy" in clips.notes
    (tmp_path / "Anger_F_A_tarde.wav").unlink()
    with pytest.raises(
        CorpusError, match="no clip has a label that is known; found 2 joy, expected anger, disgust"
    ):
        corpus("mesd", root=tmp_path)


def test_an_unknown_option_is_refused_with_those_there_are(roots: dict[str, Path]) -> None:
    with pytest.raises(CorpusError, match="unknown option 'chanel'; it takes channel"):
        corpus("ravdess", root=roots["ravdess"], chanel="song")
    with pytest.raises(CorpusError, match="unknown option 'channel'; it takes none"):
        corpus("tess", root=roots["tess"], channel="song")
