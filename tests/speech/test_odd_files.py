"""One odd file among good ones spoils itself only, and is never passed over without a word."""

import io
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from miniature_corpora.parts import tone, write

from esn_interp.errors import AudioError, CorpusError
from esn_interp.speech.audio import conversion, read_audio
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus

WAVE = (0.5 * np.sin(np.arange(16_000) / 9)).astype(np.float32)


def encoded(wave: np.ndarray = WAVE, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, 16_000, **options)
    return file.getvalue()


def streamed_flac(wave: np.ndarray = WAVE) -> bytes:
    """A FLAC that does not know how long it is, as it is written to a pipe: no count of samples, no checksum."""
    data = bytearray(encoded(wave, format="FLAC"))
    data[21] &= 0xF0
    data[22:26], data[26:42] = bytes(4), bytes(16)
    return bytes(data)


def test_a_flac_of_unknown_length_is_read_to_its_end() -> None:
    np.testing.assert_array_equal(read_audio(streamed_flac()), read_audio(encoded(format="FLAC")))


@pytest.mark.parametrize("longest", [0.5, 0.99])
def test_a_flac_of_unknown_length_may_still_be_too_long(longest: float) -> None:
    with pytest.raises(AudioError, match=f"x: lasts longer than the {longest:g} s allowed"):
        read_audio(streamed_flac(), name="x", longest=longest)


def test_a_wav_that_was_cut_off_is_no_shorter_clip() -> None:
    whole = encoded(format="WAV")
    with pytest.raises(AudioError, match=r"x: cut off, 15,956 of 32,000 bytes of samples are there"):
        read_audio(whole[:16_000], name="x")


@pytest.mark.parametrize("size", [0xFFFF_FFFF, 0x7FFF_FFFF])
def test_a_wav_that_was_written_to_a_stream_is_read(size: int) -> None:
    data = bytearray(encoded(format="WAV"))
    at = data.index(b"data") + 4
    data[at : at + 4] = size.to_bytes(4, "little")
    assert len(read_audio(bytes(data))) == 16_000


def test_amplitudes_that_no_sound_has_are_refused() -> None:
    with pytest.raises(AudioError, match=r"x: holds samples up to 5\.0e\+29"):
        read_audio(encoded(WAVE * np.float32(1e30), format="WAV", subtype="FLOAT"), name="x")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="no regular file"):
        read_audio(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["x" * 300 + ".wav", "a\0b.wav"])
def test_names_that_no_file_can_have(name: str) -> None:
    with pytest.raises(AudioError, match=r"cannot be read|no such file"):
        read_audio(Path(name), name="x")


def test_recordings_of_every_kind_are_taken_or_said(tmp_path: Path) -> None:
    for name, options in {"a.wav": {}, "b.au": {"format": "AU"}, "c.caf": {"format": "CAF"}}.items():
        write_sound(tmp_path / "angry" / name, **options)
    (tmp_path / "sad").mkdir()
    (tmp_path / "sad/d.m4a").write_bytes(b"\0\0\0\x20ftypM4A " + bytes(60))
    (tmp_path / "sad/e.webm").write_bytes(b"\x1aE\xdf\xa3" + bytes(60))
    write_sound(tmp_path / "stray.wav")
    clips = corpus(tmp_path)
    assert clips.column("id") == ["a", "b", "c", "d", "e"]
    assert clips.notes == ("recordings outside the folders of emotions, left out: 1, such as stray.wav",)
    for clip in clips.where(emotion="angry"):
        np.testing.assert_allclose(clip.waveform(), WAVE, atol=1e-4)
    for clip in clips.where(emotion="sad"):
        with pytest.raises(AudioError, match=clip.id):
            clip.waveform()


def write_sound(path: Path, **options: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(encoded(**{"format": "WAV", **options}))


def latin_1(folder: Path, name: bytes) -> None:
    """A file of an old archive, whose name is no UTF-8."""
    tone(folder / "for a moment.wav")
    (folder / "for a moment.wav").rename(os.fsdecode(os.fsencode(folder) + b"/" + name))


def test_names_that_are_not_utf8_are_left_out_and_listed(tmp_path: Path) -> None:
    tone(tmp_path / "sad/a.wav")
    latin_1(tmp_path / "sad", b"\xe4rger.wav")
    clips = corpus(tmp_path)
    assert clips.column("id") == ["a"]
    assert clips.notes == (
        r"files whose names are not UTF-8, left out: 1, such as \udce4rger.wav; rename them to have them read",
    )


def test_so_are_those_of_a_release(tmp_path: Path) -> None:
    tone(tmp_path / "DC/a01.wav")
    latin_1(tmp_path / "DC", b"\xe402.wav")
    clips = corpus("savee", root=tmp_path)
    assert len(clips) == 1
    assert any("not UTF-8, left out: 1" in note for note in clips.notes)


def test_a_folder_whose_own_name_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xe4")
    Path(folder).mkdir()
    for source, root in ((folder, None), ("savee", folder)):
        with pytest.raises(CorpusError, match="its name is not UTF-8; rename it"):
            corpus(source, root=root)


def test_a_table_may_name_files_that_no_disk_can_hold(tmp_path: Path) -> None:
    tone(tmp_path / "a.wav")
    table = write(tmp_path / "t.csv", f"audio,emotion\na.wav,sad\n{'x' * 300}.wav,sad\n")
    clips = corpus(table)
    assert len(clips[0].waveform()) > 0
    with pytest.raises(AudioError, match="File name too long"):
        clips[1].waveform()


@pytest.mark.usefixtures("unchecked")
def test_a_source_that_is_no_sound_is_refused_by_its_kind() -> None:
    with pytest.raises(AudioError, match="three: expected a path, bytes, an array or a mapping, got float"):
        read_audio(3.0, name="three")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", ["clip\0.wav", "clip\ud800.wav"])
def test_a_name_that_no_file_can_have_is_that_of_none(name: str) -> None:
    with pytest.raises(AudioError, match="no such file"):
        read_audio(name)


def test_what_is_done_to_a_recording_is_not_known_where_it_can_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("a letter", encoding="utf-8")
    assert conversion(tmp_path / "text.wav") is None
    assert conversion(tmp_path / "gone.wav") is None
    soundfile.write(tmp_path / "stereo.wav", np.zeros((80, 2)), 8_000)
    assert conversion(tmp_path / "stereo.wav") == (
        f"{tmp_path / 'stereo.wav'}: stereo at 8000 Hz, heard as mono at 16000 Hz"
    )


@pytest.mark.parametrize(
    ("audio", "said"),
    [
        ({"array": [[[0.5]]], "sampling_rate": 16_000}, "row 1: no audio; its array can't be sound"),
        ({"array": ["loud"], "sampling_rate": 16_000}, "row 1: no audio; its array can't be sound"),
        ({"array": None, "sampling_rate": 16_000}, "row 1: no audio; expected a path, bytes"),
        ({"bytes": None, "path": ""}, "row 1: no audio; expected a path, bytes"),
        (" ", "row 1: no audio; expected a path, bytes"),
    ],
)
def test_what_can_not_be_sound_is_told_with_its_row(audio: object, said: str) -> None:
    with pytest.raises(CorpusError, match=said):
        Clips.from_frame(pd.DataFrame({"audio": [audio], "emotion": ["sad"]}), name="x")
