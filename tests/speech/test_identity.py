"""Clips are known by their sound: what is exchanged under a name is noticed, what is moved or copied is the same."""

import hashlib
import io
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from esn_interp.speech import identity
from esn_interp.speech.clips import Clips
from esn_interp.speech.identity import UNREADABLE, sound_of, trusting_mtime

LONG_AGO = 1_600_000_000 * 10**9


@pytest.fixture(autouse=True)
def no_memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing is known from before, and the cache is nobody's."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr(identity, "_known", {})
    return cache / "esn_interp" / "sounds.sqlite"


def tone(path: Path, hertz: float = 220.0) -> Path:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(8000) / 16000)
    soundfile.write(path, wave, 16000)
    return path


def corpus(folder: Path, *names: str) -> Clips:
    paths = [tone(folder / f"{name}.wav", 200 + 50 * number) for number, name in enumerate(names)]
    emotions = ["sad", "happy", "angry"][: len(names)]
    return Clips.from_frame(pd.DataFrame({"audio": list(map(str, paths)), "emotion": emotions}), name="mine")


def dated(path: Path, when: int = LONG_AGO) -> None:
    os.utime(path, ns=(when, when))


def test_a_sound_is_the_digest_of_the_bytes_of_its_file(tmp_path: Path) -> None:
    path = tone(tmp_path / "a.wav")
    data = path.read_bytes()
    expected = hashlib.sha256(data).hexdigest()[:16]
    assert sound_of(path) == sound_of(data) == sound_of({"bytes": data, "path": "b.wav"}) == expected
    assert sound_of(shutil.copy(path, tmp_path / "c.wav")) == expected


def test_a_sound_that_is_exchanged_under_its_name_is_another_corpus(tmp_path: Path) -> None:
    clips = corpus(tmp_path, "a", "b", "c")
    before, labels, sounds = clips.fingerprint, clips.labels_fingerprint, clips.sounds
    tone(tmp_path / "b.wav", 999.0)
    assert clips.fingerprint != before  # the same object: files are looked at every time
    assert clips.labels_fingerprint == labels
    assert [one == other for one, other in zip(clips.sounds, sounds, strict=True)] == [True, False, True]
    tone(tmp_path / "b.wav", 250.0)
    assert clips.fingerprint == before


def test_labels_and_their_order_count_too(tmp_path: Path) -> None:
    clips = corpus(tmp_path, "a", "b", "c")
    other = clips.to_frame().assign(emotion=["sad", "happy", "sad"], audio=[c.audio["path"] for c in clips])
    assert Clips.from_frame(other, name="mine").fingerprint != clips.fingerprint
    assert clips.take([1, 0, 2]).fingerprint != clips.fingerprint
    assert clips.take([0, 1]).fingerprint == clips[:2].fingerprint != clips.fingerprint


def test_a_change_that_hides_behind_size_and_time_is_seen_unless_time_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_JUST_NOW", -1.0)
    path = tone(tmp_path / "a.wav", 200.0)
    dated(path)
    before = sound_of(path)
    size = path.stat().st_size
    tone(path, 800.0)
    dated(path)
    assert path.stat().st_size == size
    with trusting_mtime():
        assert sound_of(path) == before
    assert sound_of(path) == sound_of(path.read_bytes()) != before


def test_what_was_hashed_is_not_read_again_by_the_next_process(
    tmp_path: Path, no_memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "_JUST_NOW", -1.0)
    path = tone(tmp_path / "a.wav")
    before = sound_of(path)
    with sqlite3.connect(no_memory) as cache:
        assert cache.execute("select sound from sounds").fetchall() == [(before,)]
    monkeypatch.setattr(identity, "_known", {})
    monkeypatch.setattr(identity, "_of_file", lambda path: pytest.fail(f"{path} was read"))
    assert sound_of(path) == before


def test_what_was_just_written_is_not_remembered(tmp_path: Path, no_memory: Path) -> None:
    sound_of(tone(tmp_path / "a.wav"))
    with sqlite3.connect(no_memory) as cache:
        assert cache.execute("select count(*) from sounds").fetchone() == (0,)
    assert identity._known == {}


@pytest.mark.parametrize("damage", ["no folder", "not a database", "another table"])
def test_a_cache_that_cannot_be_used_costs_nothing_but_time(
    tmp_path: Path, no_memory: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_memory.parent.mkdir()
    if damage == "no folder":
        no_memory.parent.rmdir()
        no_memory.parent.write_bytes(b"")
    elif damage == "not a database":
        no_memory.write_bytes(b"x" * 5000)
    else:
        with sqlite3.connect(no_memory) as cache:
            cache.execute("create table sounds (wrong text)")
    path = tone(tmp_path / "a.wav")
    monkeypatch.setattr(identity, "_JUST_NOW", -1.0)
    assert sound_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@given(last_bits=st.floats(-0.4 / 2**15, 0.4 / 2**15), channels=st.sampled_from([1, 2]))
def test_arrays_are_known_by_sixteen_bits_whatever_their_last_bits(last_bits: float, channels: int) -> None:
    whole = np.random.default_rng(5).integers(-20_000, 20_000, (1600, channels))
    exact = (whole / 2**15).astype(np.float32)
    told = [_held(exact), _held(exact + np.float32(last_bits)), _held(exact + np.float32(2 / 2**15))]
    assert told[0] == told[1]
    assert told[0] != told[2]
    assert told[0] != _held(exact, rate=8000)


def _held(samples: np.ndarray, rate: int = 16_000) -> str:
    rows = {"audio": [{"array": samples.T.tolist() if samples.shape[1] > 1 else samples[:, 0].tolist(),
                       "sampling_rate": rate}], "emotion": ["sad"]}  # fmt: skip
    (sound,) = Clips.from_frame(pd.DataFrame(rows), name="held").sounds
    return sound


def test_what_is_held_in_memory_is_hashed_once_for_all_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    def wav(hertz: float) -> bytes:
        file = io.BytesIO()
        soundfile.write(file, np.sin(np.arange(3200) * hertz / 2546), 16000, format="WAV")
        return file.getvalue()

    data = [wav(hertz) for hertz in (200, 300, 400)]
    rows: dict[str, Any] = {"audio": [{"bytes": one, "path": None} for one in data], "emotion": ["sad"] * 3}
    clips = Clips.from_dataset(Dataset.from_dict(rows), name="held")
    expected = tuple(hashlib.sha256(one).hexdigest()[:16] for one in data)
    assert clips.sounds == expected
    monkeypatch.setattr(identity, "_of_bytes", lambda *args, **named: pytest.fail("hashed again"))
    assert clips.take([2, 0]).sounds == (expected[2], expected[0])


def test_what_cannot_be_read_is_told_so_and_waits_for_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "folder.wav").mkdir()
    for path in ("gone.wav", "pipe.wav", "folder.wav"):
        assert sound_of(tmp_path / path) == UNREADABLE
    assert sound_of({"bytes": None, "path": "nul\0.wav"}) == UNREADABLE
