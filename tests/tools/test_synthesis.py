"""The generator: rules that blend and fade, voters, voices that differ, and sounds that obey the rules."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from voices.acting import blend, votes
from voices.casting import (
    DEVELOPMENT_VOICES,
    NATURAL_VOICES,
    PHONE_EVALUATION,
    PHONE_SENTENCES,
    PHONE_VOICES,
    SENTENCES,
    STUDIO_EVALUATION,
    STUDIO_SENTENCES,
    STUDIO_VOICES,
    TRAINING_VOICES,
    spliced,
)
from voices.channels import CHANNELS, phone

from esn_interp.errors import EsnError
from esn_interp.speech.acting import EMOTIONS, RULES, Acting

WOMAN = TRAINING_VOICES[4]
MAN = next(voice for voice in TRAINING_VOICES if voice.sex == "male")
TEXT = SENTENCES[3]

weightings = st.dictionaries(st.sampled_from(EMOTIONS), st.floats(0.05, 1.0), min_size=1, max_size=3)


def test_every_emotion_has_two_actings_that_are_nearer_to_each_other_than_to_other_emotions() -> None:
    assert tuple(RULES) == EMOTIONS
    # Differences are measured in units of the spread over all actings, so that dB and semitones count alike.
    spread = np.std(
        [acting.vector for rule in RULES.values() for acting in (rule.first, rule.second)], axis=0
    )
    for emotion, rule in RULES.items():
        own = np.linalg.norm((rule.first.vector - rule.second.vector) / spread)
        assert own > 0
        for other in (other for name, other in RULES.items() if name != emotion):
            between = (rule.between(0.5) - other.between(0.5)) / spread
            assert np.linalg.norm(between) > own / 2


@given(weights=weightings, style=st.floats(0, 1), scale=st.floats(0.1, 10))
def test_a_blend_depends_on_shares_only_and_fades_to_neutral(
    weights: dict[str, float], style: float, scale: float
) -> None:
    scaled = {emotion: scale * weight for emotion, weight in weights.items()}
    np.testing.assert_allclose(
        blend(weights, style=style).vector, blend(scaled, style=style).vector, atol=1e-9
    )
    neutral = RULES["neutral"].between(style)
    faint = blend(weights, style=style, intensity=0.0).vector
    half = blend(weights, style=style, intensity=0.5).vector
    full = blend(weights, style=style, intensity=1.0).vector
    np.testing.assert_allclose(faint, neutral, atol=1e-9)
    np.testing.assert_allclose(half, (neutral + full) / 2, atol=1e-9)


def test_pure_actings_are_the_rules_themselves_and_variation_is_drawn_by_the_seed() -> None:
    assert blend({"angry": 2.0}) == RULES["angry"].first
    np.testing.assert_allclose(blend({"sad": 1.0}, style=1.0).vector, RULES["sad"].second.vector)
    drawn = [blend({"sad": 1.0}, rng=np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    many = [blend({"fearful": 1.0}, style=1.0, rng=np.random.default_rng(seed)) for seed in range(200)]
    assert all(0 <= acting.breath <= 0.9 and acting.jitter >= 0 and acting.tremor >= 0 for acting in many)
    assert np.mean([acting.level for acting in many]) == pytest.approx(RULES["fearful"].second.level, abs=0.2)


@given(weights=weightings, intensity=st.floats(0, 1.2), disagreement=st.floats(0, 0.3))
def test_votes_are_shares(weights: dict[str, float], intensity: float, disagreement: float) -> None:
    shares = votes(weights, intensity=intensity, disagreement=disagreement)
    assert tuple(shares) == EMOTIONS
    assert sum(shares.values()) == pytest.approx(1.0)
    assert min(shares.values()) >= 0


def test_listeners_agree_on_clear_acting_hear_faint_acting_as_neutral_and_are_torn_by_mixtures() -> None:
    for emotion in EMOTIONS:
        clear = votes({emotion: 1.0}, intensity=1.0)
        assert max(clear, key=clear.__getitem__) == emotion
        assert 0.8 < clear[emotion] < 0.95
    angry = [votes({"angry": 1.0}, intensity=intensity)["angry"] for intensity in (0.1, 0.3, 0.5, 0.8, 1.0)]
    assert angry == sorted(angry)
    faint = votes({"angry": 1.0}, intensity=0.1)
    assert max(faint, key=faint.__getitem__) == "neutral"
    torn = votes({"angry": 0.6, "happy": 0.4})
    assert 0.2 < torn["happy"] < torn["angry"] < 0.65


def test_casts_and_sentences_are_what_the_corpora_promise() -> None:
    assert len(set(SENTENCES)) == len(SENTENCES) == 32
    assert len(STUDIO_SENTENCES) == len(PHONE_SENTENCES) == 8
    assert not set(STUDIO_SENTENCES) & set(PHONE_SENTENCES)
    assert all(4 <= len(sentence.split()) <= 7 for sentence in SENTENCES)
    assert len({word for sentence in SENTENCES for word in sentence.lower().split()}) <= 100
    names = [voice.name for voice in (*TRAINING_VOICES, *DEVELOPMENT_VOICES, *(v for v, _ in STUDIO_VOICES))]
    assert len(set(names)) == len(names)


@pytest.fixture(scope="module")
def said() -> dict[str, object]:
    """One sentence, analysed for a woman's and a man's voice."""
    pytest.importorskip("espeakng_loader", reason="the generator needs the tools extra")
    pytest.importorskip("pyworld", reason="the generator needs the tools extra")
    from voices.synthesis import analyse

    return {"female": analyse(WOMAN, TEXT), "male": analyse(MAN, TEXT)}


def pitch(wave: np.ndarray) -> np.ndarray:
    """F0 in Hz of the voiced frames, by autocorrelation: independent of the vocoder that made the sound."""
    found: list[float] = []
    for start in range(0, len(wave) - 960, 160):
        frame = wave[start : start + 960] * np.hanning(960)
        if np.sqrt(np.mean(frame**2)) < 0.2 * np.sqrt(np.mean(wave**2)):
            continue
        spectrum = np.abs(np.fft.rfft(frame, 4096)) ** 2
        correlation = np.fft.irfft(spectrum)
        lags = correlation[32:267]  # 60 to 500 Hz
        lag = int(np.argmax(lags))
        if lags[lag] > 0.5 * correlation[0]:
            found.append(16_000 / (lag + 32))
    return np.array(found)


def sound(said: dict[str, object], acting: Acting, *, sex: str = "male", seed: int = 0) -> np.ndarray:
    from voices.synthesis import Analysis, render

    analysis = said[sex]
    assert isinstance(analysis, Analysis)
    return render(analysis, acting, voice=WOMAN if sex == "female" else MAN, rng=np.random.default_rng(seed))


def test_the_same_sentence_sounds_the_same_whatever_was_said_before(said: dict[str, object]) -> None:
    from voices.synthesis import speak

    first = speak(WOMAN, TEXT)
    speak(MAN, "something else entirely")
    np.testing.assert_array_equal(speak(WOMAN, TEXT), first)
    np.testing.assert_array_equal(sound(said, Acting(jitter=0.3)), sound(said, Acting(jitter=0.3)))
    assert not np.array_equal(sound(said, Acting(jitter=0.3)), sound(said, Acting(jitter=0.3), seed=1))


def test_each_rule_is_heard_in_the_sound(said: dict[str, object]) -> None:
    plain = sound(said, Acting())
    semitones = 12 * np.log2(np.median(pitch(sound(said, Acting(level=5)))) / np.median(pitch(plain)))
    assert semitones == pytest.approx(5, abs=1)
    narrow, wide = (np.log2(pitch(sound(said, Acting(range=factor)))).std() for factor in (-1, 1))
    assert wide > 1.5 * narrow
    assert len(sound(said, Acting(rate=1))) == pytest.approx(len(plain) / 2, rel=0.05)
    louder = np.sqrt(np.mean(sound(said, Acting(energy=6)) ** 2) / np.mean(plain**2))
    assert 20 * np.log10(louder) == pytest.approx(6, abs=0.5)

    def brightness(wave: np.ndarray) -> float:
        power = np.abs(np.fft.rfft(wave)) ** 2
        hertz = np.fft.rfftfreq(len(wave), 1 / 16_000)
        return float(10 * np.log10(power[(hertz > 2000) & (hertz < 4000)].sum() / power[hertz < 1000].sum()))

    assert (
        brightness(sound(said, Acting(tilt=4)))
        > brightness(plain) + 3
        > brightness(sound(said, Acting(tilt=-4))) + 6
    )
    half = len(plain) // 2
    fading = sound(said, Acting(decay=10))
    drop = [10 * np.log10(np.mean(wave[:half] ** 2) / np.mean(wave[half:] ** 2)) for wave in (plain, fading)]
    assert drop[1] - drop[0] == pytest.approx(5, abs=2)


def test_a_womans_voice_is_higher_than_a_mans(said: dict[str, object]) -> None:
    woman, man = (float(np.median(pitch(sound(said, Acting(), sex=sex)))) for sex in ("female", "male"))
    assert 150 < woman < 280
    assert 70 < man < 150


@pytest.mark.parametrize("emotion", EMOTIONS)
def test_a_performance_never_clips_and_survives_every_channel(said: dict[str, object], emotion: str) -> None:
    from voices.synthesis import Analysis, pad, perform

    analysis = said["female"]
    assert isinstance(analysis, Analysis)
    rng = np.random.default_rng(1)
    wave = perform(analysis, {emotion: 1.0}, voice=WOMAN, style=0.0, intensity=1.2, rng=rng)
    assert wave.dtype == np.float32
    assert np.isfinite(wave).all()
    assert 0.02 < np.abs(wave).max() < 0.95
    padded = pad(wave, rng=rng)
    assert 0.1 * 16_000 <= len(padded) - len(wave) <= 0.24 * 16_000
    for channel in CHANNELS.values():
        heard = channel(padded, rng=rng)
        assert len(heard) == len(padded)
        assert np.abs(heard).max() <= 0.95


def test_the_telephone_keeps_its_band_and_adds_its_noise() -> None:
    rng = np.random.default_rng(0)
    seconds = np.arange(16_000) / 16_000

    def level(hertz: float) -> float:
        heard = phone((0.3 * np.sin(2 * np.pi * hertz * seconds)).astype(np.float32), rng=rng)
        return float(np.abs(np.fft.rfft(heard))[round(hertz)])

    assert level(1000) > 20 * level(100)
    assert level(1000) > 20 * level(5000)
    assert np.std(phone(np.zeros(16_000, dtype=np.float32), rng=rng)) > 1e-3


def test_a_voice_that_espeak_lacks_is_named() -> None:
    pytest.importorskip("espeakng_loader", reason="the generator needs the tools extra")
    from voices.engines import read

    with pytest.raises(EsnError, match="no voice 'en-us-atlantis'"):
        read("espeak", "en-us-atlantis", TEXT)


def test_every_espeak_voice_of_a_corpus_speaks(said: dict[str, object]) -> None:
    from voices.synthesis import speak

    voices = [voice for voice, _ in (*STUDIO_VOICES, *PHONE_VOICES) if voice.engine == "espeak"]
    assert min(len(speak(voice, "no")) for voice in voices) > 1600


def test_a_natural_voice_that_is_not_there_is_named_with_the_way_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from voices.engines import festival, flite, kokoro

    monkeypatch.setenv("PATH", "")
    with pytest.raises(EsnError, match="apt-get install flite"):
        flite.read("rms", TEXT)
    with pytest.raises(EsnError, match="festvox-kdlpc16k"):
        festival.read("ked_diphone", TEXT)
    monkeypatch.delenv("KOKORO_VOICES", raising=False)
    with pytest.raises(EsnError, match="npm pack kokoro-js"):
        kokoro.styles("af_heart")


def test_a_reading_is_made_once_where_it_can_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from voices import engines

    made: list[str] = []

    def reader(voice: str, text: str) -> tuple[np.ndarray, int]:
        made.append(voice)
        return np.arange(3.0), 24_000

    monkeypatch.setattr(engines, "READERS", {"kokoro": reader})
    monkeypatch.setenv("READINGS", str(tmp_path / "kept"))
    for voice in ("af_heart", "af_heart", "bm_george"):
        wave, rate = engines.read("kokoro", voice, TEXT)
        assert (wave.tolist(), rate) == ([0, 1, 2], 24_000)
    assert made == ["af_heart", "bm_george"]


def test_spliced_sentences_are_new_rows_of_known_words() -> None:
    rows = spliced(60, seed=1)
    assert rows == spliced(60, seed=1) != spliced(60, seed=2)
    assert len(set(rows)) == 60
    assert not {*rows} & {*SENTENCES, *STUDIO_EVALUATION, *PHONE_EVALUATION}
    known = {word for sentence in SENTENCES for word in sentence.split()}
    assert {word for row in rows for word in row.split()} <= known
    assert {len(row.split()) for row in rows} <= {4, 5, 6}


def test_acting_has_one_column_per_field() -> None:
    assert len(Acting().vector) == len(fields(Acting))


def test_training_is_planned_graded_torn_and_evenly_voiced() -> None:
    import training_audio

    plans = list(training_audio.plan_training(1440, seed=0))
    assert plans == list(training_audio.plan_training(1440, seed=0))
    assert len(plans) == 1440
    voices = [plan.voice for plan in plans]
    assert {voices.count(voice.name) for voice in TRAINING_VOICES} == {20}
    assert {plan.sentence for plan in plans} == set(range(len(SENTENCES)))
    assert 0.55 < np.mean([plan.channel == "studio" for plan in plans]) < 0.65
    assert 0.2 < np.mean([len(plan.weights) == 2 for plan in plans]) < 0.3
    certainty = [max(plan.votes.values()) for plan in plans]
    assert min(certainty) < 0.45
    assert max(certainty) > 0.85
    development = list(training_audio.plan_development(seed=0))
    assert {plan.voice for plan in development} == {voice.name for voice in DEVELOPMENT_VOICES}
    assert all(max(plan.votes, key=plan.votes.__getitem__) in plan.weights for plan in development)


def test_the_last_stage_hears_spliced_rows_and_natural_voices() -> None:
    import training_audio

    plans = list(training_audio.plan_further(seed=0))
    assert plans == list(training_audio.plan_further(seed=0))
    part = {voice.name: {"training": "train", "development": "dev"}[split] for voice, split in NATURAL_VOICES}
    natural = [plan for plan in plans if plan.voice in part]
    assert {plan.voice for plan in natural} == set(part)
    assert all(plan.part == part[plan.voice] and plan.transcript in SENTENCES for plan in natural)
    spliced_rows = [plan for plan in plans if plan.voice not in part]
    assert {plan.voice for plan in spliced_rows if plan.part == "train"} == {v.name for v in TRAINING_VOICES}
    assert {plan.voice for plan in spliced_rows if plan.part == "dev"} == {v.name for v in DEVELOPMENT_VOICES}
    learnt, held = ({p.transcript for p in spliced_rows if p.part == name} for name in ("train", "dev"))
    assert not learnt & held
    assert not (learnt | held) & {*SENTENCES, *STUDIO_EVALUATION, *PHONE_EVALUATION}


def test_a_planned_clip_is_performed_the_same_with_or_without_its_neighbours(said: dict[str, object]) -> None:
    import training_audio

    voice = DEVELOPMENT_VOICES[0]
    mine = [plan for plan in training_audio.plan_development(seed=0) if plan.voice == voice.name]
    plans = [plan for plan in mine if plan.sentence == mine[0].sentence][:3]
    together = training_audio.perform_sentence((voice, plans))
    alone = training_audio.perform_sentence((voice, plans[2:]))
    np.testing.assert_array_equal(together[2], alone[0])
    assert together[0].dtype == np.int16
