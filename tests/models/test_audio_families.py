"""What is particular to single families, beside the contract that they share: windows, prompts, adapters, features."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rounding import assert_close, terms_of
from tiny_models import BUILDERS
from tiny_omni import CHOICE, EMOTIONS, noise
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from esn_interp.errors import AudioError, ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.loading import load
from esn_interp.speech.corpora import corpus
from esn_interp.tasks.collection import CollectWarning, collect

CLIPS = noise(0.7, 1.3)
WINDOWED = {"audio-flamingo-3": 4, "music-flamingo": 4, "glm-asr": 8}  # mel frames to an audio token


@pytest.fixture(scope="module")
def model_of(family_folder: Any) -> Any:
    made: dict[str, AudioLM] = {}

    def model(family: str) -> AudioLM:
        if family not in made:
            made[family] = load(family_folder(family))
        return made[family]

    return model


def scores(lm: AudioLM, waveforms: list[np.ndarray]) -> np.ndarray:
    return lm.scores(lm.encode(waveforms, CHOICE), EMOTIONS)


def audio_tokens(lm: AudioLM, waveform: np.ndarray) -> int:
    return int(lm.family.inputs(lm.processor, [waveform], CHOICE).audio.sum())


@pytest.mark.parametrize("family", WINDOWED)
def test_long_audio_is_heard_in_windows(model_of, family):
    lm, (long, short) = model_of(family), noise(5.3, 0.7)
    inputs = lm.family.inputs(lm.processor, [long, short], CHOICE)
    assert len(inputs.tensors["input_features"]) == 3 + 1  # windows of two seconds
    frames = 530
    assert int(inputs.audio[0].sum()) == frames // WINDOWED[family]
    together = scores(lm, [long, short])
    alone = np.concatenate([scores(lm, [long]), scores(lm, [short])])
    assert_close(together, alone, terms=terms_of(lm.model))


@pytest.mark.parametrize("family", WINDOWED)
def test_what_is_said_in_a_later_window_matters(model_of, family):
    lm, (long,) = model_of(family), noise(5.3)
    other = long.copy()
    other[-16_000:] = noise(1.0, seed=9)[0]
    assert np.abs(scores(lm, [long]) - scores(lm, [other])).max() > 1e-3


@pytest.mark.parametrize(
    ("family", "seconds"), [("qwen2-audio", 31), ("audio-flamingo-3", 601), ("glm-asr", 656)]
)
def test_audio_longer_than_a_model_hears_is_refused(model_of, family, seconds):
    lm = model_of(family)
    with pytest.raises(AudioError, match=rf"{seconds}.0 s is longer than the \d+ s that .* hears; cut it"):
        lm.encode([np.ones(seconds * 16_000, dtype=np.float32)], CHOICE)


def test_audio_that_the_processor_would_cut_off_is_refused(model_of):
    """The tiny encoder hears three seconds, so the family's own limit does not show it."""
    with pytest.raises(AudioError, match=r"a clip of 3\.5 s is longer than the 3 s that Qwen2-Audio hears"):
        model_of("qwen2-audio").encode(noise(3.5), CHOICE)


def test_clips_longer_than_a_model_hears_are_left_out_and_listed(model_of, monkeypatch):
    lm, clips = model_of("glm-asr"), corpus("toy-studio").limit(10)
    monkeypatch.setattr(type(lm.family), "max_seconds", 1.4)
    long = {clip.id for clip in clips if len(clip.waveform()) > 1.4 * 16_000}
    assert 0 < len(long) < len(clips)
    with pytest.warns(CollectWarning):
        stats = collect(lm, clips, progress=False)
    assert {name for name, _ in stats.skipped} == long
    assert all("longer than the 1.4 s that the model hears; cut it" in reason for _, reason in stats.skipped)


def test_padding_is_never_taken_for_audio(model_of):
    lm = model_of("glm-asr")
    expected, tokenizer = scores(lm, CLIPS), lm.processor.tokenizer
    plain = tokenizer.pad_token
    tokenizer.pad_token = "<|pad|>"  # the audio token itself, as in GLM's vocabulary
    try:
        assert_close(scores(lm, CLIPS), expected, terms=terms_of(lm.model))
    finally:
        tokenizer.pad_token = plain


