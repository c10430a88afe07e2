"""smol-audio: put together from published parts that stay as they are, and held to what every family promises."""

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from grown import require_smol_audio, smol_audio
from safetensors.torch import load_file

import esn_interp as esn
from esn_interp.errors import ModelError, StatisticsError
from esn_interp.models.assembly import parts as parts_of_models
from esn_interp.models.assembly.ctranslate2 import read_weights, whisper_encoder
from esn_interp.models.assembly.gguf import llama_weights
from esn_interp.models.assembly.parts import MadeOf
from esn_interp.models.assembly.smol_audio import DECODER, ENCODER, PROJECTOR, assemble
from esn_interp.models.fingerprint import weights_fingerprint
from esn_interp.models.loading import bundled_path, heard_of
from esn_interp.neurons.origin import KinWarning, Origin
from tests.models import test_family_contract as contract

FOLDER = bundled_path("smol-audio")


@pytest.fixture(scope="module")
def lm() -> Any:
    return smol_audio()


@pytest.fixture(scope="module")
def encoder() -> dict[str, torch.Tensor]:
    require_smol_audio()
    path = ENCODER.found()
    assert path is not None
    return whisper_encoder(read_weights(path))


# ------------------------------------------------------------------------------------- what every family promises

test_forward = contract.test_without_edits_the_forward_is_the_bare_models_to_the_bit
test_answers = contract.test_without_edits_greedy_answers_are_the_bare_models
test_widths = contract.test_gates_have_the_width_that_was_read_off
test_gates = contract.test_gates_are_those_that_a_hook_sees
test_labels = contract.test_labels_of_several_tokens_are_scored_by_their_mean
test_edits_by_hooks = pytest.mark.long(contract.test_answers_with_edits_at_every_step_equal_plain_hooks)
test_later_layers = pytest.mark.long(contract.test_an_edit_changes_later_layers_only)
test_chosen_tokens = pytest.mark.long(contract.test_an_edit_on_chosen_tokens_changes_nothing_before_them)
test_scaled = pytest.mark.long(contract.test_scaled_columns_do_what_a_trace_does)
test_swept = pytest.mark.long(contract.test_conditions_that_are_swept_together_give_what_each_gives)
test_static_cache = pytest.mark.long(contract.test_a_static_cache_writes_the_same)
test_batches = pytest.mark.long(contract.test_batches_change_nothing)
test_side_by_side = pytest.mark.long(contract.test_two_models_side_by_side_and_a_deep_copy_do_not_meet)


# ------------------------------------------------------------------------------------------------------- its parts


def test_the_encoder_hears_what_ctranslate2_hears(encoder: dict[str, torch.Tensor]) -> None:
    """The reference is the engine whose format it is, on recorded speech."""
    ctranslate2 = pytest.importorskip("ctranslate2", reason="the reference for Whisper's encoder")
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    path = ENCODER.found()
    assert path is not None
    sizes = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    ours = WhisperEncoder(WhisperConfig(**sizes, num_mel_bins=80)).eval()
    ours.load_state_dict(encoder)
    speech = esn.corpus("emodb-sample")[0].waveform()
    extractor = WhisperFeatureExtractor(feature_size=80)
    mel = extractor(speech, sampling_rate=16_000, return_tensors="np").input_features
    engine = ctranslate2.models.Whisper(str(path.parent), device="cpu", compute_type="float32", intra_threads=1)
    theirs = np.array(engine.encode(ctranslate2.StorageView.from_array(mel)))
    with torch.no_grad():
        mine = ours(torch.from_numpy(mel)).last_hidden_state.numpy()
    assert np.abs(theirs).max() > 1
    assert np.abs(mine - theirs).max() < 1e-4


def test_encoder_and_projector_of_the_model_are_the_ones_read(lm: Any, encoder: dict[str, torch.Tensor]) -> None:
    tower = lm.model.model.audio_tower.state_dict()
    assert tower.keys() == encoder.keys()
    for name, value in encoder.items():
        expected = value[: len(tower[name])] if name == "embed_positions.weight" else value
        assert torch.equal(tower[name], expected), name
    projector = lm.model.model.multi_modal_projector.state_dict()
    stored = load_file(FOLDER / PROJECTOR)
    assert projector.keys() == stored.keys()
    assert all(torch.equal(projector[name], value.float()) for name, value in stored.items())


