"""The bundled model is a fair teaching model: it hears emotion, and its neurons carry it.

Bounds are loose on purpose: they hold the model to what it is for, the study reports the figures.
"""

import numpy as np
import pytest
import torch
from rounding import assert_close, terms_of

import esn_interp as esn
from esn_interp.models.edits import Edit
from esn_interp.tasks.judges import errors
from esn_interp.tasks.protocols import protocol


@pytest.fixture(scope="module")
def lm():
    return esn.load("toy-omni")


@pytest.fixture(scope="module")
def validation():
    return esn.corpus("toy-studio").where(split="validation")


def test_it_is_small_open_and_of_the_real_classes(lm):
    assert type(lm.model).__module__.startswith("transformers.")
    assert lm.n_layers >= 8
    assert lm.n_gates >= 1000
    tokenizer = lm.processor.tokenizer
    assert tokenizer.decode(tokenizer("Überraschung, 怒り")["input_ids"]) == "Überraschung, 怒り"


@pytest.mark.slow
def test_it_hears_emotion_in_voices_it_never_heard(lm, validation):
    """Neutral natural voices it takes for other moods more often than not; the card says so."""
    answers = esn.recognise(lm, validation, progress=False)
    assert answers.uar() > 0.65
    assert (answers.recall() > 0.2).all()


@pytest.mark.slow
def test_it_answers_by_letters_in_any_order(lm, validation):
    clips = validation.take(range(0, len(validation), 2))
    lettered = protocol("authors").recognition(clips.emotions, lm=lm)
    assert len(set(lettered.asked(clips.column("id")))) > 50
    answers = esn.recognise(lm, clips, recognition=lettered, progress=False)
    assert answers.uar() > 0.6


@pytest.mark.slow
def test_its_neurons_matter_for_their_own_emotion(lm, validation):
    """Found on identification voices, silenced on validation voices, against as many random neurons."""
    stats = esn.collect(lm, esn.corpus("toy-studio").where(split="identification"), progress=False)
    neurons = esn.select(stats, "mad", top=0.05)
    effect = esn.ablation(lm, validation, neurons, draws=2, progress=False)
    assert effect.self_change.value < effect.cross_change.value - 0.05
    assert effect.self_change.value < effect.random_self.value - 0.05


def test_it_answers_all_kinds_of_questions_in_text(lm, validation):
    clip = esn.corpus("toy-phone").where(split="validation", emotion="sad")[0]
    assert lm.answer(clip) in validation.emotions
    assert lm.answer(clip, "Is the speaker male or female?") == clip.sex
    assert lm.answer(clip, "Transcribe the speech.") == clip.transcript
    assert lm.answer(clip, "Is the arousal high or low?") in ("high", "low")
    assert lm.answer(clip, "Is the valence positive, neutral or negative?") in ("positive", "neutral", "negative")
    assert lm.answer(clip, "Is the speaker sad?") in ("yes", "no")


def test_labels_it_was_never_trained_on_are_scored(lm, validation):
    labels = ["sad", "utterly bored", "disgusted"]
    scores = lm.scores(lm.encode([validation[0].waveform()], "How does the speaker feel?"), labels)
    assert np.isfinite(scores).all()
    assert_close(np.exp(scores).sum(), 1, terms=len(labels))


def test_batches_of_one_three_and_sixteen_give_the_same_labels(lm, validation):
    waveforms = [clip.waveform() for clip in validation[:16]]
    prompt = "How does the speaker feel?"
    edits = [Edit(4, np.arange(40), gain=0.0)]
    answers = []
    for size in (1, 3, 16):
        parts = [waveforms[start : start + size] for start in range(0, 16, size)]
        scores = [lm.scores(lm.encode(part, prompt), validation.emotions, edits=edits) for part in parts]
        answers.append(np.concatenate(scores))
    for other in answers[1:]:
        np.testing.assert_array_equal(other.argmax(1), answers[0].argmax(1))
        assert_close(other, answers[0], terms=terms_of(lm.model))


@pytest.fixture(scope="module")
def speaking():
    return esn.load_speaking("toy-omni")


def test_it_says_a_clip_again_in_either_voice(speaking, validation):
    clip = validation.where(emotion="neutral")[0]
    for voice in ("Ada", "Ben"):
        speech = speaking.convert(clip, to="sad", voice=voice)
        assert speech.text == clip.transcript
        assert speech.sampling_rate == 24_000
        assert 0.5 < len(speech.waveform) / 24_000 < 6
        assert 0.003 < speech.waveform.std() < 0.5


def test_its_thinker_is_the_same_alone_and_within_the_whole(lm, speaking):
    within = speaking.model.thinker.state_dict()
    assert all(torch.equal(tensor, within[name]) for name, tensor in lm.model.state_dict().items())


@pytest.mark.slow
def test_its_words_can_be_understood_and_its_requests_be_heard(speaking, validation):
    """Bounds are loose on purpose; the model card has the figures."""
    clips = esn.corpus("toy-phone").where(split="validation", emotion="neutral").limit(16)
    run = esn.conversions(speaking, clips, ["angry", "sad"], batch_size=8, progress=False)
    recogniser = esn.judges.transcript("toy-ctc")
    heard = recogniser.transcribe([one.waveform for one in run.conversions], 24_000)
    rates = [errors(one.transcript, said).cer for one, said in zip(run.conversions, heard, strict=True)]
    assert np.mean(rates) < 0.2
    level = {
        target: np.mean([np.log(one.waveform.std()) for one in run.conversions if one.target == target])
        for target in ("angry", "sad")
    }
    assert level["angry"] > level["sad"]
