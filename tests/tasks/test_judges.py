"""Judges without a network: prosody of voices whose pitch and tempo are known, errors of words, boosted trees."""

import sys
import warnings
from dataclasses import replace
from types import SimpleNamespace

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judges.prosody import Recipe, as_trees, grow
from judges.spectrum import as_perceptron
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from esn_interp.errors import AudioError, ModelError
from esn_interp.speech.corpora import corpus
from esn_interp.tasks import judges
from esn_interp.tasks.judges import (
    FILTER,
    SCORER,
    EmotionJudge,
    errors,
    prosody,
)
from esn_interp.tasks.judges.bundled_judges import load_bundled_judge
from esn_interp.tasks.judges.cepstra import BANDS, log_mel, spectral_statistics
from esn_interp.tasks.judges.contours import contours
from esn_interp.tasks.judges.functionals import functionals
from esn_interp.tasks.judges.word_errors import plain_words

WORDS = st.lists(st.sampled_from(["the", "train", "leaves", "now", "don't"]), max_size=6).map(" ".join)


def voice(f0, seconds, *, rate=16_000, level=0.1):
    """Twenty harmonics of a pitch, which may be a contour over the clip."""
    time = np.arange(round(seconds * rate)) / rate
    pitch = np.broadcast_to(f0, len(time)) if np.ndim(f0) == 0 else np.interp(time, *f0)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wave = sum(np.cos(number * phase) / number for number in range(1, 21) if number * pitch.max() < rate / 2)
    return level * wave / np.sqrt(np.mean(wave**2))


def syllables(count, *, f0=150.0, rate=16_000):
    """Voiced bursts of 160 ms, 40 ms of quiet voice between them."""
    wave = voice(f0, 0.2 * count, rate=rate)
    place = (np.arange(len(wave)) / rate) % 0.2
    return wave * np.where(place < 0.16, np.sin(np.pi * np.minimum(place, 0.16) / 0.16), 0.0).clip(min=0.05)


@pytest.mark.parametrize("f0", [90.0, 200.0, 400.0])
def test_pitch_and_level_of_a_steady_voice(f0):
    heard = prosody(voice(f0, 1.0), 16_000)
    assert abs(12 * np.log2(heard.f0_mean / f0)) < 0.26  # the grid is a quarter of a semitone
    assert heard.f0_range < 0.3
    assert heard.voiced > 0.9
    assert heard.energy == pytest.approx(-20, abs=0.3)
    assert heard.duration == pytest.approx(1.0, abs=0.08)


def test_an_octave_of_glide_is_ten_semitones_between_the_percentiles():
    seconds = np.linspace(0, 2, 200)
    heard = prosody(voice((seconds, 150 * 2 ** (seconds / 2)), 2.0), 16_000)
    assert heard.f0_range == pytest.approx(0.9 * 12, abs=0.5)
    assert heard.f0_mean == pytest.approx(150 * np.sqrt(2), rel=0.02)


def test_syllables_are_counted():
    heard = prosody(syllables(8), 16_000)
    assert heard.rate * heard.duration == pytest.approx(8, abs=0.01)


def test_the_rate_of_the_waveform_changes_nothing():
    low, high = prosody(syllables(6), 16_000), prosody(syllables(6, rate=24_000), 24_000)
    assert high.f0_mean == pytest.approx(low.f0_mean, rel=0.005)
    assert high.energy == pytest.approx(low.energy, abs=0.1)
    assert (high.rate, high.duration) == pytest.approx((low.rate, low.duration), rel=0.02)


def test_half_the_amplitude_is_six_decibels_less_and_nothing_else():
    wave = syllables(6)
    loud, soft = prosody(wave, 16_000), prosody(wave / 2, 16_000)
    assert soft.energy == pytest.approx(loud.energy - 6.02, abs=0.01)
    assert replace(soft, energy=loud.energy) == loud


def test_silence_at_the_ends_is_no_speech():
    wave = syllables(6)
    padded = np.concatenate([np.zeros(8000), wave, np.zeros(4000)])
    assert prosody(padded, 16_000).duration == pytest.approx(prosody(wave, 16_000).duration, abs=0.09)


@pytest.mark.parametrize("wave", [np.zeros(1), np.zeros(40_000, dtype=np.float32)])
def test_silence_has_no_voice(wave):
    heard = prosody(wave, 24_000)
    assert np.isnan([heard.f0_mean, heard.f0_range]).all()
    assert (heard.rate, heard.duration, heard.voiced) == (0, 0, 0)


def test_a_hoarse_voice_is_heard_where_half_of_its_power_is_breath():
    breath = np.random.default_rng(0).normal(size=16_000)
    tone = voice(140.0, 1.0)
    hoarse = (tone / tone.std() + breath) * 0.1
    heard = prosody(hoarse.astype(np.float32), 16_000)
    assert heard.voiced > 0.5
    assert heard.f0_mean == pytest.approx(140, rel=0.03)


