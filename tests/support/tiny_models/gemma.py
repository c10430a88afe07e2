"""Tiny Gemma 3n and Gemma 4, without their image encoders."""

from pathlib import Path
from typing import Any

import torch

from tiny_models import parts

TURNS = ("<pad>", "<|im_end|>", "<bos>", "<|im_start|>", "<start_of_audio>")
DECODER = dict(
    hidden_size=32, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
    hidden_size_per_layer_input=8, max_position_embeddings=4096, sliding_window=256, num_kv_shared_layers=2,
    layer_types=["sliding_attention", "full_attention"] * 2, final_logit_softcapping=30.0, tie_word_embeddings=False,
)  # fmt: skip


def save_gemma_3n(folder: Path) -> Path:
    from transformers import Gemma3nAudioFeatureExtractor, Gemma3nConfig, Gemma3nForConditionalGeneration

    from esn_interp.models.families.gemma import Gemma3n

    Gemma3n().default_config()  # so that it can be built without timm
    tokens = _tokenizer(*TURNS, "<image>", "<end_of_audio>", "<audio>", "<audio_filler>")
    token = tokens.convert_tokens_to_ids
    config = Gemma3nConfig(
        text_config=dict(
            vocab_size=len(tokens), vocab_size_per_layer_input=token("<image>"), intermediate_size=24,
            activation_sparsity_pattern=[0.5, 0.0, 0.0, 0.0], altup_num_inputs=2, laurel_rank=4,
            **DECODER, **_ends(tokens),
        ),
        audio_config=dict(
            vocab_size=3, vocab_offset=token("<end_of_audio>"), input_feat_size=32, hidden_size=16,
            conf_num_attention_heads=2, conf_num_hidden_layers=1, sscp_conv_channel_size=[4, 4],
        ),
        vision_config=dict(vocab_size=1, vocab_offset=token("<image>"), hidden_size=8, label_names=["a", "b"]),
        audio_token_id=token("<audio>"), image_token_id=token("<image>"), tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Gemma3nForConditionalGeneration(config)
    return _save(model, tokens, Gemma3nAudioFeatureExtractor(feature_size=32), folder)


def save_gemma_4(folder: Path) -> Path:
    from transformers import Gemma4AudioFeatureExtractor, Gemma4Config, Gemma4ForConditionalGeneration

    tokens = _tokenizer(*TURNS, "<end_of_audio>", "<audio>", "<image>", "<video>")
    token = tokens.convert_tokens_to_ids
    config = Gemma4Config(
        text_config=dict(
            vocab_size=len(tokens), vocab_size_per_layer_input=len(tokens), intermediate_size=24, global_head_dim=16,
            use_double_wide_mlp=True, **DECODER, **_ends(tokens),
        ),
        audio_config=dict(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, subsampling_conv_channels=[4, 4],
            output_proj_dims=16, use_clipped_linears=False,
        ),
        vision_config=None, audio_token_id=token("<audio>"), image_token_id=token("<image>"),
        video_token_id=token("<video>"), boa_token_id=token("<start_of_audio>"), tie_word_embeddings=False,
    )  # fmt: skip
    torch.manual_seed(0)
    model = Gemma4ForConditionalGeneration(config)
    return _save(model, tokens, Gemma4AudioFeatureExtractor(feature_size=4), folder)


def _tokenizer(*special: str) -> Any:
    return parts.tokenizer(
        *special, bos_token="<bos>",
        extra_special_tokens=dict(
            audio_token="<audio>", boa_token="<start_of_audio>", eoa_token="<end_of_audio>", image_token="<image>",
        ),
    )  # fmt: skip


def _ends(tokens: Any) -> dict[str, int]:
    return dict(
        pad_token_id=tokens.pad_token_id, eos_token_id=tokens.eos_token_id, bos_token_id=tokens.bos_token_id
    )


def _save(model: Any, tokens: Any, extractor: Any, folder: Path) -> Path:
    parts.loud(model)
    parts.ends(model, tokens)
    model.save_pretrained(folder)
    tokens.chat_template = "{{ bos_token }}" + parts.template("<audio>")
    tokens.save_pretrained(folder)
    extractor.save_pretrained(folder)
    return folder