# ---------------------------------------------------------------- Voxtral


def test_voxtral_writes_the_prompt_of_its_instruct_format(model_of):
    lm, (clip,) = model_of("voxtral"), noise(2.5)
    inputs = lm.family.inputs(lm.processor, [clip], "How?").tensors
    tokens = lm.processor.tokenizer.convert_ids_to_tokens(inputs["input_ids"][0].tolist())
    chunks = 2  # of two seconds, 25 audio tokens each
    assert tokens == [
        "<s>",
        "[INST]",
        "[BEGIN_AUDIO]",
        *["[AUDIO]"] * 25 * chunks,
        "H",
        "o",
        "w",
        "?",
        "[/INST]",
    ]
    assert inputs["input_features"].shape == (chunks, 32, 200)


def test_voxtral_pads_every_clip_to_a_whole_chunk(model_of):
    lm = model_of("voxtral")
    assert [audio_tokens(lm, clip) for clip in noise(0.3, 1.9, 2.0, 2.1)] == [25, 25, 25, 50]


def test_voxtral_has_no_place_for_a_system_prompt(model_of):
    lm = model_of("voxtral")
    with pytest.raises(ModelError, match="no system prompt together with audio"):
        lm.family.inputs(lm.processor, CLIPS, CHOICE, system="You listen.")


def test_voxtral_without_its_tokenizer_says_what_is_missing(tmp_path):
    folder = BUILDERS["voxtral"](tmp_path / "voxtral")
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).unlink()
    with pytest.raises(ModelError, match="format of mistral-common: pip install mistral-common") as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_voxtral_with_the_tokenizer_of_another_model_says_so(model_of, tmp_path):
    from tiny_models import parts

    folder = BUILDERS["voxtral"](tmp_path / "voxtral")
    parts.tokenizer("<pad>", "</s>").save_pretrained(folder)
    with pytest.raises(ModelError, match=r"no token \[INST\]; this is the tokenizer of another model"):
        load(folder).encode(CLIPS, CHOICE)


# ---------------------------------------------------------------- Granite Speech and Phi-4-multimodal


def bare_inputs(lm: AudioLM, waveforms: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """The inputs as the model's own processor would give them: features padded, and the sizes it needs."""
    inputs = lm.family.inputs(lm.processor, waveforms, CHOICE)
    tensors = {name: value for name, value in inputs.tensors.items() if name != "audio_frames"}
    sizes = inputs.audio.sum(1)
    if lm.family.name == "granite-speech":
        return tensors | {"input_features_mask": torch.arange(int(sizes.max())) < sizes[:, None]}
    if len(waveforms) > 1:
        frames = inputs.tensors["audio_frames"]
        tensors["audio_attention_mask"] = torch.arange(int(frames.max())) < frames[:, None]
    return tensors | {"audio_embed_sizes": sizes}


@pytest.mark.parametrize("family", ["granite-speech", "phi-4-multimodal"])
def test_one_clip_is_heard_as_the_bare_model_hears_it(model_of, family):
    lm = model_of(family)
    inputs = bare_inputs(lm, CLIPS[:1])
    with torch.no_grad():
        logits = lm.model(**inputs).logits[:, -1]
        answer = lm.model.generate(**inputs, do_sample=False, max_new_tokens=5)[
            0, inputs["input_ids"].shape[1] :
        ]
    encoded = lm.encode(CLIPS[:1], CHOICE)
    hidden = lm.family.decoder(lm.model)(**encoded.decoder_inputs).last_hidden_state
    assert torch.equal(lm.family.head(lm.model)(hidden)[:, -1], logits)
    expected = lm.processor.tokenizer.decode(answer, skip_special_tokens=True).strip()
    assert lm.generate(CLIPS[:1], CHOICE, max_new_tokens=5) == [expected]


@pytest.mark.parametrize("family", ["granite-speech", "phi-4-multimodal"])
def test_the_bare_model_hears_the_padding_of_a_batch(model_of, family):
    """Why clips are encoded one at a time; should this ever fail, they need not be."""
    lm = model_of(family)
    with torch.no_grad():
        together = lm.model(**bare_inputs(lm, CLIPS)).logits[:1, -1]
        alone = lm.model(**bare_inputs(lm, CLIPS[:1])).logits[:, -1]
    assert (together - alone).abs().max() > 1e-3


def test_granite_features_are_those_of_the_mel_scale_that_it_names(model_of):
    """An independent spectrogram: numpy's, with the filters and the window of the published extractor."""
    lm = model_of("granite-speech")
    filters = mel_filter_bank(257, 16, 0.0, 8000.0, 16_000, mel_scale="htk")
    for clip in noise(0.7, 1.313):
        log = spectrogram(
            clip.astype(np.float64), window_function(400, "hann"), frame_length=400, hop_length=160, fft_length=512,
            power=2.0, mel_filters=filters, mel_floor=1e-10, log_mel="log10",
        ).T  # fmt: skip
        log = np.maximum(log, log.max() - 8) / 4 + 1
        pairs = log[: len(log) // 2 * 2].reshape(-1, 32)
        ours = lm.family.inputs(lm.processor, [clip], CHOICE).tensors["input_features"][0]
        assert ours.shape == pairs.shape
        np.testing.assert_allclose(ours.numpy(), pairs, atol=1e-4)
        assert audio_tokens(lm, clip) == -(-len(pairs) // 15) * 3


def test_granite_without_its_adapter_is_refused(tmp_path):
    folder = BUILDERS["granite-speech"](tmp_path / "granite")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"has_lora_adapter": True}))
    with pytest.raises(ModelError, match=r"adapter for audio is not loaded.*pip install peft"):
        load(folder)