def test_noise_has_a_level_and_no_voice():
    heard = prosody(0.1 * np.random.default_rng(0).normal(size=16_000), 16_000)
    assert heard.voiced < 0.1
    assert heard.energy == pytest.approx(-20, abs=0.5)


def test_what_nobody_could_hear_is_refused():
    for wave, rate, said in [
        (np.zeros(0), 16_000, "without samples"),
        (np.array([0.1, np.nan]), 16_000, "not finite"),
        (np.zeros(10), 0, "must be positive"),
    ]:
        with pytest.raises(AudioError, match=said):
            prosody(wave, rate)
        with pytest.raises(AudioError, match=said):
            judges.emotion("toy-prosody").probabilities([wave], rate)


@given(reference=WORDS.filter(bool), heard=WORDS)
def test_errors_are_jiwers_whatever_the_case_and_punctuation(reference, heard):
    found = errors(reference.capitalize() + ".", f" {heard.upper()}!")
    assert found.wer == pytest.approx(jiwer.wer(reference, heard))
    assert found.cer == pytest.approx(jiwer.cer(reference, heard))


def test_errors_may_exceed_one_and_need_a_reference():
    assert errors("no", "oh no not again").wer == 3
    assert np.isnan([errors("...", "hello").wer, errors("", "").cer]).all()
    assert errors("Twenty-one", "21", normalise=lambda text: text.replace("Twenty-one", "21")).wer == 0
    assert plain_words("Don’t  PANIC, 42!") == "don't panic 42"


def test_trees_as_arrays_say_what_scikit_learn_says():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(900, 4))
    rows[rng.random(rows.shape) < 0.1] = np.nan
    labels = (np.nan_to_num(rows[:, 0]) > 0).astype(int) + 2 * (np.nan_to_num(rows[:, 1]) > 0.5)
    model = grow(rows, labels, Recipe(rounds=15), seed=0)
    other = rng.normal(size=(200, 4))
    other[rng.random(other.shape) < 0.2] = np.nan
    np.testing.assert_allclose(as_trees(model).probabilities(other), model.predict_proba(other), atol=1e-12)


def test_functionals_are_relative_but_for_level_and_pitch():
    wave = syllables(8) + 0.001 * np.random.default_rng(0).normal(size=25_600)
    plain, loud = (functionals(contours(gain * wave, 16_000)) for gain in (1.0, 2.0))
    moved = {name for name in plain if abs(loud[name] - plain[name]) > 0.01}
    assert moved == {"level_high"}
    assert loud["level_high"] - plain["level_high"] == pytest.approx(6.02, abs=0.01)
    assert plain["pitch_median"] == pytest.approx(12 * np.log2(1.5), abs=0.1)
    assert plain["syllables"] * plain["seconds"] == pytest.approx(8, abs=0.01)


@pytest.fixture(scope="module")
def validation():
    clips, _, _ = corpus("toy-phone").split()
    heard = [clips[row] for row in range(0, len(clips), 2)]
    return [clip.emotion for clip in heard], [clip.waveform() for clip in heard]


@pytest.mark.parametrize("name", [SCORER, FILTER])
def test_a_bundled_judge_hears_voices_that_it_has_not_heard(name, validation):
    emotions, waves = validation
    judge = judges.emotion(name)
    assert isinstance(judge, EmotionJudge)
    assert judge.name == name
    probabilities = judge.probabilities(waves, 16_000)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    heard = np.array(judge.emotions)[probabilities.argmax(axis=1)]
    recalls = [np.mean(heard[np.array(emotions) == emotion] == emotion) for emotion in judge.emotions]
    assert min(recalls) > 0.5
    assert np.mean(recalls) > 0.75
    np.testing.assert_allclose(judge.probabilities(waves[3:5], 16_000), probabilities[3:5], atol=1e-12)


@pytest.mark.parametrize("name", [SCORER, FILTER])
def test_a_bundled_judge_hears_anything_and_nothing(name):
    judge = judges.emotion(name)
    odd = [np.zeros(1), np.zeros(24_000), np.ones(5), 0.1 * np.random.default_rng(0).normal(size=3000)]
    probabilities = judge.probabilities(odd, 24_000)
    assert np.isfinite(probabilities).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert judge.probabilities([], 24_000).shape == (0, 5)


def test_a_tremor_shows_in_its_band_of_modulation():
    seconds = np.arange(32_000) / 16_000
    pulses = np.sin(2 * np.pi * 150 * seconds) ** 15

    def band(rate: float) -> int:
        wave = pulses * (1 + 0.5 * np.sin(2 * np.pi * rate * seconds))
        numbers = spectral_statistics(log_mel(wave, 16_000))
        # Cepstrum 0 is the level; wider bands hold the mean power of more frequencies.
        powers = [numbers[f"modulation_{low:g}_0"] for low in BANDS[:-1]]
        return int(np.argmax(powers))

    assert [band(rate) for rate in (1.2, 3.0, 5.5, 9.0, 17.0)] == [0, 1, 2, 3, 4]


