"""Tiny MiniCPM-o, from a stand-in of its code."""

from pathlib import Path

import torch

from tiny_models import parts

_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% if use_tts_template %}<|tts_bos|>{% endif %}{% endif %}"
)


def save_minicpm_o(folder: Path) -> Path:
    from transformers import WhisperFeatureExtractor

    from tiny_models.minicpm_code import MiniCPMO, MiniCPMOConfig, MiniCPMOProcessor

    around = ("<|audio_start|>", "<|audio_end|>", "<|tts_bos|>", "<|tts_eos|>")
    tokens = parts.tokenizer("<|endoftext|>", "<|im_end|>", "<|im_start|>", "<unk>", *around)
    decoder = dict(
        hidden_size=32, intermediate_size=24, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
        head_dim=8,
    )  # fmt: skip
    config = MiniCPMOConfig(
        **decoder, vocab_size=len(tokens), tie_word_embeddings=False, pad_token_id=tokens.pad_token_id,
        eos_token_id=tokens.eos_token_id,
        audio_config=dict(
            num_mel_bins=32, d_model=32, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32,
            max_source_positions=1500,
        ),
        tts_config={**decoder, "vocab_size": 40},
    )  # fmt: skip
    MiniCPMOConfig.register_for_auto_class()
    MiniCPMO.register_for_auto_class("AutoModel")
    MiniCPMOProcessor.register_for_auto_class()
    torch.manual_seed(0)
    model = MiniCPMO(config)
    parts.loud(model)
    model.save_pretrained(folder)
    tokens.chat_template = _TEMPLATE
    extractor = WhisperFeatureExtractor(feature_size=32, return_attention_mask=True)
    MiniCPMOProcessor(feature_extractor=extractor, tokenizer=tokens).save_pretrained(folder)
    return folder