def test_granite_does_not_ask_what_day_it_is(model_of):
    lm = model_of("granite-speech")
    ids = lm.family.inputs(lm.processor, CLIPS[:1], CHOICE).tensors["input_ids"][0]
    assert "Today's Date: December 19, 2024." in lm.processor.tokenizer.decode(ids)
    ids = lm.family.inputs(lm.processor, CLIPS[:1], CHOICE, system="Listen.").tensors["input_ids"][0]
    text = lm.processor.tokenizer.decode(ids)
    assert "system\nListen." in text
    assert "Date" not in text


def test_phi_gates_are_the_first_half_of_its_fused_projection(model_of):
    lm, seen = model_of("phi-4-multimodal"), {}
    mlp = lm.model.model.layers[1].mlp
    hook = mlp.gate_up_proj.register_forward_hook(lambda m, i, output: seen.update(both=output))
    gates = lm.gates(CLIPS[0], CHOICE)[1]
    hook.remove()
    expected = torch.nn.functional.silu(seen["both"][0, :, :24]).numpy()
    assert_close(gates, expected, terms=1)
    assert lm.stacks["thinker"].gates[1].expression == "silu(first half of gate_up_proj(x))"


def test_phi_writes_the_prompt_of_its_model_card(model_of):
    lm = model_of("phi-4-multimodal")
    ids = lm.family.inputs(lm.processor, CLIPS[:1], "How?", system="Listen.").tensors["input_ids"][0]
    audio = "<|audio|>" * 9  # 68 whole frames of 25 ms, eight to a token
    expected = f"<|system|>Listen.<|end|><|user|>{audio}How?<|end|><|assistant|>"
    assert lm.processor.tokenizer.decode(ids) == expected


def test_phi_does_not_leave_its_speech_adapter_out(tmp_path, monkeypatch):
    monkeypatch.setattr("esn_interp.models.families.phi4_multimodal.is_peft_available", lambda: False)
    folder = BUILDERS["phi-4-multimodal"](tmp_path / "phi")
    adapter = Path(folder / "speech-lora" / "adapter_config.json")
    adapter.parent.mkdir()
    adapter.write_text("{}")
    with pytest.raises(ModelError, match=r"speech adapter .* without peft: pip install peft"):
        load(folder)
