"""Tiny models with a Whisper encoder and a plain decoder: Qwen2-Audio, GLM-ASR and Voxtral."""

from pathlib import Path
from typing import Any

import torch

from tiny_models import parts

_SECONDS = 2  # of a window


def save_qwen2_audio(folder: Path) -> Path:
    from transformers import (
        Qwen2AudioConfig,
        Qwen2AudioForConditionalGeneration,
        Qwen2AudioProcessor,
    )

    around = ("<|audio_bos|>", "<|audio_eos|>")
    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|AUDIO|>", *around)
    config = Qwen2AudioConfig(
        audio_config=dict(
            model_type="qwen2_audio_encoder", num_mel_bins=32, encoder_layers=1, encoder_attention_heads=2,
            encoder_ffn_dim=32, d_model=32, max_source_positions=3 * 50,
        ),
        text_config=_decoder("qwen2", tokens),
        audio_token_index=tokens.convert_tokens_to_ids("<|AUDIO|>"),
    )  # fmt: skip
    model = _model(Qwen2AudioForConditionalGeneration, config, tokens)
    model.save_pretrained(folder)
    # The processor's own template is the published one.
    Qwen2AudioProcessor(feature_extractor=_extractor(32, seconds=3), tokenizer=tokens).save_pretrained(folder)
    return folder


def save_glm_asr(folder: Path) -> Path:
    from transformers import GlmAsrConfig, GlmAsrForConditionalGeneration, GlmAsrProcessor

    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|pad|>")
    config = GlmAsrConfig(
        audio_config=dict(
            model_type="glmasr_encoder", num_mel_bins=32, hidden_size=32, intermediate_size=128,
            num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=_SECONDS * 50,
        ),
        text_config=_decoder("llama", tokens),
        audio_token_id=tokens.convert_tokens_to_ids("<|pad|>"),
    )  # fmt: skip
    model = _model(GlmAsrForConditionalGeneration, config, tokens)
    model.save_pretrained(folder)
    GlmAsrProcessor(
        feature_extractor=_extractor(32), tokenizer=tokens, chat_template=parts.template("<|pad|>")
    ).save_pretrained(folder)
    return folder


def save_voxtral(folder: Path) -> Path:
    """The published checkpoints keep their tokenizer in mistral-common's format; here it is a usual one."""
    from transformers import VoxtralConfig, VoxtralForConditionalGeneration

    tokens = parts.tokenizer(
        "<pad>", "</s>", "<s>", "[INST]", "[/INST]", "[AUDIO]", "[BEGIN_AUDIO]", bos_token="<s>"
    )
    config = VoxtralConfig(
        audio_config=dict(
            model_type="voxtral_encoder", num_mel_bins=32, hidden_size=32, intermediate_size=128,
            num_hidden_layers=1, num_attention_heads=2, max_source_positions=_SECONDS * 50,
        ),
        text_config=dict(_decoder("llama", tokens), head_dim=8),
        audio_token_id=tokens.convert_tokens_to_ids("[AUDIO]"),
    )  # fmt: skip
    model = _model(VoxtralForConditionalGeneration, config, tokens)
    model.save_pretrained(folder)
    _extractor(32).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def _decoder(model_type: str, tokens: Any) -> dict[str, Any]:
    return dict(
        model_type=model_type, vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
        bos_token_id=tokens.bos_token_id, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id,
    )  # fmt: skip


def _extractor(mels: int, *, seconds: int = _SECONDS) -> Any:
    from transformers import WhisperFeatureExtractor

    return WhisperFeatureExtractor(feature_size=mels, chunk_length=seconds)


def _model(kind: Any, config: Any, tokens: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config)
    parts.loud(model)
    parts.ends(model, tokens)
    return model
