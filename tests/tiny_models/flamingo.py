"""Tiny Audio Flamingo 3."""

from pathlib import Path

import torch
from tiny_models import parts


def save_audio_flamingo_3(folder: Path) -> Path:
    from transformers import (
        AudioFlamingo3Config,
        AudioFlamingo3ForConditionalGeneration,
        AudioFlamingo3Processor,
        WhisperFeatureExtractor,
    )

    seconds = 2  # of a window; the encoder needs exactly 50 positions a second
    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<sound>")
    config = AudioFlamingo3Config(
        audio_config=dict(
            num_mel_bins=64, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, hidden_size=32,
            max_source_positions=seconds * 50,
        ),
        text_config=dict(
            model_type="qwen2", vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
            eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id,
        ),
        audio_token_id=tokens.convert_tokens_to_ids("<sound>"),
    )  # fmt: skip
    torch.manual_seed(0)
    model = AudioFlamingo3ForConditionalGeneration(config)
    parts.loud(model)
    parts.ends(model, tokens)
    extractor = WhisperFeatureExtractor(feature_size=64, chunk_length=seconds, return_attention_mask=True)
    model.save_pretrained(folder)
    AudioFlamingo3Processor(
        feature_extractor=extractor, tokenizer=tokens, chat_template=parts.template("<sound>")
    ).save_pretrained(folder)
    return folder
