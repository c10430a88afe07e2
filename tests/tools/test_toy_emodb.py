"""toy-emodb: how it is trained (on stand-ins for EmoDB), who stays unheard, and what the checkpoint can do."""

import json
import random

import numpy as np
import pytest
import torch
from rounding import assert_close, terms_of
from tiny_omni import noise
from toy_omni import architecture, questions, real_speech
from toy_omni.augmentation import Augmentation, at_speeds, augment
from toy_omni.real_speech import Recipe, Voiced
from toy_omni.rows import Packer
from toy_omni.teacher import Teacher, functionals
from toy_omni.train import Clip

import esn_interp as esn
from esn_interp.models.families.qwen2_5_omni import _mel  # pyright: ignore[reportPrivateUsage]

RATE = 16_000


def tone(hertz, seconds=0.8):
    return (0.3 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)).astype(np.float32)


def loudest(mel):
    return int(mel.float().mean(1).argmax())


def stand_ins(*, count=4):
    """Two emotions that differ in pitch."""
    made = []
    for number in range(count):
        for emotion, hertz in (("sad", 300), ("bored", 2_500)):
            mels = at_speeds(tone(hertz + 10 * number), (0.95, 1.0, 1.05))
            votes = {one: float(one == emotion) for one in questions.ALL_EMOTIONS}
            made.append(Voiced(Clip(mels[1].float(), "", "male", votes, "x", emotion), mels))
    return made


def test_a_clip_played_faster_is_shorter_and_higher():
    slow, own, fast = at_speeds(tone(800), (0.8, 1.0, 1.25))
    assert slow.shape[1] > own.shape[1] > fast.shape[1]
    extractor = architecture.make_feature_extractor()
    torch.testing.assert_close(own, _mel(extractor, tone(800)).T.half())
    assert loudest(fast) == loudest(_mel(extractor, tone(1_000)).T)
    assert loudest(slow) == loudest(_mel(extractor, tone(640)).T)


def test_augmentation_stays_within_what_a_recording_can_be():
    mel = at_speeds(noise(2.0)[0], (1.0,))[0]
    how = Augmentation()
    for seed in range(20):
        changed = augment(mel, np.random.default_rng(seed), how)
        assert changed.shape[0] == architecture.MELS
        assert 0.7 / 1.2 * mel.shape[1] - 2 <= changed.shape[1] <= how.frames
        assert torch.isfinite(changed).all()
        assert changed.max() - changed.min() <= 2.0 + 1e-4
    first, again = (augment(mel, np.random.default_rng(3), how) for _ in range(2))
    torch.testing.assert_close(first, again)


def test_every_emotion_becomes_a_word_of_one_token(tiny_lm):
    before = tiny_lm.scores(tiny_lm.encode(noise(0.8), "How?"), ["sad", "happy", "angry"])
    real_speech.open_two_words(tiny_lm)
    tokenizer = tiny_lm.processor.tokenizer
    assert [len(tokenizer(emotion)["input_ids"]) for emotion in questions.ALL_EMOTIONS] == [1] * 7
    assert tokenizer.decode(tokenizer("bored, disgusted.")["input_ids"]) == "bored, disgusted."
    after = tiny_lm.scores(tiny_lm.encode(noise(0.8), "How?"), ["sad", "happy", "angry"])
    assert_close(before, after, terms=terms_of(tiny_lm.model))


