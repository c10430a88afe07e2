"""What may be done to every clip: nothing unless asked for; then the same to all, and told in the results."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from esn_interp.errors import CorpusError
from esn_interp.speech.audio import SAMPLE_RATE, read_audio
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.speech.hygiene import decibels
from esn_interp.speech.preparation import MARGIN, Preparation, loudness


def sine(seconds: float, *, peak: float = 0.5, hertz: float = 997.0) -> np.ndarray:
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (peak * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def test_nothing_is_done_unless_asked_for() -> None:
    wave = sine(1.0)
    assert Preparation().apply(wave) is wave
    assert not Preparation()
    assert str(Preparation()) == "as recorded: level and silence are left alone"
    clips = corpus("toy-studio")[:3]
    assert clips.prepared().fingerprint == clips.fingerprint
    np.testing.assert_array_equal(clips.prepared()[0].waveform(), clips[0].waveform())


def test_loudness_is_that_of_the_standard() -> None:
    # ITU-R BS.1770: a sine of 997 Hz at full scale in one channel reads -3.01 LUFS.
    assert loudness(sine(3.0, peak=1.0)) == pytest.approx(-3.01, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(target=st.floats(-40, -15), peak=st.floats(0.01, 0.9), seconds=st.floats(0.2, 3.0))
def test_every_clip_comes_to_the_same_loudness(target: float, peak: float, seconds: float) -> None:
    heard = Preparation(loudness=target).apply(sine(seconds, peak=peak))
    assert heard.dtype == np.float32
    assert loudness(heard) == pytest.approx(target, abs=0.2)


def test_no_peak_is_clipped_for_loudness() -> None:
    wave = sine(2.0, peak=0.05)
    wave[8_000] = 0.9
    heard = Preparation(loudness=-3.0).apply(wave)
    assert np.abs(heard).max() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_allclose(heard / wave.max(), wave / wave.max() / 0.9, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(before=st.integers(0, 20_000), after=st.integers(0, 20_000))
def test_silence_at_both_ends_is_cut_but_for_a_margin(before: int, after: int) -> None:
    speech = sine(1.0)
    wave = np.concatenate([np.zeros(before), speech, np.zeros(after)]).astype(np.float32)
    kept = Preparation(trim=40.0).apply(wave)
    assert len(speech) <= len(kept) <= len(speech) + 2 * (MARGIN + 400)
    # What is kept is the very same sound, in one piece.
    place = int(np.argmax(np.abs(wave) > 0.1)) - int(np.argmax(np.abs(kept) > 0.1))
    np.testing.assert_array_equal(kept, wave[place : place + len(kept)])


def test_a_pause_inside_is_left_alone() -> None:
    wave = np.concatenate([sine(0.5), np.zeros(16_000, np.float32), sine(0.5)])
    np.testing.assert_array_equal(Preparation(trim=40.0).apply(wave), wave)


def test_what_was_done_is_recorded_in_clips_and_their_fingerprint() -> None:
    clips = corpus("toy-phone")[:4]
    quiet, short = clips.prepared(loudness=-30.0), clips.prepared(trim=30.0)
    assert len({clips.fingerprint, quiet.fingerprint, short.fingerprint}) == 3
    assert quiet[:2].preparation == quiet.where(emotion=quiet.emotions[0]).preparation == Preparation(-30.0)
    assert loudness(quiet[1].waveform()) == pytest.approx(-30.0, abs=0.2)
    assert len(short[0].waveform()) < len(clips[0].waveform())
    assert str(Preparation(-30.0, 25.0)) == (
        "silence more than 25 dB below the loudest part cut off; loudness brought to -30 LUFS"
    )


@pytest.mark.parametrize("wrong", [{"loudness": 3.0}, {"loudness": -80.0}, {"trim": 0.0}, {"trim": -40.0}])
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(CorpusError, match=f"{next(iter(wrong))} .*give"):
        corpus("toy-phone").prepared(**wrong)


def test_resampling_is_done_once_and_well() -> None:
    # A tone above half the new rate must vanish, one below must keep its level.
    high, low = sine_at(24_000, 10_000), sine_at(24_000, 6_000)
    assert decibels(read_audio({"array": high + 1e-3 * low, "sampling_rate": 24_000})) < -60
    assert decibels(read_audio({"array": low, "sampling_rate": 24_000})) == pytest.approx(
        decibels(low), abs=0.05
    )
    expected = soxr.resample(low, 24_000, SAMPLE_RATE, quality="VHQ")
    np.testing.assert_array_equal(read_audio({"array": low, "sampling_rate": 24_000}), expected)


def sine_at(rate: int, hertz: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(rate) / rate)).astype(np.float32)


def test_clips_without_preparation_compare_and_print_as_before() -> None:
    clips = corpus("toy-studio")
    assert isinstance(clips, Clips)
    assert repr(clips).startswith("Clips('toy-studio': 800 clips, 20 speakers; 160 neutral")


def test_what_is_too_short_or_too_quiet_to_be_changed_is_left_as_it_is() -> None:
    short = sine(0.005)
    np.testing.assert_array_equal(Preparation(trim=30).apply(short), short)
    quiet = sine(1.0, peak=1e-6)  # below what the standard counts as sound at all
    np.testing.assert_array_equal(Preparation(loudness=-23).apply(quiet), quiet)
