"""A loaded model is the one that was meant: weights whole and finite, no training mode, known by its content."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import BUILDERS
from tiny_models.speakers import save_whole_omni

from esn_interp.errors import EditError, EsnWarning, ModelError, StatisticsError
from esn_interp.interventions.edits import steer
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load, load_speaking
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin

WAVE = (0.5 * np.sin(np.arange(8000) / 9)).astype(np.float32)
LABELS = ("angry", "sad")


def scores(lm: AudioLM, edits=()) -> np.ndarray:
    return lm.scores(lm.encode([WAVE], "How?"), LABELS, edits=edits)


def changed(folder: Path, to: Path, change) -> Path:
    shutil.copytree(folder, to)
    for weights in to.glob("*.safetensors"):
        save_file(change(load_file(weights)), weights, metadata={"format": "pt"})
    return to


def without(part: str):
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if part not in name}


# ---------------------------------------------------------------- missing


@pytest.mark.parametrize("family", ["kimi-audio", "minicpm-o"])
def test_a_weight_that_the_code_of_a_checkpoint_does_not_miss_is_missed(family: str, tmp_path: Path):
    whole = BUILDERS[family](tmp_path / "whole")
    lacking = changed(whole, tmp_path / "lacking", without("layers.1.mlp.gate_proj"))
    with pytest.raises(ModelError, match=r"lacks \d+ of the model's weights.*gate_proj.*allow_missing"):
        load(lacking, trust_remote_code=True)


def test_so_it_is_in_a_class_with_a_from_pretrained_of_its_own(tmp_path: Path):
    speaking = save_whole_omni(tmp_path / "whole")
    assert load_speaking(speaking).component == "talker"
    lacking = changed(speaking, tmp_path / "lacking", without("talker.model.layers.0.mlp.gate_proj"))
    assert load(lacking).n_layers  # the part that answers is whole
    with pytest.raises(ModelError, match=r"lacks 1 of the model's weights.*talker.*gate_proj"):
        load_speaking(lacking)


def test_what_is_named_may_be_missing_and_is_told(tiny_folder: Path, tmp_path: Path):
    lacking = changed(tiny_folder, tmp_path / "lacking", without("layers.1.mlp.gate_proj"))
    with pytest.raises(ModelError, match="gate_proj"):
        load(lacking, allow_missing=["*.up_proj.weight"])
    with pytest.warns(EsnWarning, match=r"1 weights are not in the checkpoint and were drawn at random, as allowed"):
        assert load(lacking, allow_missing=["*layers.1.mlp.gate_proj.weight"]).n_layers == 3
    with pytest.raises(ModelError, match="gate_proj"):  # it was allowed once
        load(lacking)


# ---------------------------------------------------------------- finite


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused_by_name(tiny_folder: Path, tmp_path: Path, value: float):
    def damage(tensors):
        (name,) = (name for name in tensors if name.endswith("model.layers.1.mlp.down_proj.weight"))
        tensors[name][3, 2] = value
        return tensors

    damaged = changed(tiny_folder, tmp_path / "damaged", damage)
    with pytest.raises(ModelError, match=r"layers\.1\.mlp\.down_proj\.weight holds values that are no finite"):
        load(damaged)


def test_so_are_those_of_a_model_that_is_handed_over(tiny_lm: AudioLM):
    with torch.no_grad():
        tiny_lm.model.get_output_embeddings().weight[0, 0] = float("nan")
    with pytest.raises(ModelError, match="no finite numbers"):
        load(tiny_lm.model, processor=tiny_lm.processor)


def test_an_unknown_precision_is_refused(tiny_folder: Path):
    with pytest.raises(ModelError, match="unknown dtype 'float17'; choose from auto, float32"):
        load(tiny_folder, dtype="float17")


# ---------------------------------------------------------------- training mode, and weights that change


def test_training_mode_is_noticed_wherever_it_was_begun(tiny_lm: AudioLM):
    before = scores(tiny_lm)
    encoded = tiny_lm.encode([WAVE], "How?")
    for part in (tiny_lm.model, tiny_lm.stacks["thinker"].decoder.layers[1].mlp):
        part.train()
        for run in (
            lambda: tiny_lm.scores(encoded, LABELS),
            lambda: tiny_lm.encode([WAVE], "How?"),
            lambda: tiny_lm.generate([WAVE], "How?"),
            lambda: tiny_lm.text_log_probs(["so it is"]),
            lambda: tiny_lm.attributions(encoded, LABELS, np.array([0])),
        ):
            with pytest.raises(ModelError, match=r"in training mode.*call lm\.model\.eval\(\) first"):
                run()
        tiny_lm.model.eval()
    np.testing.assert_array_equal(scores(tiny_lm), before)


def neurons_of(lm: AudioLM) -> NeuronSet:
    origin = Origin.of(lm, corpus="noise", corpus_fingerprint="0")
    return NeuronSet.from_indices(origin, {"angry": np.array([1, 5])}, selector="mad")


@pytest.mark.parametrize("how", ["in place", "behind torch's back", "another tensor"])
def test_a_fingerprint_is_that_of_the_weights_as_they_are(tiny_lm: AudioLM, how: str):
    before, weight = tiny_lm.fingerprint, tiny_lm.stacks["thinker"].decoder.layers[0].mlp.gate_proj.weight
    assert tiny_lm.fingerprint == before
    original = weight.detach().clone()
    with torch.no_grad():
        if how == "in place":
            weight.mul_(2.0)
        elif how == "behind torch's back":
            weight.data.mul_(2.0)
        else:
            weight.data = weight.data * 2.0
    assert tiny_lm.fingerprint != before
    with torch.no_grad():
        weight.copy_(original)
    assert tiny_lm.fingerprint == before


def test_neurons_do_not_outlive_the_weights_that_they_were_found_in(tiny_lm: AudioLM):
    edits = steer(neurons_of(tiny_lm), 1.0)
    scores(tiny_lm, edits)
    with torch.no_grad():
        tiny_lm.stacks["thinker"].decoder.layers[0].mlp.gate_proj.weight.mul_(2.0)
    with pytest.raises(StatisticsError, match="the neurons of an edit come from"):
        scores(tiny_lm, edits)


def test_runs_that_write_weights_and_put_them_back_don_t_have_them_digested_again(
    tiny_lm: AudioLM, monkeypatch: pytest.MonkeyPatch
):
    from esn_interp.models import identified

    edits, counted = steer(neurons_of(tiny_lm), 1.0), [0]
    digest = identified.weights_fingerprint

    def counting(model):
        counted[0] += 1
        return digest(model)

    monkeypatch.setattr(identified, "weights_fingerprint", counting)
    scores(tiny_lm, edits)
    assert tiny_lm.carried.plan == "scaled"
    first = counted[0]
    for _ in range(3):
        scores(tiny_lm, edits)
    assert counted[0] == first


# ---------------------------------------------------------------- answers that are none


@pytest.mark.parametrize("compiled", [False, True])
def test_an_answer_by_scores_that_are_no_numbers_is_none(tiny_lm: AudioLM, compiled: bool):
    assert len(tiny_lm.generate([WAVE], "How?", compiled=compiled)) == 1
    with torch.no_grad():
        tiny_lm.model.get_output_embeddings().weight[3, 0] = float("nan")
    with pytest.raises(ModelError, match="scores are not finite while it writes; run it in float32"):
        tiny_lm.generate([WAVE], "How?", compiled=compiled)
    with pytest.raises(EditError, match="not finite while it writes; edit less strongly"):
        tiny_lm.generate([WAVE], "How?", edits=steer(neurons_of(tiny_lm), 1.0), compiled=compiled)
    with pytest.raises(EditError, match="the text's log-probabilities are not finite"):
        tiny_lm.text_log_probs(["so it is"])


def test_tokens_that_are_ruled_out_are_none_of_that(tiny_lm: AudioLM):
    tiny_lm.model.generation_config.suppress_tokens = [5, 6]
    assert len(tiny_lm.generate([WAVE], "How?")) == 1