def test_clear_clips_are_remembered_half_of_them_by_natural_voices(tmp_path):
    def folder(name, voices):
        (tmp_path / name).mkdir()
        lines = [
            {"part": part, "voice": voice, "weights": weights, "intensity": intensity, "offset": 4 * n, "length": 4,
             "transcript": "x", "sex": "female"}
            for n, (voice, part, weights, intensity) in enumerate(
                (voice, part, weights, intensity)
                for voice in voices
                for part in ("train", "dev")
                for weights in ({"sad": 1.0}, {"sad": 0.5, "happy": 0.5})
                for intensity in (0.4, 0.9)
            )
        ]  # fmt: skip
        (tmp_path / name / "clips.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        np.save(tmp_path / name / "audio.npy", np.arange(4 * len(lines), dtype=np.int16))
        return tmp_path / name

    folders = [folder("plain", ["train-f01", "train-m01"]), folder("further", ["train-f01", "natural-f01"])]
    found = real_speech.remembered(folders, Recipe(remembered=2))
    assert [one.speaker for one in found][1] == "natural-f01"
    assert {one.emotion for one in found} == {"sad"}
    assert len(real_speech.remembered(folders, Recipe(remembered=40))) == 3
    assert found[1].waveform()[1] - found[1].waveform()[0] == pytest.approx(1 / 32767)


def test_questions_name_the_emotions_that_were_voted_on():
    clip = stand_ins(count=1)[1].clip
    asked = [q for seed in range(30) for q in real_speech.asked_of(clip, Recipe(), random.Random(seed))]
    assert any("bored, disgusted." in one.question for one in asked)
    assert {answer for one in asked for answer in one.answers} >= set(questions.ALL_EMOTIONS)
    for one in asked:
        assert sum(one.answers.values()) == pytest.approx(1.0)


def test_functionals_are_those_of_each_band():
    mel = torch.zeros(architecture.MELS, 101)
    mel[3, ::2] = 1.0  # there and back at every frame
    mean, spread, low, middle, high, moves, of_moves = functionals(mel)[:-1].reshape(7, -1)
    assert functionals(mel)[-1] == 101
    np.testing.assert_allclose([mean[3], spread[3], moves[3]], [51 / 101, np.sqrt(51 * 50) / 101, 1.0])
    assert (low[3], middle[3], high[3], of_moves[3]) == (0.0, 1.0, 1.0, 1.0)
    for values in (mean, spread, low, middle, high, moves, of_moves):
        assert not np.delete(values, 3).any()


def test_a_teacher_hears_in_others_what_it_has_learnt():
    clips = stand_ins(count=3)
    teacher = Teacher(
        [mel for one in clips for mel in one.mels], [one.clip.acted for one in clips for _ in one.mels]
    )
    for hertz, emotion in ((305, "sad"), (2_495, "bored")):
        votes = teacher.votes(at_speeds(tone(hertz), (1.0,))[0])
        assert sum(votes.values()) == pytest.approx(1.0)
        assert max(votes, key=votes.__getitem__) == emotion


def test_votes_are_the_labels_and_the_teachers():
    clips, how = stand_ins(count=2), Augmentation()
    teacher = real_speech.teach(clips, Recipe(versions=2), how, np.random.default_rng(0))
    alone, taught = (
        real_speech.changed(clips[0], np.random.default_rng(1), how, by, share)
        for by, share in ((None, 0.0), (teacher, 0.25))
    )
    torch.testing.assert_close(alone.mel, taught.mel)
    heard = teacher.votes(taught.mel)
    assert alone.votes == clips[0].clip.votes
    assert taught.votes == pytest.approx(
        {e: 0.75 * alone.votes[e] + 0.25 * heard.get(e, 0) for e in alone.votes}
    )
    assert real_speech.teach(clips, Recipe(teaching=0), how, np.random.default_rng(0)) is None


def test_training_learns_what_sets_two_emotions_apart(tmp_path):
    lm, clips = esn.load("toy-omni"), stand_ins()
    recipe = Recipe(hearing_steps=8, hearing_batch=6, steps=24, real=6, synthetic=2, versions=2)
    real_speech.learn(lm, clips, clips[:2], clips, recipe, Augmentation())
    assert real_speech.recalls(lm.model, Packer(lm.processor.tokenizer), clips)["UAR"] == 1.0

    architecture.save(lm.model, lm.processor.tokenizer, tmp_path / "kept")
    kept = esn.load(tmp_path / "kept")
    question = questions.CHOICE.format(", ".join(questions.ALL_EMOTIONS))
    scores = kept.scores(kept.encode([tone(300), tone(2_500)], question), questions.ALL_EMOTIONS)
    assert [questions.ALL_EMOTIONS[best] for best in scores.argmax(1)] == ["sad", "bored"]


def test_the_same_seed_trains_the_same_model(tiny_folder):
    weights = []
    for _ in range(2):
        lm = esn.load(tiny_folder)
        clips = stand_ins(count=1)
        few = Recipe(hearing_steps=6, hearing_batch=2, steps=12, real=2, synthetic=1, versions=2)
        real_speech.learn(lm, clips, clips, [], few, Augmentation())
        weights.append(lm.model.lm_head.weight.clone())
    torch.testing.assert_close(*weights, rtol=0, atol=0)


def test_speakers_are_kept_apart():
    parts = (real_speech.TRAINING, real_speech.VALIDATION, real_speech.EVALUATION)
    everyone = sorted(speaker for part in parts for speaker in part)
    assert len(everyone) == len(set(everyone)) == 10
    assert sorted(speaker for fold in real_speech.FOLDS for speaker in fold) == everyone


@pytest.fixture(scope="module")
def bundled():
    return esn.load("toy-emodb")


def test_the_bundled_model_has_the_gates_of_toy_omni_and_seven_words(bundled):
    toy_omni = esn.load("toy-omni")
    assert (bundled.n_layers, bundled.n_gates) == (toy_omni.n_layers, toy_omni.n_gates)
    tokenizer = bundled.processor.tokenizer
    assert [len(tokenizer(emotion)["input_ids"]) for emotion in questions.ALL_EMOTIONS] == [1] * 7
    assert [len(toy_omni.processor.tokenizer(emotion)["input_ids"]) for emotion in questions.EMOTIONS] == [
        1
    ] * 5


def test_it_answers_with_a_word_that_the_question_offers(bundled):
    studio = esn.corpus("toy-studio").where(split="validation")
    question = questions.CHOICE.format(", ".join(questions.ALL_EMOTIONS))
    said = {bundled.answer(studio.where(emotion=emotion)[0], question) for emotion in ("angry", "sad")}
    assert said <= set(questions.ALL_EMOTIONS)
    assert bundled.answer(studio[0], "Is the speaker sad?") in ("yes", "no")


@pytest.mark.slow
def test_it_hears_seven_emotions_of_speakers_it_never_heard(bundled, emodb_root):
    """Bounds are loose on purpose: it reaches 0.70, toy-omni a quarter."""
    unheard = esn.corpus("emodb", root=emodb_root).where(speaker=real_speech.EVALUATION)
    answers = esn.recognise(bundled, unheard, progress=False)
    assert answers.uar() > 0.6
    assert (answers.confusion().sum(0) > 0).all()  # no emotion is never heard


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")
def test_its_neurons_matter_for_their_own_emotion_in_real_speech(bundled, emodb_root):
    clips = esn.corpus("emodb", root=emodb_root)
    stats = esn.collect(bundled, clips.where(speaker=real_speech.TRAINING), progress=False)
    neurons = esn.select(stats, "mad", top=0.05)
    unheard = clips.where(speaker=real_speech.EVALUATION)
    effect = esn.ablation(bundled, unheard, neurons, draws=1, progress=False)
    assert effect.self_change.value < effect.cross_change.value - 0.4
    assert effect.self_change.value < effect.random_self.value - 0.4


def test_each_part_and_fold_has_both_sexes(emodb_root):
    clips = esn.corpus("emodb", root=emodb_root)
    parts = (real_speech.TRAINING, real_speech.VALIDATION, real_speech.EVALUATION, *real_speech.FOLDS)
    for part in parts:
        assert set(clips.where(speaker=part).column("sex")) == {"female", "male"}


def test_real_clips_are_prepared_for_training(emodb_root):
    clips = esn.corpus("emodb", root=emodb_root).where(speaker="03")[:2]
    first, second = real_speech.voiced(clips, questions.ALL_EMOTIONS, speeds=(0.9, 1.0, 1.1))
    assert (first.clip.acted, second.clip.acted) == tuple(clips.column("emotion"))
    assert first.clip.votes[first.clip.acted] == sum(first.clip.votes.values()) == 1.0
    assert [mel.shape[1] for mel in first.mels] == sorted([mel.shape[1] for mel in first.mels], reverse=True)
