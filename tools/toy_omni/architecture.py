"""toy-omni before training: a tokenizer, a feature extractor and a small Qwen2.5-Omni thinker."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"]
UNUSED = ["<|IMAGE|>", "<|VIDEO|>", "<|vision_bos|>", "<|vision_eos|>"]  # the class asks for their ids
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}{% for c in m['content'] %}{% if c['type'] == 'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>"
    "{% elif 'text' in c %}{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
MELS = 64


def make_tokenizer(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """Byte-level BPE: any text can be spelled, and the words of `texts` are short."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1200,
        min_frequency=1,
        special_tokens=[*SPECIAL, *UNUSED],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*texts, "user\n", "assistant\n"], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="left",
        model_max_length=4096,
        chat_template=TEMPLATE,
    )


def make_config(
    tokenizer: PreTrainedTokenizerFast,
    *,
    hidden: int = 96,
    layers: int = 8,
    gates: int = 128,
    encoder: int = 96,
    encoder_layers: int = 2,
) -> Qwen2_5OmniThinkerConfig:
    token: Any = tokenizer.convert_tokens_to_ids
    heads = 4
    size = hidden // heads
    return Qwen2_5OmniThinkerConfig(
        audio_config=dict(
            num_mel_bins=MELS,
            d_model=encoder,
            encoder_layers=encoder_layers,
            encoder_attention_heads=4,
            encoder_ffn_dim=2 * encoder,
            output_dim=hidden,
            n_window=100,
        ),
        vision_config=dict(
            depth=1,
            hidden_size=16,
            intermediate_size=16,
            num_heads=1,
            out_hidden_size=hidden,
            fullatt_block_indexes=[0],
        ),
        text_config=dict(
            vocab_size=-(-len(tokenizer) // 16) * 16,
            hidden_size=hidden,
            intermediate_size=gates,
            hidden_act="relu",  # a gate that is exactly zero when it does not fire: see the model card
            num_hidden_layers=layers,
            num_attention_heads=heads,
            num_key_value_heads=2,
            max_position_embeddings=4096,
            rope_parameters={
                "rope_type": "default",
                "rope_theta": 1e4,
                "mrope_section": [size // 2 - 2 * (size // 6), size // 6, size // 6],
            },
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            tie_word_embeddings=False,
        ),
        audio_token_index=token("<|AUDIO|>"),
        image_token_index=token("<|IMAGE|>"),
        video_token_index=token("<|VIDEO|>"),
        audio_start_token_id=token("<|audio_bos|>"),
        audio_end_token_id=token("<|audio_eos|>"),
        user_token_id=token("user"),
        vision_start_token_id=token("<|vision_bos|>"),
        vision_end_token_id=token("<|vision_eos|>"),
        pad_token_id=tokenizer.pad_token_id,
    )


def make_feature_extractor() -> WhisperFeatureExtractor:
    return WhisperFeatureExtractor(feature_size=MELS, chunk_length=30, return_attention_mask=True)


def build(
    tokenizer: PreTrainedTokenizerFast, *, seed: int = 0, **sizes: int
) -> Qwen2_5OmniThinkerForConditionalGeneration:
    torch.manual_seed(seed)
    model = Qwen2_5OmniThinkerForConditionalGeneration(make_config(tokenizer, **sizes))
    generation: Any = model.generation_config
    generation.eos_token_id = tokenizer.eos_token_id
    generation.pad_token_id = tokenizer.pad_token_id
    return model


def save(model: Any, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    make_feature_extractor().save_pretrained(folder)
