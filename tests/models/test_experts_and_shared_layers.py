"""What Qwen3-Omni and the Gemmas do differently from a plain decoder, and what is promised in spite of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models.gemma import save_gemma_3n, save_gemma_4
from tiny_models.qwen3_omni import save_qwen3_omni
from tiny_omni import CHOICE, noise

from esn_interp.models.edits import Edit
from esn_interp.models.loading import load


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


def test_a_loaded_mixture_is_switched_to_experts_that_can_be_read(folder):
    from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

    path = save_qwen3_omni(folder / "qwen3-omni")
    model = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(path, experts_implementation="eager")
    given = load(path)
    ours = load(model, processor=given.processor)
    assert model.model.language_model.config._experts_implementation == "batched_mm"
    edits = [Edit(0, np.arange(0, given.widths[0], 2), gain=3.0)]
    waveforms = noise(1.2)
    assert ours.generate(waveforms, CHOICE, edits=edits) == given.generate(waveforms, CHOICE, edits=edits)


@pytest.mark.parametrize(("seconds", "tokens"), [(0.3, 13), (1.0, 13), (1.3, 17), (2.04, 27)])
def test_qwen3_omni_has_as_many_audio_tokens_as_its_encoder_gives(folder, seconds, tokens):
    path = folder / "qwen3-omni"
    lm = load(path if path.exists() else save_qwen3_omni(path))
    inputs = lm.family.inputs(lm.processor, noise(seconds), CHOICE)
    assert int(inputs.audio.sum()) == tokens
    lm.encode(noise(seconds), CHOICE)  # the model itself refuses any other number


def test_layers_that_compute_only_the_end_of_a_prompt_are_edited_there(folder):
    lm = load(save_gemma_4(folder / "gemma-4"))
    shapes: dict[int, tuple[int, ...]] = {}

    def look(layer: int) -> Any:
        def hook(module, inputs, output):
            shapes.setdefault(layer, tuple(output.shape))

        return hook

    hooks = [gate.module.register_forward_hook(look(i)) for i, gate in enumerate(lm.stacks["thinker"].gates)]
    plain = lm.generate(noise(0.6, 1.1), CHOICE, max_new_tokens=4)
    for hook in hooks:
        hook.remove()
    assert [shape[1] == 1 for shape in shapes.values()] == [False, False, True, True]

    def answers(*positions: str) -> list[str]:
        edits = [
            Edit(layer, np.arange(0, lm.widths[layer], 2), gain=0.0, shift=9.0, positions=frozenset(positions))
            for layer in (2, 3)
        ]
        return lm.generate(noise(0.6, 1.1), CHOICE, edits=edits, max_new_tokens=4)

    assert answers("last") == answers("audio", "text", "last") != plain
    assert answers("generated") != plain


def test_filler_behind_a_clip_is_not_counted_as_audio(folder):
    lm = load(save_gemma_3n(folder / "gemma-3n"))
    inputs = lm.family.inputs(lm.processor, noise(0.7, 1.9), CHOICE)
    places = inputs.tensors["input_ids"].eq(lm.processor.audio_token_id).sum(dim=1)
    assert places.tolist() == [188, 188]
    with torch.no_grad():
        mask = inputs.tensors["input_features_mask"]
        heard = lm.model.model.get_audio_features(inputs.tensors["input_features"], ~mask).audio_mel_mask
    assert inputs.audio.sum(dim=1).tolist() == (~heard).sum(dim=1).tolist() == [5, 12]
