"""Models and questions as they are handed over: wrapped, with settings and signs of their own, in any mode."""

import copy
from contextlib import ExitStack

import numpy as np
import pytest
import torch
from plain_hooks import editing
from rounding import assert_close, terms_of
from tiny_omni import CHOICE, EMOTIONS, noise
from torch import nn

from esn_interp.errors import EditError, ModelError
from esn_interp.models.decoding import greedy
from esn_interp.models.edits import Edit
from esn_interp.models.loading import load

CLIPS = noise(0.7, 1.3)
FIRST, SECOND = [Edit(0, np.arange(6), gain=0.0)], [Edit(2, np.arange(9), gain=3.0)]


class Box(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inner, self.config = model, model.config


class Adapted(nn.Module):
    """As peft wraps a model whose linear layers it has replaced."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.base_model, self.peft_config = model, {"default": object()}

    def get_base_model(self) -> nn.Module:
        return self.base_model


def scores(lm, edits=()):
    return lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS, edits=edits)


# ------------------------------------------------------------------ wrappers


@pytest.mark.parametrize(
    "wrap",
    [
        torch.nn.DataParallel,
        lambda model: torch.compile(model, backend="eager"),
        Adapted,
        lambda model: Adapted(torch.nn.DataParallel(model)),
    ],
    ids=["DataParallel", "compile", "peft", "twice"],
)
def test_a_wrapped_model_works_like_the_model_inside(tiny_lm, wrap):
    opened = load(wrap(tiny_lm.model), processor=tiny_lm.processor)
    assert opened.model is tiny_lm.model
    assert np.array_equal(scores(opened), scores(tiny_lm))
    assert_close(scores(opened, SECOND), scores(tiny_lm, SECOND), terms=terms_of(tiny_lm.model))


def test_an_unknown_wrapper_is_refused_with_what_to_hand_over(tiny_lm):
    with pytest.raises(
        ModelError, match=r"Box wraps a Qwen2_5Omni\w+; hand over the inner model: load\(model\.inner"
    ):
        load(Box(tiny_lm.model), processor=tiny_lm.processor)


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")  # peft asks for it
@pytest.mark.parametrize(("part", "plan"), [("down_proj", "traced"), ("q_proj", "scaled")])
def test_what_peft_put_into_a_model_is_edited_with_it(tiny_lm, part: str, plan: str):
    """An adapter of the weights that read the gates would miss a scaled column, so nothing is scaled there."""
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    # Weights that begin as noise: an adapter that begins as nothing would hide a mistake.
    config = peft.LoraConfig(r=2, target_modules=[part], init_lora_weights=False)
    adapted = load(peft.get_peft_model(copy.deepcopy(tiny_lm.model), config).eval(), processor=tiny_lm.processor)
    unedited = scores(adapted)
    assert not np.allclose(unedited, scores(tiny_lm))
    with editing(adapted, FIRST):
        expected = scores(adapted)
    assert not np.allclose(unedited, expected)
    assert_close(scores(adapted, FIRST), expected, terms=terms_of(tiny_lm.model))
    assert adapted.carried.plan == plan
    if plan == "traced":
        with pytest.raises(EditError, match="not a plain linear layer"):
            adapted.scores(adapted.encode(CLIPS, CHOICE), EMOTIONS, edits=FIRST, plan="scaled")


# ------------------------------------------------------------------ settings of a checkpoint


@pytest.mark.parametrize(
    "settings",
    [
        {"return_dict_in_generate": True, "output_scores": True},
        {"num_beams": 3, "num_return_sequences": 3},
        {"num_beams": 3, "length_penalty": 2.0, "early_stopping": True},
        {"repetition_penalty": 5.0, "no_repeat_ngram_size": 1},
        {"do_sample": True, "temperature": 5.0, "top_k": 3, "top_p": 0.3},
        {"min_new_tokens": 5, "stop_strings": ["a"]},
    ],
    ids=lambda settings: ", ".join(settings),
)
@pytest.mark.parametrize("positions", [None, frozenset({"audio"})])
def test_answers_are_greedy_whatever_a_checkpoint_says(tiny_lm, settings, positions):
    edits = [] if positions is None else [Edit(1, np.arange(6), gain=0.0, positions=positions)]
    plain = tiny_lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=6)
    for name, value in settings.items():
        setattr(tiny_lm.model.generation_config, name, value)
    assert tiny_lm.generate(CLIPS, CHOICE, edits=edits, max_new_tokens=6) == plain


def test_a_model_with_a_way_of_its_own_to_write_is_told_nothing_else():
    assert greedy(nn.Linear(1, 1)) == {"do_sample": False}


# ------------------------------------------------------------------ signs for audio


@pytest.mark.parametrize("ask", ["generate", "encode", "text_log_probs", "gates"])
def test_a_sign_for_audio_in_a_text_is_refused(tiny_lm, ask):
    text = "<|AUDIO|> How does the speaker feel?"
    calls = {
        "generate": lambda: tiny_lm.generate(CLIPS, text),
        "encode": lambda: tiny_lm.encode(CLIPS, text),
        "text_log_probs": lambda: tiny_lm.text_log_probs([text]),
        "gates": lambda: tiny_lm.gates(CLIPS[0], text),
    }
    with pytest.raises(ModelError, match=r"the text holds '<\|AUDIO\|>', a sign of the model's own"):
        calls[ask]()


def test_a_word_is_no_sign(tiny_lm):
    assert len(tiny_lm.generate(CLIPS, "What of the audio < AUDIO > here?", max_new_tokens=2)) == len(CLIPS)


# ------------------------------------------------------------------ inference mode


def test_gradients_within_inference_mode(tiny_lm):
    target = np.array([0, 1])
    expected = tiny_lm.attributions(tiny_lm.encode(CLIPS, CHOICE), EMOTIONS, target)
    with torch.inference_mode():
        encoded = tiny_lm.encode(CLIPS, CHOICE)
        within = tiny_lm.attributions(encoded, EMOTIONS, target)
        assert torch.is_inference_mode_enabled()
    behind = tiny_lm.attributions(encoded, EMOTIONS, target)
    for found in (within, behind):
        assert_close(found.values, expected.values, terms=2 * terms_of(tiny_lm.model))


def test_a_model_of_inference_tensors_scores_and_says_why_it_has_no_gradients(tiny_lm):
    expected, encoded = scores(tiny_lm, SECOND), tiny_lm.encode(CLIPS, CHOICE)
    with torch.inference_mode():
        tiny_lm.model.to("meta").to_empty(device="cpu")
    assert next(tiny_lm.model.parameters()).is_inference()
    with pytest.raises(EditError, match=r"loaded within torch\.inference_mode"):
        tiny_lm.attributions(encoded, EMOTIONS, np.array([0, 1]))
    assert scores(tiny_lm, SECOND).shape == expected.shape
    assert tiny_lm.carried.plan == "traced"


# ------------------------------------------------------------------ blocks that overlap


@pytest.mark.parametrize("ended", [0, 1])
def test_a_block_takes_away_its_own_edits_whichever_ends_first(tiny_lm, ended):
    expected = scores(tiny_lm, (SECOND, FIRST)[ended])
    with ExitStack() as first, ExitStack() as second:
        first.enter_context(tiny_lm.steered(FIRST))
        second.enter_context(tiny_lm.steered(SECOND))
        (first, second)[ended].close()
        assert [edit.layer for edit in tiny_lm.standing] == [(2, 0)[ended]]
        assert_close(scores(tiny_lm), expected, terms=terms_of(tiny_lm.model))
    assert tiny_lm.standing == ()


def test_the_same_edits_may_stand_twice(tiny_lm):
    outer, inner = tiny_lm.steered(FIRST), tiny_lm.steered(FIRST)
    outer.__enter__()
    inner.__enter__()
    outer.__exit__(None, None, None)
    assert tiny_lm.standing == tuple(FIRST)
    inner.__exit__(None, None, None)
    assert tiny_lm.standing == ()
