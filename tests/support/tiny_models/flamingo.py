"""Tiny Audio Flamingo 3 and Music Flamingo: windows of two seconds."""

from pathlib import Path
from typing import Any

import torch

from tiny_models import parts

SECONDS = 2  # of a window; the encoder needs exactly 50 positions a second


def save_audio_flamingo_3(folder: Path) -> Path:
    from transformers import (
        AudioFlamingo3Config,
        AudioFlamingo3ForConditionalGeneration,
        AudioFlamingo3Processor,
    )

    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<sound>")
    config = AudioFlamingo3Config(**_sizes(tokens))
    return _save(folder, config, tokens, AudioFlamingo3ForConditionalGeneration, AudioFlamingo3Processor)


def save_music_flamingo(folder: Path) -> Path:
    from transformers import (
        MusicFlamingoConfig,
        MusicFlamingoForConditionalGeneration,
        MusicFlamingoProcessor,
    )

    around = ("<|sound_bos|>", "<|sound_eos|>")
    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<sound>", *around)
    start, end = tokens.convert_tokens_to_ids(list(around))
    config = MusicFlamingoConfig(
        **_sizes(tokens),
        audio_bos_token_id=start,
        audio_eos_token_id=end,
        rope_parameters={"rope_type": "default", "rope_theta": 1200, "partial_rotary_factor": 0.5},
    )
    return _save(folder, config, tokens, MusicFlamingoForConditionalGeneration, MusicFlamingoProcessor)


def _sizes(tokens: Any) -> dict[str, Any]:
    return dict(
        audio_config=dict(
            model_type="audioflamingo3_encoder", num_mel_bins=64, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=32, hidden_size=32, max_source_positions=SECONDS * 50,
        ),
        text_config=dict(
            model_type="qwen2", vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048,
            eos_token_id=tokens.eos_token_id, pad_token_id=tokens.pad_token_id,
        ),
        audio_token_id=tokens.convert_tokens_to_ids("<sound>"),
    )  # fmt: skip


def _save(folder: Path, config: Any, tokens: Any, kind: Any, processor: Any) -> Path:
    from transformers import WhisperFeatureExtractor

    torch.manual_seed(0)
    model = kind(config)
    parts.loud(model)
    parts.ends(model, tokens)
    extractor = WhisperFeatureExtractor(feature_size=64, chunk_length=SECONDS, return_attention_mask=True)
    model.save_pretrained(folder)
    processor(
        feature_extractor=extractor, tokenizer=tokens, chat_template=parts.template("<sound>")
    ).save_pretrained(folder)
    return folder