def test_level_moves_the_level_only():
    wave = 0.1 * np.random.default_rng(0).normal(size=16_000)
    one, ten = (np.array(list(spectral_statistics(log_mel(gain * wave, 16_000)).values())) for gain in (1, 10))
    names = list(spectral_statistics(log_mel(wave, 16_000)))
    moved = {name for name, a, b in zip(names, one, ten, strict=True) if abs(a - b) > 1e-3}
    assert moved == {"power_10", "power_25", "power_50", "power_95", "mean_0"}
    assert ten[names.index("power_50")] - one[names.index("power_50")] == pytest.approx(np.log(100), abs=1e-6)


def test_the_perceptron_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    rows, labels = rng.normal(2, 3, size=(60, 4)), np.arange(60) % 5
    scaler = StandardScaler().fit(rows)
    network = MLPClassifier((7,), max_iter=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        network.fit(scaler.transform(rows), labels)
    own = as_perceptron(scaler, network)
    np.testing.assert_allclose(own.probabilities(rows), network.predict_proba(scaler.transform(rows)), atol=1e-12)


def test_a_judge_of_other_functionals_is_refused(monkeypatch):
    monkeypatch.setattr(
        "esn_interp.tasks.judges.bundled_judges.functionals",
        lambda clip: {"one_more": 0.0, **functionals(clip)},
    )
    with pytest.raises(ModelError, match="other functionals; train it anew"):
        load_bundled_judge("toy-prosody")


def test_a_judge_of_other_statistics_is_refused(monkeypatch):
    monkeypatch.setattr(
        "esn_interp.tasks.judges.bundled_judges.spectral_statistics",
        lambda mel: {"one_more": 0.0, **spectral_statistics(mel)},
    )
    with pytest.raises(ModelError, match="other statistics; train it anew"):
        load_bundled_judge("toy-spectrum")


def test_a_judge_of_ones_own_is_taken_as_it_is():
    class Own:
        name, emotions = "own", ("happy", "sad")

        def probabilities(self, waveforms, rate):
            return np.full((len(waveforms), 2), 0.5)

        def transcribe(self, waveforms, rate):
            return [""] * len(waveforms)

        def normalise(self, text):
            return text

        def similarity(self, first, first_rate, second, second_rate):
            return 1.0

        def scores(self, waveforms, rate):
            return np.ones(len(waveforms))

    own = Own()
    assert all(
        judge(own) is own for judge in (judges.emotion, judges.transcript, judges.speaker, judges.naturalness)
    )


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch):
    for package in ("funasr", "utmos_pytorch", "faster_whisper", "distillmos"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModelError, match=r'needs funasr: pip install "esn-interp\[emotion2vec\]"'):
        judges.emotion("emotion2vec")
    with pytest.raises(ModelError, match=r'needs utmos_pytorch: pip install "esn-interp\[mos\]"'):
        judges.naturalness("utmos")
    with pytest.raises(ModelError, match=r'needs faster_whisper: pip install "esn-interp\[whisper\]"'):
        judges.transcript("whisper-tiny.en")
    with pytest.raises(ModelError, match=r'needs distillmos: pip install "esn-interp\[distillmos\]"'):
        judges.naturalness("distill-mos")
    with pytest.raises(ModelError, match="there are utmos and distill-mos"):
        judges.naturalness("mos-net")


def test_emotion2vec_in_our_words(monkeypatch):
    """A stand-in with funasr's call and reply: bilingual labels, and two classes that are no emotion."""

    class Model:
        def __init__(self, **options):
            self.options = options

        def generate(self, wave, **options):
            assert wave.dtype == np.float32
            assert len(wave) == 16_000
            labels = [
                "生气/angry",
                "厌恶/disgusted",
                "恐惧/fearful",
                "开心/happy",
                "中立/neutral",
                "其他/other",
            ]
            labels += ["难过/sad", "吃惊/surprised", "<unk>"]
            return [{"key": "x", "labels": labels, "scores": [0.3, 0, 0.1, 0.2, 0.1, 0.2, 0.1, 0, 0]}]

    monkeypatch.setitem(sys.modules, "funasr", SimpleNamespace(AutoModel=Model))
    judge = judges.emotion("emotion2vec", tried=False)
    assert isinstance(judge, EmotionJudge)
    found = dict(zip(judge.emotions, judge.probabilities([np.zeros(24_000)], 24_000)[0], strict=True))
    assert found["angry"] == pytest.approx(0.3 / 0.8)
    assert sum(found.values()) == pytest.approx(1)


def test_utmos_hears_clips_one_by_one(monkeypatch):
    shapes = []

    class Model:
        def __init__(self, device):
            assert device == "cpu"

        def score(self, waves):
            shapes.append(tuple(waves.shape))
            return waves.abs().mean(dim=1)

    monkeypatch.setitem(sys.modules, "utmos_pytorch", SimpleNamespace(UTMOSScoreTorch=Model))
    scores = judges.naturalness("utmos").scores([np.full(16_000, 0.5), np.full(32_000, 0.25)], 16_000)
    np.testing.assert_allclose(scores, [0.5, 0.25])
    assert shapes == [(1, 16_000), (1, 32_000)]
