"""Training of the projector: on a tiny model of the same class, whose encoder and decoder do not move by a bit."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from smol_audio import training
from smol_audio.rows import ANSWERED, QUESTIONS, Voice, Writer, draw
from smol_audio.training import Moved, Recipe, Trainer, digest, heard
from tiny_models.flamingo import save_audio_flamingo_3
from tiny_omni import EMOTIONS, noise

from esn_interp.models.loading import load

RECIPE = Recipe(steps=4, batch=4, every=2, rate=0.05, warmup=1, patience=9, german=0.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_audio_flamingo_3(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def lm(folder: Path) -> Any:
    return load(folder)


def voices(lm: Any, *, seed: int = 0) -> list[Voice]:
    waves = noise(0.5, 0.9, 0.7, 1.1, 0.6, seed=seed)
    votes = [{emotion: 0.8 if at == one else 0.05 for at, emotion in enumerate(EMOTIONS)} for one in range(5)]
    frames = heard(lm, waves)
    return [Voice(f, v, "happy sad happy", "female") for f, v in zip(frames, votes, strict=True)]


def test_frames_are_those_that_the_model_itself_puts_into_a_prompt(lm: Any) -> None:
    waves = noise(0.5, 0.9)
    frames = heard(lm, waves)
    inputs = lm.prepare(waves, "happy?")
    embedded = lm.encode(inputs, "").decoder_inputs["inputs_embeds"]
    for row, one in enumerate(frames):
        place = inputs.audio[row]
        assert int(place.sum()) == len(one)
        projected = lm.model.model.multi_modal_projector(one)
        assert torch.allclose(embedded[row, place], projected, atol=1e-5)


def test_rows_are_the_models_own_prompts_and_the_answer_is_wanted_from_the_last_token_on(lm: Any) -> None:
    writer, some = Writer(lm.processor), voices(lm)[:2]
    rows = writer.rows(some, [("happy?", "sad"), ("happy?", None)])
    theirs = lm.prepare(noise(0.5, 0.9), "happy?").tensors
    for row in range(2):
        prompt = theirs["input_ids"][row][theirs["attention_mask"][row] == 1].tolist()
        assert rows.ids[row, : int(rows.first[row]) + 1].tolist() == prompt
        assert int(rows.sounding[row].sum()) == len(some[row].frames)
    wanted = rows.answers[0][rows.answers[0] != ANSWERED].tolist()
    assert wanted == [*writer.tokens("sad"), lm.processor.tokenizer.eos_token_id]
    assert (rows.answers[0] != ANSWERED).nonzero()[0, 0] == rows.first[0]
    assert (rows.answers[1] == ANSWERED).all()


def test_german_words_are_not_transcribed_and_every_question_is_asked() -> None:
    rng, votes = random.Random(0), dict.fromkeys(EMOTIONS, 0.2)
    english, german = (Voice(torch.zeros(1, 1), votes, "x", "male", language) for language in ("en", "de"))
    shares = dict.fromkeys(QUESTIONS, 1.0)
    asked = {draw(english, shares, rng)[0] for _ in range(300)}
    assert {"Transcribe the speech.", "Is the speaker male or female?", "How does the speaker feel?"} <= asked
    assert any("Answer with the letter" in question for question in asked)
    assert not any("Transcribe" in draw(german, shares, rng)[0] for _ in range(100))


def test_without_votes_the_answer_is_that_of_most_listeners() -> None:
    rng, votes = random.Random(0), {emotion: 0.6 if emotion == "sad" else 0.1 for emotion in EMOTIONS}
    voice = Voice(torch.zeros(1, 1), votes, "x", "male")
    assert {draw(voice, {"choice": 1.0}, rng, votes=False)[1] for _ in range(50)} == {"sad"}
    assert len({draw(voice, {"choice": 1.0}, rng)[1] for _ in range(200)}) > 1


def test_only_the_projector_learns(lm: Any, tmp_path: Path) -> None:
    whole = lm.model.model
    before = {name: digest(part) for name, part in (("e", whole.audio_tower), ("d", whole.language_model))}
    projector = digest(whole.multi_modal_projector)
    trainer = Trainer(lm, voices(lm), voices(lm, seed=1), RECIPE, tmp_path)
    told = trainer.run()
    assert digest(whole.audio_tower) == before["e"] == told["frozen"]["encoder"]
    assert digest(whole.language_model) == before["d"] == told["frozen"]["decoder"]
    assert digest(whole.multi_modal_projector) != projector
    assert [one["step"] for one in told["curve"]] == [0, 2, 4]
    assert all(one["loss"] > 0 for one in told["curve"][1:])
    assert (tmp_path / "projector.safetensors").stat().st_size > 0


def test_a_training_that_was_interrupted_ends_where_it_would_have_ended(folder: Path, tmp_path: Path) -> None:
    ends = []
    for parts in ((4,), (2, 4)):
        out = tmp_path / str(len(parts))
        for steps in parts:
            lm = load(folder)
            trainer = Trainer(lm, voices(lm), voices(lm, seed=1), RECIPE, out)
            while trainer.step < steps:
                trainer._learn()
                trainer.step += 1
                if trainer.step % RECIPE.every == 0:
                    trainer._look()
        ends.append({name: value.clone() for name, value in trainer.projector.state_dict().items()})
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_few_rows_at_a_time_learn_what_all_rows_at_once_would(
    lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = replace(RECIPE, dropout=0.0)
    gradients = []
    for at_once in (1, 3, 4):
        monkeypatch.setattr(training, "AT_ONCE", at_once)
        trainer = Trainer(lm, voices(lm), voices(lm, seed=1), quiet, tmp_path / str(at_once))
        monkeypatch.setattr(trainer.optimiser, "step", lambda: None)
        trainer._learn()
        gradients.append([weight.grad.clone() for weight in trainer.projector.parameters()])
    for some in gradients[1:]:
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(gradients[0], some, strict=True))


@pytest.mark.parametrize(("kinds", "natural"), [((True, False), 4), ((True,), 10), ((False,), 0)])
def test_natural_voices_have_their_share_of_a_batch(lm: Any, tmp_path: Path, kinds: Any, natural: int) -> None:
    some = [replace(voice, natural=kind) for kind in kinds for voice in voices(lm)]
    trainer = Trainer(lm, some, some, replace(RECIPE, natural=0.4), tmp_path)
    drawn = trainer._english(10, random.Random(0))
    assert len(drawn) == 10
    assert sum(voice.natural for voice in drawn) == natural


def test_a_decoder_that_moves_is_noticed(lm: Any, tmp_path: Path) -> None:
    trainer = Trainer(lm, voices(lm), voices(lm, seed=1), RECIPE, tmp_path)
    with torch.no_grad():
        next(iter(lm.model.model.language_model.parameters())).view(-1)[0] += 1
    with pytest.raises(Moved, match="decoder"):
        trainer.run()


def test_recall_is_that_of_plain_answers(lm: Any, tmp_path: Path) -> None:
    dev = voices(lm, seed=1)
    trainer = Trainer(lm, voices(lm), dev, RECIPE, tmp_path)
    question = "What is the emotion of the speaker? Choose one: " + ", ".join(EMOTIONS) + "."
    waves = noise(0.5, 0.9, 0.7, 1.1, 0.6, seed=1)
    scores = lm.scores(lm.encode(waves, question), EMOTIONS)
    right = [EMOTIONS[at] == voice.emotion for at, voice in zip(scores.argmax(axis=1), dev, strict=True)]
    assert trainer.recall(dev, EMOTIONS) == pytest.approx(np.mean(right))
