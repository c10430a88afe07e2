"""Tiny models with a conformer encoder: Granite Speech and Phi-4-multimodal."""

import json
from pathlib import Path
from typing import Any

import torch

from tiny_models import parts


def save_granite_speech(folder: Path) -> Path:
    """Without the adapter for audio, and with the settings of its feature extractor, which needs torchaudio."""
    from transformers import GraniteSpeechConfig, GraniteSpeechForConditionalGeneration

    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|audio|>")
    tokens.chat_template = parts.template("<|audio|>")
    config = GraniteSpeechConfig(
        text_config=dict(
            model_type="granite", vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, logits_scaling=8.0,
            embedding_multiplier=3.0, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id,
        ),
        encoder_config=dict(
            input_dim=32, num_layers=2, hidden_dim=32, feedforward_mult=2, num_heads=2, output_dim=8, context_size=40,
            max_pos_emb=64,
        ),
        projector_config=dict(
            model_type="blip_2_qformer", hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, encoder_hidden_size=32, cross_attention_frequency=1,
        ),
        audio_token_index=tokens.convert_tokens_to_ids("<|audio|>"),
        has_lora_adapter=False,
        tie_word_embeddings=False,
    )  # fmt: skip
    _model(GraniteSpeechForConditionalGeneration, config, tokens).save_pretrained(folder)
    tokens.save_pretrained(folder)
    settings = {
        "feature_extractor_type": "GraniteSpeechFeatureExtractor", "sampling_rate": 16_000,
        "melspec_kwargs": {
            "sample_rate": 16_000, "n_fft": 512, "win_length": 400, "hop_length": 160, "n_mels": 16,
        },
        "projector_window_size": 15, "projector_downsample_rate": 5,
    }  # fmt: skip
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def save_phi4_multimodal(folder: Path) -> Path:
    """Without its adapters; the image tower is there, and is as small as it gets."""
    from transformers import (
        Phi4MultimodalConfig,
        Phi4MultimodalFeatureExtractor,
        Phi4MultimodalForCausalLM,
    )

    marks = ("<|user|>", "<|assistant|>", "<|system|>", "<|audio|>", "<|image|>")
    tokens = parts.tokenizer("<|endoftext|>", "<|end|>", *marks)
    audio, image = tokens.convert_tokens_to_ids(["<|audio|>", "<|image|>"])
    config = Phi4MultimodalConfig(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=2048, original_max_position_embeddings=2048,
        bos_token_id=None, eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id,
        audio_config=dict(
            hidden_size=32, intermediate_size=32, num_blocks=2, num_attention_heads=2, ext_pw_out_channel=32,
            depthwise_separable_out_channel=32, nemo_conv_channels=8, bias_max_distance=50, input_size=16,
            audio_token_id=audio,
        ),
        vision_config=dict(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28,
            crop_size=28, patch_size=14, image_token_id=image,
        ),
    )  # fmt: skip
    _model(Phi4MultimodalForCausalLM, config, tokens).save_pretrained(folder)
    Phi4MultimodalFeatureExtractor(feature_size=16).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def _model(kind: Any, config: Any, tokens: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config)
    parts.loud(model)
    parts.ends(model, tokens)
    return model
