"""Models without a family file, found by structure; and what one is told where that can't work."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from tiny_models import parts
from tiny_models.flamingo import save_audio_flamingo_3
from tiny_omni import CHOICE, EMOTIONS, noise
from transformers import AutoProcessor, GPT2Config

from esn_interp.errors import AudioError, ModelError
from esn_interp.models import families
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.edits import Edit
from esn_interp.models.families import ByStructure
from esn_interp.models.loading import load

CLIPS = noise(0.7, 1.3, 1.9)
EDITS = [
    Edit(1, np.arange(0, 24, 2), gain=3.0),
    Edit(2, np.arange(24), gain=0.0, positions=frozenset({"audio"})),
]


@pytest.fixture
def no_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(families, "FAMILIES", ())


def refusal(*arguments: Any, **options: Any) -> str:
    """What ``load`` says; one line."""
    with pytest.raises(ModelError) as caught:
        load(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---------------------------------------------------------------- what works


@pytest.mark.parametrize("name", ["glm-asr", "audio-flamingo-3", "music-flamingo", "qwen2-audio"])
def test_a_model_without_its_family_file_gives_the_same_numbers(family_folder, monkeypatch, name):
    known = load(family_folder(name))
    others = tuple(family for family in families.FAMILIES if family.name != name)
    monkeypatch.setattr(families, "FAMILIES", others)
    lm = load(family_folder(name))
    assert isinstance(lm.family, ByStructure)
    assert lm.widths == known.widths == (24, 24, 24)
    assert lm.fingerprint == known.fingerprint
    ours, theirs = lm.encode(CLIPS, CHOICE), known.encode(CLIPS, CHOICE)
    assert np.array_equal(ours.scopes, theirs.scopes)
    for edits in ((), EDITS):
        assert np.array_equal(
            lm.scores(ours, EMOTIONS, edits=edits), known.scores(theirs, EMOTIONS, edits=edits)
        )
        assert lm.generate(CLIPS, CHOICE, edits=edits) == known.generate(CLIPS, CHOICE, edits=edits)
    assert np.array_equal(lm.scores(ours, ["happyish", "sad"]), known.scores(theirs, ["happyish", "sad"]))
    assert np.array_equal(lm.gates(CLIPS[0])[2], known.gates(CLIPS[0])[2])


def test_a_loaded_model_without_family_works_with_its_processor(family_folder, no_families):
    lm = load(family_folder("glm-asr"))
    again = load(lm.model, processor=AutoProcessor.from_pretrained(family_folder("glm-asr")))
    assert np.array_equal(
        again.scores(again.encode(CLIPS, CHOICE), EMOTIONS), lm.scores(lm.encode(CLIPS, CHOICE), EMOTIONS)
    )


def test_gates_may_be_pointed_at(family_folder):
    lm = load(family_folder("glm-asr"), gates="model.language_model.layers[*].mlp.act_fn")
    known = load(family_folder("glm-asr"))
    assert [gate.path for gate in lm.stacks["thinker"].gates] == [
        gate.path for gate in known.stacks["thinker"].gates
    ]
    scores = [one.scores(one.encode(CLIPS, CHOICE), EMOTIONS, edits=EDITS) for one in (lm, known)]
    assert np.array_equal(*scores)


@pytest.mark.parametrize(
    "hint",
    [
        "model.language_model.layers[*].mlp.no_such",
        "model.language_model.blocks[*].mlp.act_fn",
        "model.language_model[*].mlp.act_fn",
        "model.language_model.layers.0.mlp.act_fn",
        "",
    ],
)
def test_a_hint_that_leads_nowhere_is_refused(family_folder, hint):
    said = refusal(family_folder("glm-asr"), gates=hint)
    assert f"gates={hint!r}: no such modules in GlmAsrForConditionalGeneration" in said
    assert 'such as gates="model.layers[*].mlp.act_fn"' in said


def test_a_hint_at_something_without_a_width_is_refused(family_folder):
    said = refusal(family_folder("glm-asr"), gates="model.language_model.layers[*].self_attn.q_proj")
    assert "the number of gates can't be read" in said


# ---------------------------------------------------------------- models that can't be used


def save_with_gpt2(folder: Path) -> Path:
    """Audio Flamingo 3 with a decoder of GPT-2, whose MLPs have no gate."""
    from transformers import AudioFlamingo3Config, AudioFlamingo3ForConditionalGeneration

    config = AudioFlamingo3Config.from_pretrained(save_audio_flamingo_3(folder))
    config.text_config = GPT2Config(
        vocab_size=config.text_config.vocab_size, n_embd=32, n_layer=3, n_head=4, n_inner=40, n_positions=2048,
        bos_token_id=0, eos_token_id=1, initializer_range=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    AudioFlamingo3ForConditionalGeneration(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("family", ["with its family", "by structure"])
def test_an_mlp_without_gate_is_refused_with_what_was_seen(tmp_path, monkeypatch, family):
    if family == "by structure":
        monkeypatch.setattr(families, "FAMILIES", ())
    said = refusal(save_with_gpt2(tmp_path / "gpt2"))
    assert said.startswith(
        "AudioFlamingo3ForConditionalGeneration: no gated decoder found. Looked for a list of layers with"
    )
    assert "gate_proj and up_proj, gate_up_proj or experts" in said
    assert "model.language_model.h (3 x GPT2Block)" in said
    assert 'gates="path.to.layers[*].mlp.act_fn"' in said


def test_activations_of_an_mlp_without_gate_can_be_pointed_at(tmp_path):
    """They are not gates of a product, but they are read and edited like gates: a user may want them."""
    lm = load(save_with_gpt2(tmp_path / "gpt2"), gates="model.language_model.h[*].mlp.act")
    assert lm.widths == (40, 40, 40)
    encoded = lm.encode(CLIPS, CHOICE)
    silenced = lm.scores(encoded, EMOTIONS, edits=[Edit(1, np.arange(40), gain=0.0)])
    assert np.abs(silenced - lm.scores(encoded, EMOTIONS)).max() > 1e-3


def test_whisper_is_refused_with_what_was_seen(tmp_path):
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration

    config = WhisperConfig(
        vocab_size=300, num_mel_bins=16, d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=50,
        decoder_start_token_id=1, pad_token_id=0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    model.save_pretrained(tmp_path)
    WhisperFeatureExtractor(feature_size=16, chunk_length=1).save_pretrained(tmp_path)
    parts.tokenizer("<pad>", "</s>").save_pretrained(tmp_path)
    said = refusal(tmp_path)
    assert "no gated decoder found" in said
    assert "model.decoder.layers (2 x WhisperDecoderLayer)" in said


def save_text_only(folder: Path) -> Path:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    tokens = parts.tokenizer("<pad>", "</s>")
    Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=300, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=1,
        )
    ).save_pretrained(folder)  # fmt: skip
    tokens.save_pretrained(folder)
    return folder


def test_a_text_only_model_is_refused(tmp_path):
    said = refusal(save_text_only(tmp_path))
    assert "this is a text-only model, it has a tokenizer but no feature extractor for audio" in said


def test_a_loaded_text_only_model_is_refused_whatever_its_processor(family_folder, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = save_text_only(tmp_path)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert "it lacks a tokenizer or a feature extractor" in refusal(model, processor=tokenizer)
    processor = AutoProcessor.from_pretrained(family_folder("audio-flamingo-3"))
    assert refusal(model, processor=processor).startswith("Qwen2ForCausalLM takes no audio features")


# ---------------------------------------------------------------- processors of other models


@pytest.mark.parametrize("known", [True, False])
def test_the_processor_of_another_model_is_refused(family_folder, monkeypatch, known):
    lm = load(family_folder("audio-flamingo-3"))
    if not known:
        monkeypatch.setattr(families, "FAMILIES", ())
    other = AutoProcessor.from_pretrained(family_folder("glm-asr"))
    said = refusal(lm.model, processor=other)
    assert said.startswith("GlmAsrProcessor: its features have 32 mel bands, the model's encoder takes 64")
    other.audio_token_id = 7
    said = refusal(lm.model, processor=other)
    assert said.startswith("GlmAsrProcessor: its audio token is number 7, the model's is")
    assert said.endswith("this is the processor of another model")
    assert "processor of another model" in refusal(family_folder("audio-flamingo-3"), processor=other)


def test_a_processor_without_chat_template_is_refused(family_folder, no_families):
    lm, processor = load(family_folder("glm-asr")), AutoProcessor.from_pretrained(family_folder("glm-asr"))
    processor.chat_template = None
    assert "GlmAsrProcessor has no chat template, so its prompt is not known" in refusal(
        lm.model, processor=processor
    )


def test_a_family_needs_the_chat_template_too(family_folder):
    lm, processor = load(family_folder("glm-asr")), AutoProcessor.from_pretrained(family_folder("glm-asr"))
    processor.chat_template = None
    with pytest.raises(ModelError, match="GlmAsrProcessor: no chat template"):
        load(lm.model, processor=processor).encode(CLIPS, CHOICE)


# ---------------------------------------------------------------- code of its own


@pytest.fixture
def with_code(tmp_path: Path) -> Iterator[Path]:
    """A checkpoint whose configuration is a class of its own; running its code would leave a file."""
    (tmp_path / "configuration_own.py").write_text(
        f"open({str(tmp_path / 'was-run')!r}, 'w').close()\n"
        "from transformers import PreTrainedConfig\n\n\nclass OwnConfig(PreTrainedConfig):\n    model_type = 'own'\n"
    )
    content = {"model_type": "own", "auto_map": {"AutoConfig": "configuration_own.OwnConfig"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    return tmp_path


def test_code_of_its_own_is_not_run_unasked(with_code):
    said = refusal(with_code)
    assert "comes with code of its own, which runs only when you say so: pass trust_remote_code=True" in said
    assert not (with_code / "was-run").exists()


def test_a_processor_with_code_of_its_own_is_not_run_unasked(family_folder, tmp_path, no_families):
    import shutil

    folder = tmp_path / "own"
    shutil.copytree(family_folder("glm-asr"), folder)
    for file in ("processor_config.json", "preprocessor_config.json"):
        if (path := folder / file).exists():
            content = json.loads(path.read_text())
            content["processor_class"] = "OwnProcessor"
            content["auto_map"] = {"AutoProcessor": "processing_own.OwnProcessor"}
            path.write_text(json.dumps(content))
    assert "pass trust_remote_code=True" in refusal(folder)


# ---------------------------------------------------------------- audio


def test_audio_that_an_unknown_model_would_cut_off_is_refused(family_folder, no_families):
    with pytest.raises(
        AudioError, match=r"a clip of 3.5 s is longer than the 3 s that a model by structure hears"
    ):
        load(family_folder("qwen2-audio")).encode(noise(3.5), CHOICE)


@pytest.mark.filterwarnings("ignore:.*heard as mono")
def test_audio_files_of_any_rate_and_number_of_channels_are_heard_alike(family_folder, tmp_path):
    lm: AudioLM = load(family_folder("glm-asr"))
    time = np.arange(44_100) / 44_100
    wave = 0.3 * np.sin(2 * np.pi * 330 * time) * np.hanning(len(time))
    plain = 0.3 * np.sin(2 * np.pi * 330 * np.arange(16_000) / 16_000) * np.hanning(16_000)
    soundfile.write(
        tmp_path / "stereo.wav", np.stack([1.5 * wave, 0.5 * wave], axis=1), 44_100, subtype="FLOAT"
    )
    soundfile.write(tmp_path / "mono.wav", plain, 16_000, subtype="FLOAT")
    stereo, mono = (lm.gates(tmp_path / name, CHOICE) for name in ("stereo.wav", "mono.wav"))
    assert stereo.tokens == mono.tokens
    assert np.abs(stereo[2] - mono[2]).mean() < 0.02 * np.abs(mono[2]).mean()
    assert lm.answer(tmp_path / "stereo.wav", CHOICE, options=EMOTIONS) == lm.answer(
        tmp_path / "mono.wav", CHOICE, options=EMOTIONS
    )
