"""Reading audio: every form a clip may come in, and one clear line for everything that is not one."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from esn_interp.errors import AudioError
from esn_interp.speech.audio import SAMPLE_RATE, read_audio
from esn_interp.speech.video import sound_of_video


def tone(seconds: float = 0.5, rate: int = SAMPLE_RATE, hertz: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(wave: np.ndarray, rate: int = SAMPLE_RATE, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, wave, rate, **{"format": "WAV", "subtype": "FLOAT", **options})
    return file.getvalue()


def loudest_frequency(wave: np.ndarray) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(wave))) * SAMPLE_RATE / len(wave))


def test_a_file_its_bytes_and_a_mapping_of_either_are_the_same_clip(tmp_path: Path) -> None:
    wave = tone()
    path = tmp_path / "tone.wav"
    path.write_bytes(encoded(wave))
    for source in (
        path,
        str(path),
        path.read_bytes(),
        {"bytes": path.read_bytes(), "path": None},
        {"bytes": None, "path": str(path)},
        {"array": wave, "sampling_rate": SAMPLE_RATE},
        wave,
    ):
        np.testing.assert_array_equal(read_audio(source), wave)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled_to_16_khz(rate: int) -> None:
    wave = read_audio(encoded(tone(1.0, rate), rate))
    assert len(wave) == SAMPLE_RATE
    assert abs(loudest_frequency(wave) - 440.0) <= 1.0
    assert np.abs(wave).max() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("WAV", "PCM_16")],
)
def test_compressed_files_are_decoded(container: str, subtype: str) -> None:
    wave = read_audio(encoded(tone(1.0), format=container, subtype=subtype))
    assert len(wave) == pytest.approx(SAMPLE_RATE, abs=2400)  # mp3 pads to whole frames
    assert abs(loudest_frequency(wave) - 440.0) <= 2.0


@settings(max_examples=30, deadline=None)
@given(
    samples=st.integers(1_600, 4_000),
    channels=st.integers(1, 3),
    first=st.booleans(),
    kind=st.sampled_from([np.int16, np.int32, np.float32, np.float64]),
    seed=st.integers(0, 100),
)
def test_arrays_of_any_layout_become_mono_floats(
    samples: int, channels: int, first: bool, kind: type, seed: int
) -> None:
    wave = np.random.default_rng(seed).uniform(-0.9, 0.9, size=(samples, channels))
    whole = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1.0
    given_wave = (wave * whole).astype(kind)
    heard = read_audio(given_wave.T if first else given_wave)
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, wave.mean(axis=1), atol=1e-4)


def test_what_is_no_clip_is_refused_by_name(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.wav", tmp_path / "text.wav"
    empty.touch()
    text.write_text("this is a letter, not a recording\n" * 50)
    broken = tone()
    broken[100] = np.nan
    cases = {
        tmp_path / "nowhere.wav": "no such file",
        tmp_path: "folder",
        empty: "empty file",
        text: "not audio",
    }
    for path, reason in cases.items():
        with pytest.raises(AudioError, match=reason) as refused:
            read_audio(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
    for number, (source, reason) in enumerate(
        [
            (encoded(np.zeros(8000, dtype=np.float32)), "silent"),
            (encoded(broken), "not finite"),
            (encoded(tone(0.05)), "shorter than the 0.1 s"),
            (encoded(np.zeros(0, dtype=np.float32)), "no samples"),
            (np.zeros(0, dtype=np.float32), "no samples"),
            (np.zeros((2, 3, 4), dtype=np.float32), "shape"),
            (np.array(["a"] * 5000), "floats or signed integers"),
            ({"sampling_rate": 8000}, "'bytes', 'path' or 'array'"),
            ({"array": tone(), "sampling_rate": -1}, "not positive"),
            (b"", "empty file"),
        ]
    ):
        with pytest.raises(AudioError, match=reason) as refused:
            read_audio(source, name=f"clip {number}")
        assert str(refused.value).startswith(f"clip {number}: ")


def test_what_is_too_long_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    path.write_bytes(encoded(tone(3.0)))
    with pytest.raises(AudioError, match=r"long.wav: lasts 3.0 s, longer than the 2 s allowed"):
        read_audio(path, longest=2)
    assert len(read_audio(path, longest=3)) == 3 * SAMPLE_RATE
    with pytest.raises(AudioError, match="longer than the 60 s allowed"):
        read_audio(np.ones(61 * SAMPLE_RATE, dtype=np.float32))


def video(path: Path, *, seconds: float = 1.0, rate: int = 48_000) -> Path:
    """An .mp4 as cameras make them: a stereo AAC track, here without pictures."""
    import av

    wave = tone(seconds, rate)
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
        frame.sample_rate = rate
        for packet in (*track.encode(frame), *track.encode(None)):
            container.mux(packet)
    return path


def test_the_sound_of_a_video_is_heard(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the sound of videos needs the extra video")
    path = video(tmp_path / "clip.mp4")
    wave = read_audio(path)
    assert len(wave) == pytest.approx(SAMPLE_RATE, abs=1_500)  # a codec pads to whole frames
    assert abs(loudest_frequency(wave) - 440.0) <= 2.0
    np.testing.assert_array_equal(read_audio(path.read_bytes()), wave)
    with pytest.raises(AudioError, match=r"longer than the 0.5 s allowed"):
        read_audio(path, longest=0.5)


def test_of_a_long_video_no_more_is_decoded_than_shows_that_it_is(tmp_path: Path) -> None:
    pytest.importorskip("av", reason="the sound of videos needs the extra video")
    data = video(tmp_path / "clip.mp4", seconds=4.0).read_bytes()
    wave, rate = sound_of_video(data, "clip", longest=0.5)
    assert 1.5 * rate < len(wave) < 1.6 * rate


def test_a_video_that_is_cut_short_or_has_no_sound_is_refused_by_name(tmp_path: Path) -> None:
    av = pytest.importorskip("av", reason="the sound of videos needs the extra video")
    whole = video(tmp_path / "clip.mp4").read_bytes()
    torn = tmp_path / "torn.mp4"
    torn.write_bytes(whole[:200])
    with pytest.raises(AudioError, match=r"torn.mp4: its sound cannot be decoded"):
        read_audio(torn)
    with av.open(str(tmp_path / "mute.mp4"), "w") as container:
        track = container.add_stream("mpeg4", rate=10)
        track.width = track.height = 64
        for _ in range(5):
            picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            for packet in track.encode(picture):
                container.mux(packet)
        for packet in track.encode(None):
            container.mux(packet)
    with pytest.raises(AudioError, match=r"mute.mp4: holds no sound track"):
        read_audio(tmp_path / "mute.mp4")


def test_without_pyav_a_video_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r"pip install 'esn-interp\[video\]'"):
        read_audio(b"\x00\x00\x00\x20ftypisom" + bytes(100), name="clip")
