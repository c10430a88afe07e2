"""Tiny Kimi-Audio, from a stand-in of its code."""

from pathlib import Path

import torch

from tiny_models import parts


def save_kimi_audio(folder: Path) -> Path:
    from kimia_infer.api.prompt_manager import SPECIAL

    from tiny_models.kimi_code import KimiAudioConfig, MoonshotKimiaForCausalLM

    tokens = parts.tokenizer("<|pad|>", *SPECIAL)
    place = tokens.convert_tokens_to_ids
    config = KimiAudioConfig(
        vocab_size=len(tokens) + 40, hidden_size=32, intermediate_size=24, num_hidden_layers=3,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=False,
        kimia_mimo_layers=2, kimia_mimo_transformer_from_layer_index=1, kimia_token_offset=len(tokens),
        kimia_media_begin=place("<|im_media_begin|>"), kimia_media_end=place("<|im_media_end|>"),
    )  # fmt: skip
    KimiAudioConfig.register_for_auto_class()
    MoonshotKimiaForCausalLM.register_for_auto_class("AutoModelForCausalLM")
    torch.manual_seed(0)
    model = MoonshotKimiaForCausalLM(config)
    parts.loud(model)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder
