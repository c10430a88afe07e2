"""Low-rank adapters: what is fitted is low in rank, teaches what it is told to, and leaves the model as it was."""

import numpy as np
import pytest
import torch
from planted_listener import PlantedListener, planted_clips
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.analysis.baselines.others import STRENGTHS, adapted
from esn_interp.errors import ModelError
from esn_interp.models import adapters
from esn_interp.models.adapters import Lesson, added, fitted_adapter, why_no_adapter
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load
from esn_interp.tasks.recognition import Recognition, recognise

CLIPS = noise(0.4, 0.7, 0.5)
SAD = EMOTIONS.index("sad")


@pytest.fixture
def lm(tiny_folder) -> AudioLM:
    return load(tiny_folder, dtype="float32")


def lesson(lm: AudioLM) -> Lesson:
    return Lesson(lm.encode(CLIPS, CHOICE), np.full(len(CLIPS), SAD))


def fitted(lm: AudioLM, *, seed: int = 0, steps: int = 8):
    return fitted_adapter(lm, [lesson(lm)], EMOTIONS, rank=2, steps=steps, seed=seed)


def test_it_teaches_the_answer_and_leaves_the_model_as_it_was(lm):
    before = lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS)
    weights = {name: value.clone() for name, value in lm.model.state_dict().items()}
    adapter = fitted(lm)
    assert all(torch.equal(value, weights[name]) for name, value in lm.model.state_dict().items())
    assert {name.split(".layers.")[1].split(".")[0] for name in adapter} == {"0", "1", "2"}
    assert not any("lm_head" in name or "audio_tower" in name or "talker" in name for name in adapter)
    for name, delta in adapter.items():
        assert torch.linalg.matrix_rank(delta) <= 2, name
    wanted = []
    for strength in (0.0, 0.5, 1.0):
        with added(lm, adapter, strength) as model:
            wanted.append(model.scores(model.encode(CLIPS, CHOICE), EMOTIONS)[:, SAD].mean())
            for name, delta in adapter.items():
                expected = weights[name] + strength * delta
                assert torch.equal(dict(lm.model.named_parameters())[name], expected)
    assert wanted[0] == before[:, SAD].mean()
    assert wanted[0] < wanted[1] < wanted[2]
    np.testing.assert_array_equal(lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS), before)


def test_the_first_step_goes_down_the_slope_of_a_plain_forward_pass(lm):
    """At first B is 0 and only B has a slope: Adam's first step is its sign, times the step size."""
    adapter = fitted(lm, steps=1)
    name = next(iter(adapter))
    parameters = dict(lm.model.named_parameters())
    weight = parameters[name]
    inputs = lm.encode(CLIPS, CHOICE).inputs.tensors
    ids = [lm.processor.tokenizer(one, add_special_tokens=False).input_ids[0] for one in EMOTIONS]
    with torch.enable_grad():
        weight.requires_grad_(True)
        logits = lm.family.generator(lm.model)(**inputs).logits[:, -1, ids]
        (slope,) = torch.autograd.grad(-logits.log_softmax(-1)[:, SAD].mean(), weight)
        weight.requires_grad_(False)
    # The change is B A, with A of the first step: along it, the loss falls.
    assert float((slope * adapter[name]).sum()) < 0
    total = sum(float((torch.abs(delta)).sum()) for delta in adapter.values())
    assert total > 0


def test_the_same_seed_gives_the_same_adapter(lm):
    one, same, other = fitted(lm), fitted(lm), fitted(lm, seed=1)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_why_there_is_none_is_told(lm, monkeypatch):
    assert why_no_adapter(lm, EMOTIONS) == ""
    assert "several" in why_no_adapter(lm, ("look at that", "here"))
    with pytest.raises(ModelError, match="labels of one token"):
        fitted_adapter(lm, [lesson(lm)], ("look at that", "here"), rank=1, steps=1, seed=0)
    assert "no weights" in why_no_adapter(PlantedListener(), EMOTIONS)
    monkeypatch.setattr(adapters, "find_spec", lambda name: None)
    assert "pip install 'esn-interp[adapter]'" in why_no_adapter(lm, EMOTIONS)
    others, why = adapted(
        lm, planted_clips(speakers=1), Recognition(EMOTIONS), EMOTIONS, rank=2, seed=0, batch_size=4, strict=False
    )
    assert (others, why) == ([], why_no_adapter(lm, EMOTIONS))


def test_as_a_baseline_it_is_a_model_for_every_emotion_and_strength(lm):
    clips, question = planted_clips(speakers=2, takes=1), Recognition(EMOTIONS)
    how = {"rank": 2, "seed": 0, "batch_size": 5, "strict": True}
    others, why = adapted(lm, clips, question, ("angry", "sad"), **how)
    assert why == ""
    assert [one.strength for one in others] == list(STRENGTHS)
    before = recognise(lm, clips, recognition=question, progress=False)
    for emotion in ("angry", "sad"):
        with others[-1].towards(emotion) as model:
            answers = recognise(model, clips, recognition=question, progress=False)
        assert (answers.predicted[0] == EMOTIONS.index(emotion)).all()
    assert adapted(lm, clips, question, ("angry",), **{**how, "rank": 0}) == ([], "")
    again = recognise(lm, clips, recognition=question, progress=False)
    np.testing.assert_array_equal(again.log_probs, before.log_probs)
