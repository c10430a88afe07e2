"""The trainer's own forward pass and packing compute what transformers and the chat template do."""

import random

import pytest
import torch
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise
from toy_omni import questions
from toy_omni.questions import Asked
from toy_omni.rows import Packer
from toy_omni.train import EMOTIONAL, run

CLIPS = noise(0.8, 1.4)


@pytest.fixture
def heard(tiny_lm):
    """What the encoder makes of each clip."""
    inputs = tiny_lm.family.inputs(tiny_lm.processor, CLIPS, CHOICE)
    with torch.no_grad():
        output = tiny_lm.model.model.get_audio_features(
            inputs.tensors["input_features"], inputs.tensors["feature_attention_mask"]
        ).last_hidden_state
    return list(output.split(inputs.audio.sum(1).tolist()))


def pack(lm, heard, *asked):
    packer = Packer(lm.processor.tokenizer)
    rows = packer.pack(
        [len(ear) for ear in heard], [asked] * len(heard), random.Random(0), emotional=EMOTIONAL
    )
    return packer, rows


def asking_positions(rows):
    """The first target of each question of each row: the position that predicts its answer."""
    seen, positions = set(), []
    for row, token in zip(rows.target_row.tolist(), rows.target_token.tolist(), strict=True):
        turn = int(rows.turns[row, token])
        if (row, turn) not in seen:
            seen.add((row, turn))
            positions.append((row, turn, token))
    return positions


def test_a_packed_question_is_answered_as_the_model_answers_it_alone(tiny_lm, heard):
    asked = [
        Asked(CHOICE, {"sad": 1.0}),
        questions.sex("male"),
        questions.transcript("the door is open again"),
    ]
    packer, rows = pack(tiny_lm, heard, *asked)
    with torch.no_grad():
        hidden = run(tiny_lm.model, rows, heard, packer).hidden
        for row, turn, token in asking_positions(rows):
            inputs = tiny_lm.family.inputs(tiny_lm.processor, [CLIPS[row]], asked[turn - 1].question)
            expected = tiny_lm.model(**inputs.tensors).logits[0, -1]
            assert_close(tiny_lm.model.lm_head(hidden[row, token]), expected, terms=terms_of(tiny_lm.model))


def test_gates_of_the_written_out_pass_equal_the_models(tiny_lm, heard):
    packer, rows = pack(tiny_lm, heard[:1], Asked(CHOICE, {"sad": 1.0}))
    with torch.no_grad():
        gates = run(tiny_lm.model, rows, heard[:1], packer).gates
    activations = tiny_lm.gates(CLIPS[0], CHOICE)
    for layer in range(3):
        prompt = len(activations.tokens)
        assert_close(gates[layer][0, :prompt], activations[layer], terms=terms_of(tiny_lm.model))


def test_votes_become_the_targets_of_the_first_word(tiny_lm, heard):
    votes = {"neutral": 0.1, "happy": 0.2, "angry": 0.4, "sad": 0.3, "fearful": 0.0}
    _, rows = pack(tiny_lm, heard[:1], Asked(questions.FREE, votes))
    first = int(rows.target_token[0])
    at_first = rows.target_token == first
    words = {tiny_lm.processor.tokenizer.decode(word): float(weight) for word, weight in
             zip(rows.target_word[at_first], rows.target_weight[at_first], strict=True)}  # fmt: skip
    assert words == pytest.approx({emotion: share for emotion, share in votes.items() if share})


@pytest.mark.parametrize("ask", questions.EMOTIONAL)
def test_every_question_has_answers_that_share_all_votes(ask):
    votes = {"neutral": 0.1, "happy": 0.2, "angry": 0.4, "sad": 0.25, "fearful": 0.05}
    for seed in range(20):
        asked = ask(votes, random.Random(seed))
        assert sum(asked.answers.values()) == pytest.approx(1.0)
        assert all(share >= 0 for share in asked.answers.values())
        assert set(asked.answers) <= {*EMOTIONS, "positive", "negative", "high", "low", "yes", "no"}
