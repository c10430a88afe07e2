"""Kimi-Audio, on a stand-in of the code that comes with it: what the shared contract does not ask.

The reference is the published way of asking it, its two-stream loop.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import write_wave
from kimia_infer.api.kimia import KimiAudio as Pipeline
from puppet_model import sources
from tiny_models import BUILDERS
from tiny_omni import CHOICE, EMOTIONS, noise

from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.conversion import ConversionWarning, convert
from esn_interp.models.edits import Edit
from esn_interp.models.families.manner import Manner
from esn_interp.models.loading import load
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.tasks.conversion import conversions

CLIP, OTHER = noise(0.7, 1.1)
WORDS = 9
WORDY = Manner(max_new_tokens=WORDS)
BRIEF = Manner(max_new_tokens=WORDS, max_seconds=1.6)


@pytest.fixture(scope="module")
def kimi_folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return BUILDERS["kimi-audio"](tmp_path_factory.mktemp("checkpoint") / "kimi")


@pytest.fixture(scope="module")
def kimi(kimi_folder) -> AudioLM:
    return load(kimi_folder, trust_remote_code=True)


@pytest.fixture(scope="module")
def pipeline(kimi_folder) -> Pipeline:
    return Pipeline(kimi_folder)


def some_neurons(lm: AudioLM) -> NeuronSet:
    return NeuronSet.from_indices(Origin.of(lm), {"sad": np.arange(0, lm.n_gates, 3)})


def published_loop(lm: AudioLM, path: Path, steps: int) -> list[int]:
    """Kimi-Audio's own greedy loop for text: the audio stream stays blank, both streams are fed back."""
    messages = [
        {"role": "user", "message_type": "text", "content": CHOICE},
        {"role": "user", "message_type": "audio", "content": str(path)},
    ]
    content = lm.processor.feature_extractor.get_prompt(messages, output_type="text")
    special = lm.processor.feature_extractor.extra_tokens
    audio, text, continuous = content.to_tensor()
    features, positions, past, said = content.continuous_feature, torch.arange(audio.shape[1])[None], None, []
    for _ in range(steps):
        with torch.no_grad():
            _, logits, past = lm.model(
                input_ids=audio,
                text_input_ids=text,
                whisper_input_feature=features,
                is_continuous_mask=continuous,
                position_ids=positions,
                past_key_values=past,
                use_cache=True,
                return_dict=False,
            )
        text = logits[:, -1].argmax(-1, keepdim=True)
        said.append(int(text))
        if said[-1] == special.kimia_text_eos:
            break
        audio, features, continuous = torch.full_like(text, special.kimia_text_blank), None, None
        positions = positions[:, -1:] + 1
    return said