@pytest.mark.slow
def test_the_decoder_is_what_transformers_reads_from_the_same_file(lm: Any) -> None:
    from transformers import AutoModelForCausalLM

    path = DECODER.found()
    assert path is not None
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32).eval()
    expected = theirs.model.state_dict()
    ours = lm.model.model.language_model.state_dict()
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(ours[name], value), name
    assert torch.equal(lm.model.lm_head.weight, theirs.lm_head.weight)
    ids = torch.randint(17, 49_000, (1, 24), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        mine = lm.model.lm_head(lm.model.model.language_model(ids).last_hidden_state)
        assert torch.equal(mine, theirs(ids).logits)


def test_it_says_where_its_weights_are_from_and_ours_are_small(lm: Any) -> None:
    assert lm.made_of.way == "packages"
    assert "Q4_1" in lm.made_of.words
    assert lm.made_of.words in str(lm)
    assert lm.widths == (1536,) * 30
    assert (FOLDER / PROJECTOR).stat().st_size < 2e6


def test_it_says_whom_it_has_heard() -> None:
    from voices.casting import NATURAL_VOICES, SENTENCES, TRAINING_VOICES

    heard = heard_of("smol-audio")
    natural = {voice.name for voice, split in NATURAL_VOICES if split == "training"}
    assert natural
    assert {voice.name for voice in TRAINING_VOICES} | natural == set(heard.speakers["training"]["toy-training"])
    assert set(SENTENCES) <= set(heard.sentences)
    assert set(heard.speakers["training"]["emodb"]) == {"03", "08", "09", "11", "12", "13", "16"}
    assert heard.roles(["emodb", "emodb"], ["08", "14"]) == ["training", ""]


# ------------------------------------------------------------------------------------------- the other way, and none


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No package and no hub."""
    monkeypatch.setattr(parts_of_models, "parts_folder", lambda: tmp_path)
    monkeypatch.setattr(parts_of_models, "find_spec", lambda name: None)
    return tmp_path


def test_without_packages_and_hub_one_line_says_both_ways(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from esn_interp.models.assembly import smol_audio as module

    def unreachable(*args: Any, **options: Any) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co' to load the files.\nCheck your connection.")

    monkeypatch.setattr(module.LlamaForCausalLM, "from_pretrained", unreachable)
    with pytest.raises(ModelError) as told:
        esn.load("smol-audio")
    said = str(told.value)
    assert "\n" not in said
    assert "esn fetch smol-audio" in said
    assert DECODER.hub in said
    assert ENCODER.hub in said


def test_a_file_that_is_not_whole_is_refused(nowhere: Path) -> None:
    file = nowhere / DECODER.file
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    with pytest.raises(ModelError, match=r"not the whole file.*esn fetch"):
        esn.load("smol-audio")


def test_options_that_it_has_no_use_for_are_refused() -> None:
    with pytest.raises(ModelError, match="can't be quantised"):
        esn.load("smol-audio", quantization_config={"bits": 4})


@pytest.mark.long
def test_the_hubs_weights_give_a_model_of_the_same_kin(
    lm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of the hub, folders as the hub has them: the decoder in bfloat16, Whisper as a whole."""
    from transformers import LlamaConfig, LlamaForCausalLM, WhisperConfig, WhisperModel

    from esn_interp.models.assembly import smol_audio as module

    text = LlamaConfig(**{**lm.model.config.text_config.to_dict(), "tie_word_embeddings": True})
    decoder = LlamaForCausalLM(text)
    decoder.model.load_state_dict(lm.model.model.language_model.state_dict())
    decoder.to(torch.bfloat16).save_pretrained(tmp_path / "decoder")
    lm.processor.tokenizer.save_pretrained(tmp_path / "decoder")
    sizes = {"d_model": 384, "encoder_layers": 4, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536}
    whisper = WhisperModel(WhisperConfig(**sizes, decoder_layers=1, num_mel_bins=80))
    path = ENCODER.found()
    assert path is not None
    whisper.encoder.load_state_dict(whisper_encoder(read_weights(path)))
    whisper.save_pretrained(tmp_path / "encoder")
    monkeypatch.setattr(module, "DECODER", replace(DECODER, hub=str(tmp_path / "decoder")))
    monkeypatch.setattr(module, "ENCODER", replace(ENCODER, hub=str(tmp_path / "encoder")))
    model, _, made_of = assemble(FOLDER, way="hub")
    assert made_of.kin == lm.kin
    assert weights_fingerprint(model) != lm.fingerprint
    layer = model.get_submodule("model.language_model.layers.3.mlp.down_proj")
    assert torch.equal(layer.weight, decoder.model.layers[3].mlp.down_proj.weight.float())


# ------------------------------------------------------------------------------------------------------------- kin


class Gates:
    """As much of a model as its gates are recognised by."""

    def __init__(self, fingerprint: str, kin: str = "") -> None:
        self.name, self.component, self.widths = "m", "thinker", (4, 4)
        self.fingerprint, self.kin = fingerprint, kin


def test_statistics_travel_between_ways_with_a_note() -> None:
    origin = Origin.from_header(Origin.of(Gates("q4", "smol-1")).header(), where="made")
    origin.check(Gates("q4", "smol-1"), "statistics")
    with pytest.warns(KinWarning, match="another rounding"):
        origin.check(Gates("bf16", "smol-1"), "statistics")
    for other in (Gates("bf16", "smol-2"), Gates("bf16")):
        with pytest.raises(StatisticsError):
            origin.check(other, "statistics")
    with pytest.raises(StatisticsError):
        Origin.of(Gates("a")).check(Gates("b"), "statistics")


def test_what_was_made_of_parts_is_no_kin_once_it_is_steered(lm: Any) -> None:
    assert lm.kin == lm.made_of.kin
    assert isinstance(lm.made_of, MadeOf)


# --------------------------------------------------------------------------------------------------------- readers


def written(tensors: dict[str, np.ndarray], *, version: int = 6) -> bytes:
    """A file of CTranslate2, as its specification says."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    kinds = {"float32": 0, "float16": 4}
    out = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(tensors))
    for name, value in tensors.items():
        out += text(name) + struct.pack("<B", value.ndim) + struct.pack(f"<{value.ndim}I", *value.shape)
        out += struct.pack("<BI", kinds[value.dtype.name], value.nbytes) + value.tobytes()
    return out + struct.pack("<I", 1) + text("other") + text(next(iter(tensors)))


def test_weights_and_their_other_names_are_read_as_written(tmp_path: Path) -> None:
    tensors = {"a/weight": np.arange(6, dtype=np.float16).reshape(2, 3), "b": np.float32([1.5])}
    path = tmp_path / "model.bin"
    path.write_bytes(written(tensors))
    read = read_weights(path)
    assert set(read) == {"a/weight", "b", "other"}
    np.testing.assert_array_equal(read["a/weight"], tensors["a/weight"])
    np.testing.assert_array_equal(read["other"], tensors["a/weight"])


@pytest.mark.parametrize("spoilt", [b"", b"\x01\x00\x00\x00", "cut", "version"])
def test_files_that_are_not_whole_are_refused_in_one_line(tmp_path: Path, spoilt: bytes | str) -> None:
    whole = written({"a": np.arange(6, dtype=np.float32)})
    content = {"cut": whole[:40], "version": written({"a": np.zeros(1, np.float32)}, version=2)}
    path = tmp_path / "model.bin"
    path.write_bytes(content[spoilt] if isinstance(spoilt, str) else spoilt)
    with pytest.raises(ModelError) as told:
        read_weights(path)
    assert "\n" not in str(told.value)


def test_what_is_no_gguf_file_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    path = tmp_path / "x.gguf"
    path.write_bytes(b"no" * 100)
    with pytest.raises(ModelError, match="not a whole GGUF file"):
        llama_weights(path, heads=9, key_value_heads=3)
