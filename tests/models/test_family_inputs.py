"""What goes into a model beside its weights: prompts, templates, processors; each refused where it can't be right."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tiny_omni import noise
from torch import nn

from esn_interp.errors import AudioError, ModelError, StatisticsError
from esn_interp.models.families import FAMILIES, ByStructure, Family
from esn_interp.models.families.inputs import each, require_whole, template_of
from esn_interp.models.families.spoken import Manner, SpeechRequest
from esn_interp.models.gate_view import Start
from esn_interp.models.wrappers import unwrapped
from esn_interp.models.written import written_inputs


def test_there_is_one_prompt_for_all_or_one_each():
    assert each("How?", 2) == ["How?", "How?"]
    assert each(["How?", "Who?"], 2) == ["How?", "Who?"]
    with pytest.raises(ModelError, match="1 prompts for 2 clips; give one for all, or one each"):
        each(["How?"], 2)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("chat_template.jinja", "{{ it }}", "{{ it }}"),
        ("chat_template.json", json.dumps("{{ it }}"), "{{ it }}"),
        ("chat_template.json", json.dumps({"chat_template": "{{ it }}"}), "{{ it }}"),
        ("other.json", "{}", None),
    ],
)
def test_a_chat_template_is_read_from_a_file_of_its_own(tmp_path: Path, name: str, text: str, found: str | None):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert template_of(SimpleNamespace(), tmp_path) == found
    assert template_of(SimpleNamespace(chat_template="{{ own }}"), tmp_path) == "{{ own }}"


def test_a_template_of_another_kind_is_damaged(tmp_path: Path):
    (tmp_path / "chat_template.json").write_text('{"chat_template": 3}', encoding="utf-8")
    with pytest.raises(StatisticsError, match=r"chat_template\.json: entry 'chat_template' is 3"):
        template_of(SimpleNamespace(), tmp_path)


def test_a_clip_that_an_extractor_cuts_is_refused_where_the_extractor_tells():
    extractor = SimpleNamespace(hop_length=160, feature_size=8, sampling_rate=16_000)
    clip, features = noise(2.0)[0], torch.zeros(1, 8, 100)
    with pytest.raises(AudioError, match=r"a clip of 2\.0 s is longer than the 1 s that Toy hears; cut it"):
        require_whole(features, extractor, clip, "Toy")
    require_whole(torch.zeros(1, 8, 200), extractor, clip, "Toy")
    require_whole(features, SimpleNamespace(sampling_rate=16_000), clip, "Toy")  # nothing is known of its frames
    require_whole(None, extractor, clip, "Toy")


class WithAudio(nn.Module):
    """As much of a model as its vocabulary and its sign for audio."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.config = SimpleNamespace(audio_token_id=token)
        self.embedding = nn.Embedding(10, 2)


class Plain(ByStructure):
    def embedding(self, model: nn.Module) -> nn.Module:
        return model.embedding  # pyright: ignore[reportReturnType]


def test_the_processor_of_a_larger_vocabulary_is_refused(tiny_lm: Any):
    given = SimpleNamespace(tokenizer=tiny_lm.processor.tokenizer, feature_extractor=object(), chat_template="{{ it }}")
    assert Family.processor(Plain(), WithAudio(9), given).audio_token_id == 9
    with pytest.raises(ModelError, match="its audio token is number 13, but the model knows 10 tokens"):
        Family.processor(Plain(), WithAudio(13), given)


def test_a_model_without_a_place_for_audio_is_refused():
    with pytest.raises(ModelError, match="Module: no audio token in its configuration"):
        ByStructure().audio_token_id(nn.Module(), SimpleNamespace())


@pytest.mark.usefixtures("unchecked")
def test_a_model_that_answers_in_writing_says_so_and_one_that_speaks_wants_a_clip(tiny_lm: Any):
    silent = next(family for family in FAMILIES if family.name == "qwen2-audio")
    with pytest.raises(ModelError, match="does not speak, it answers in writing"):
        silent.speak(None)
    request = SpeechRequest((None,), "How?", (0,), Manner())
    with pytest.raises(ModelError, match="speaks about a clip; give it one"):
        tiny_lm.family.speech_inputs(tiny_lm.processor, request)


def test_a_sentence_is_asked_about_only_in_a_template_that_lets_it_stand(tiny_lm: Any):
    with pytest.raises(ModelError, match="no chat template for text alone"):
        written_inputs(replace(tiny_lm.processor, chat_template=""), ["I am glad."], "How?")
    with pytest.raises(ModelError, match="chat template leaves out what it is told in text"):
        written_inputs(replace(tiny_lm.processor, chat_template="user asks"), ["I am glad."], "How?")


def test_a_run_that_is_taken_up_again_repeats_all_that_a_layer_gave():
    hidden, extra = torch.arange(6.0).reshape(1, 2, 3), torch.ones(1, 2, 3)
    repeated = Start(2, (hidden, extra)).repeated(3)
    assert repeated.layer == 2
    assert [part.shape for part in repeated.output] == [(3, 2, 3), (3, 2, 3)]
    assert all(torch.equal(one, hidden[0]) for one in repeated.output[0])
    assert torch.equal(Start(2, hidden).repeated(2).output, torch.cat([hidden, hidden]))


def test_two_models_in_one_are_not_taken_for_a_wrapper(tiny_lm: Any):
    pair = nn.Module()
    pair.first, pair.second = tiny_lm.model, tiny_lm.model.__class__(tiny_lm.model.config)
    assert unwrapped(pair) is pair
    assert np.isfinite(tiny_lm.model.lm_head.weight.detach().numpy()).all()