def logits_with(lm: AudioLM, stack: str | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Speech and text logits of one forward, with the gates of one stack doubled by plain hooks."""
    clip = lm.family.one(lm.family.inputs(lm.processor, [CLIP], CHOICE).tensors, 0)
    with ExitStack() as hooks, torch.no_grad():
        for gate in lm.stacks[stack].gates if stack else ():
            hooks.callback(gate.module.register_forward_hook(lambda _, __, output: 2 * output).remove)
        features = [clip.pop("whisper_input_feature")]
        positions = torch.arange(clip["input_ids"].shape[1])[None]
        return lm.model(
            **clip, whisper_input_feature=features, position_ids=positions, return_dict=True
        ).logits


def everywhere(lm: AudioLM, stack: str, gain: float = 3.0) -> list[Edit]:
    return [Edit(layer, np.arange(width), gain=gain) for layer, width in enumerate(lm.stacks[stack].widths)]


class TestKimiAudio:
    def test_the_two_streams_have_the_published_layout(self, kimi):
        inputs = kimi.family.inputs(kimi.processor, [CLIP, OTHER], CHOICE)
        special = kimi.processor.feature_extractor.extra_tokens
        question = kimi.processor.tokenizer(CHOICE)["input_ids"]
        for row, waveform in enumerate((CLIP, OTHER)):
            clip, codes = kimi.family.one(inputs.tensors, row), -(-len(waveform) // 1280)
            audio, text = clip["input_ids"][0].tolist(), clip["text_input_ids"][0].tolist()
            blank = special.kimia_text_blank
            assert audio[0] == special.kimia_user_msg_start
            assert text == [blank, *question, *[blank] * (codes + 5)]
            assert audio[1 : len(question) + 1] == [blank] * len(question)
            assert audio[len(question) + 1] == special.media_begin
            ends = [special.media_end, special.kimia_speech_ct_id, special.msg_end]
            assert audio[-4:] == [*ends, special.kimia_assistant_msg_start]
            heard = clip["is_continuous_mask"][0]
            assert (
                int(heard.sum())
                == codes
                == int(inputs.audio[row].sum())
                == clip["whisper_input_feature"].shape[1]
            )
            assert all(token >= kimi.model.config.kimia_token_offset for token in np.array(audio)[heard])

    def test_one_clips_prompt_reaches_the_decoder_to_the_bit(self, kimi):
        encoded = kimi.encode([CLIP], CHOICE)
        assert encoded.decoder_inputs["attention_mask"] is None
        hidden = kimi.family.decoder(kimi.model)(**encoded.decoder_inputs).last_hidden_state
        assert torch.equal(kimi.model.lm_head(hidden), logits_with(kimi, None)[1])

    def test_answers_are_those_of_the_published_loop(self, kimi, tmp_path):
        for waveform in (CLIP, OTHER):
            said = published_loop(kimi, write_wave(tmp_path / "clip.wav", waveform), WORDS)
            assert kimi.generate([waveform], CHOICE, max_new_tokens=WORDS) == [
                kimi.processor.tokenizer.batch_decode(torch.tensor([said]))[0].strip()
            ]

    @pytest.mark.parametrize(
        ("stack", "speech_changes", "text_changes"),
        [("shared", True, True), ("text", False, True), ("mimo", True, False)],
    )
    def test_the_fork_decides_what_a_gate_can_change(self, kimi, stack, speech_changes, text_changes):
        before, after = logits_with(kimi, None), logits_with(kimi, stack)
        changes = [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
        assert changes == [speech_changes, text_changes]

    def test_the_text_stack_is_the_end_of_the_thinker(self, kimi):
        text = load(kimi.model, processor=kimi.processor, component="text")
        shift = len(kimi.stacks["shared"])
        edits = everywhere(text, "text")
        shifted = [Edit(edit.layer + shift, edit.neurons, gain=edit.gain) for edit in edits]
        ours = text.scores(text.encode([CLIP], CHOICE), EMOTIONS, edits=edits, plan="traced")
        theirs = kimi.scores(kimi.encode([CLIP], CHOICE), EMOTIONS, edits=shifted, plan="traced")
        np.testing.assert_array_equal(ours, theirs)
        assert not np.allclose(ours, kimi.scores(kimi.encode([CLIP], CHOICE), EMOTIONS))

    def test_gates_of_the_speech_layers_can_be_looked_at_but_not_scored(self, kimi):
        mimo = load(kimi.model, processor=kimi.processor, component="mimo")
        tokens = kimi.gates(CLIP).tokens
        assert [gate.shape for gate in mimo.gates(CLIP).layers] == [(len(tokens), 24)] * len(
            mimo.stacks["mimo"]
        )
        with pytest.raises(ModelError, match="mimo takes no part in answering"):
            mimo.encode([CLIP], CHOICE)

    def test_it_speaks_through_the_pipeline(self, pipeline):
        lm = load(pipeline.alm, processor=pipeline)
        said = lm.speak(CLIP, CHOICE, manner=BRIEF)
        again = lm.speak(CLIP, CHOICE, manner=BRIEF)
        assert said.sampling_rate == 24_000
        assert 0 < len(said.waveform) <= 1.6 * 24_000
        np.testing.assert_array_equal(said.waveform, again.waveform)

    @pytest.mark.parametrize("component", ["mimo", "shared"])
    def test_edits_are_heard(self, pipeline, component):
        lm = load(pipeline.alm, processor=pipeline, component=component)
        plain, edited = (
            lm.speak(CLIP, CHOICE, manner=BRIEF),
            lm.speak(CLIP, CHOICE, edits=everywhere(lm, component), manner=BRIEF),
        )
        assert edited.waveform.shape != plain.waveform.shape or not np.allclose(
            edited.waveform, plain.waveform
        )

    def test_what_is_edited_after_the_fork_is_heard_only_through_the_words(self, pipeline):
        """An edit too small to change a word changes the text's logits, and no sound at all."""
        lm = load(pipeline.alm, processor=pipeline, component="text")
        small = [Edit(0, np.arange(lm.widths[0]), gain=1.0 + 1e-3)]
        plain, edited = lm.speak(CLIP, CHOICE, manner=BRIEF), lm.speak(CLIP, CHOICE, edits=small, manner=BRIEF)
        assert edited.text == plain.text
        np.testing.assert_array_equal(edited.waveform, plain.waveform)

    def test_it_converts_and_says_which_gates_cannot_be_heard(self, pipeline):
        lm = load(pipeline.alm, processor=pipeline, component="mimo")
        manner = Manner(top_k=5, max_new_tokens=WORDS, max_seconds=1.6)
        options: dict[str, Any] = {"manner": manner, "gates": True, "progress": False}
        one, two = (conversions(lm, sources("neutral"), ["sad"], batch_size=size, **options) for size in (1, 2))
        for first, second in zip(one.conversions, two.conversions, strict=True):
            assert np.array_equal(first.codes, second.codes)
            assert first.tokens == len(first.codes)
        assert one.reductions is not None
        assert one.reductions[0] is not None
        assert set(one.reductions[0].tokens) == {"audio", "text", "last", "generated"}
        text = load(pipeline.alm, processor=pipeline, component="text")
        with pytest.warns(ConversionWarning, match="come after its fork and lead to the text only"):
            convert(text, CLIP, to="sad", neurons=some_neurons(text), alpha=1.0, manner=manner)
        assert lm.inaudible([0]) is None
        thinker = load(pipeline.alm, processor=pipeline)
        fork = len(thinker.stacks["shared"])
        assert thinker.inaudible([fork - 1]) is None
        assert thinker.inaudible([0, fork]) is not None

    def test_without_a_detokenizer_it_writes_only(self, kimi):
        with pytest.raises(ModelError, match=r"load\(kimi.alm, processor=kimi\)"):
            kimi.speak(CLIP, CHOICE)

    def test_markers_and_what_comes_after_the_end_are_no_words(self, kimi):
        special = kimi.processor.feature_extractor.extra_tokens
        (sad,) = kimi.processor.tokenizer("sad")["input_ids"]
        code = kimi.model.config.kimia_token_offset + 3
        tokens = [special.kimia_text_blank, sad, code, special.kimia_text_eos, sad]
        assert kimi.processor.tokenizer.batch_decode(torch.tensor([tokens])) == ["sad"]

    def test_a_system_prompt_is_refused(self, kimi):
        lm = load(kimi.model, processor=kimi.processor, system="Be kind.")
        with pytest.raises(ModelError, match="no system prompt"):
            lm.encode([CLIP], CHOICE)

    def test_it_says_what_it_needs(self, kimi_folder, monkeypatch):
        with pytest.raises(ModelError, match="trust_remote_code=True"):
            load(kimi_folder)
        with pytest.raises(ModelError, match="not a prompt manager of kimia_infer"):
            load(Pipeline(kimi_folder).alm, processor=object())
        monkeypatch.setitem(sys.modules, "kimia_infer.api.prompt_manager", None)
        with pytest.raises(ModelError, match="install kimia_infer from"):
            load(kimi_folder, trust_remote_code=True)
