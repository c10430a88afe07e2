"""The thinker of Qwen2.5-Omni-7B at its true widths, in bfloat16, with fewer layers and random weights."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, Qwen2_5OmniThinkerForConditionalGeneration, WhisperFeatureExtractor
from transformers.initialization import no_init_weights
from transformers.models.qwen2_5_omni.configuration_qwen2_5_omni import Qwen2_5OmniThinkerConfig

import esn_interp as esn
from esn_interp.models.families import Processor

WIDTH, HIDDEN, VOCABULARY = 18_944, 3584, 152_064
_DRAWN = 2**20


def true_geometry(*, layers: int) -> esn.AudioLM:
    """About 0.5 GB a layer; weights repeat a million random numbers, each from another place."""
    folder = Path(str(esn.__file__)).parent / "models" / "bundled" / "toy-omni"
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    config = Qwen2_5OmniThinkerConfig(
        text_config=dict(
            hidden_size=HIDDEN,
            num_hidden_layers=layers,
            intermediate_size=WIDTH,
            num_attention_heads=28,
            num_key_value_heads=4,
            vocab_size=VOCABULARY,
            max_position_embeddings=32768,
            rope_scaling={"mrope_section": [16, 24, 24], "rope_type": "default", "type": "default"},
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        ),
        audio_config=dict(
            d_model=64,
            encoder_layers=1,
            encoder_attention_heads=4,
            encoder_ffn_dim=128,
            output_dim=HIDDEN,
            num_mel_bins=128,
            n_window=100,
        ),
        vision_config=dict(
            depth=1, hidden_size=64, num_heads=2, intermediate_size=64, out_hidden_size=HIDDEN
        ),
        audio_token_index=tokenizer.convert_tokens_to_ids("<|AUDIO|>"),
        audio_start_token_id=tokenizer.convert_tokens_to_ids("<|audio_bos|>"),
        audio_end_token_id=tokenizer.convert_tokens_to_ids("<|audio_eos|>"),
        vision_start_token_id=8,
        vision_end_token_id=9,
        image_token_index=6,
        video_token_index=7,
    )
    torch.set_default_dtype(torch.bfloat16)
    try:
        with no_init_weights():
            model = Qwen2_5OmniThinkerForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(torch.float32)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(_DRAWN, generator=generator).mul_(0.03).bfloat16()
    for number, (name, parameter) in enumerate(model.named_parameters()):
        parameter.requires_grad_(False)
        if parameter.ndim == 1:
            parameter.fill_(0.0 if name.endswith("bias") else 1.0)
            continue
        # Of the embeddings, the rows of words that the tokenizer has; nobody ever touches the memory of the others.
        used = parameter[: len(tokenizer)] if len(parameter) == VOCABULARY else parameter
        flat, start = used.view(-1), 7919 * number % _DRAWN
        pattern = drawn.roll(start)
        for begin in range(0, len(flat), _DRAWN):
            part = flat[begin : begin + _DRAWN]
            part.copy_(pattern[: len(part)])
    processor = Processor(
        tokenizer,
        WhisperFeatureExtractor(feature_size=128),
        (folder / "chat_template.jinja").read_text(encoding="utf-8"),
    )
    return esn.load(model.eval(), processor=processor, name="true geometry")
