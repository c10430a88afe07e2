"""The trainer's own forward pass and packing compute what transformers and the chat template do."""

import math
import random
import re
from types import SimpleNamespace

import pytest
import torch
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise
from toy_omni import questions
from toy_omni.questions import Asked
from toy_omni.rows import EMOTIONAL, Packer, run
from toy_omni.speaking.following import follow
from toy_omni.train import LOOK, looking_loss

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


VOTES = {"neutral": 0.1, "happy": 0.2, "angry": 0.4, "sad": 0.25, "fearful": 0.05}


def test_letters_stand_before_the_options_and_share_their_votes():
    whole = 0
    for seed in range(60):
        asked = questions.lettered(VOTES, random.Random(seed))
        options = dict(re.findall(r"([A-G])\. (\w+)", asked.question.rpartition(". Answer")[0]))
        assert set(asked.answers) == set(options)
        assert set(options.values()) <= set(VOTES)
        assert "angry" in options.values()  # the likeliest is always there
        total = sum(VOTES[option] for option in options.values())
        for letter, option in options.items():
            assert asked.answers[letter] == pytest.approx(VOTES[option] / total)
        whole += len(options) == len(VOTES)
    assert 30 < whole < 60
    orders = {questions.lettered(VOTES, random.Random(seed)).question for seed in range(60)}
    assert len(orders) > 40


def test_the_lettered_question_is_that_of_the_package(tiny_lm):
    options = ("sad", "angry", "neutral")
    asked = questions.lettered_as(options, {"A": 1.0})
    assert asked.question == (
        "What is the emotion of the speaker? Choose one option: A. sad B. angry C. neutral. Answer with the letter."
    )


def test_options_are_bound_to_the_letter_before_them_and_fetched_by_the_answer(tiny_lm, heard):
    options = ("sad", "angry", "neutral")
    shares = {"A": 0.5, "B": 0.3, "C": 0.2}
    asked = questions.transcript("the door is open"), questions.lettered_as(options, shares)
    packer, rows = pack(tiny_lm, heard, *asked)
    tokenizer = packer.tokenizer
    found = [
        (row, tokenizer.decode(rows.ids[row, letter]), tokenizer.decode(rows.ids[row, word]).strip())
        for row, word, letter in rows.bound.tolist()
    ]
    assert found == [(row, letter, o) for row in (0, 1) for letter, o in zip("ABC", options, strict=True)]
    asking = {row: token for row, turn, token in asking_positions(rows) if turn == 2}
    assert [(row, token) for row, token, _ in rows.fetched.tolist()] == [(r, asking[r]) for r in (0, 1) for _ in "ABC"]
    assert rows.fetched_share.tolist() == pytest.approx([0.5, 0.3, 0.2] * 2)
    assert rows.first.numel() == 0  # the answer may come through attention


def test_where_a_head_looks_is_what_the_model_computes(tiny_lm, heard):
    asked = questions.lettered_as(("sad", "angry"), {"A": 1.0})
    packer, rows = pack(tiny_lm, heard[:1], asked)
    with torch.no_grad():
        looked = run(tiny_lm.model, rows, heard[:1], packer, look={1: 3}).looked
    inputs = tiny_lm.family.inputs(tiny_lm.processor, CLIPS[:1], asked.question)
    text = tiny_lm.model.model.language_model
    before = text.config._attn_implementation
    text.config._attn_implementation = "eager"
    try:
        with torch.no_grad():
            expected = tiny_lm.model(**inputs.tensors, output_attentions=True).attentions[1][0, 3]
    finally:
        text.config._attn_implementation = before
    size = len(expected)
    assert_close(looked[1][0, :size, :size].exp(), expected, terms=terms_of(tiny_lm.model))


def test_a_head_that_looks_where_it_should_has_nothing_to_lose():
    options = torch.tensor([[0, 4, 2], [0, 7, 5]])
    asking = torch.tensor([[0, 9, 4], [0, 9, 7]])
    attention = torch.full((1, 10, 10), -50.0)
    attention[0, 4, 2] = attention[0, 7, 5] = 0.0
    attention[0, 9, [4, 7]] = torch.tensor([0.75, 0.25]).log()
    result = SimpleNamespace(looked=dict(zip(LOOK, (attention, attention), strict=True)))
    rows = SimpleNamespace(bound=options, fetched=asking, fetched_share=torch.tensor([0.75, 0.25]))
    bind, fetch = looking_loss(result, rows)
    assert bind.item() == 0
    assert fetch.item() == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))


def test_a_talker_follows_a_thinker_that_says_the_same_in_other_words():
    torch.manual_seed(0)
    door, size = torch.nn.Linear(6, 4), 400
    wanted = door.weight.detach().clone(), door.bias.detach().clone()
    old = torch.randn(size, 6).double()
    turned = old @ torch.randn(6, 6).double() + 3
    assert follow(door, old, turned) > 0.99
    passes = old @ wanted[0].double().T + wanted[1].double()
    assert torch.allclose(door(turned.float()).double(), passes, atol=0.05)
    assert follow(door, turned, torch.randn(size, 6).double()) < 0.2  # of what is unrelated nothing follows
