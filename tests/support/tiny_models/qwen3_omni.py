"""A tiny Qwen3-Omni with all its parts: thinker and talker with experts, code predictor, vocoder."""

from pathlib import Path

import torch

from tiny_models import parts

SPECIAL = (
    "<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|audio_pad|>", "<|audio_start|>", "<|audio_end|>",
    "<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<tts_pad>", "<tts_text_bos>",
    "<tts_text_eod>",
)  # fmt: skip
CODES, GROUPS = 16, 2
ROPE = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}


def save_qwen3_omni(folder: Path) -> Path:
    from transformers import Qwen3OmniMoeForConditionalGeneration, WhisperFeatureExtractor

    tokens = parts.tokenizer(*SPECIAL)
    torch.manual_seed(0)
    model = Qwen3OmniMoeForConditionalGeneration(config(tokens))
    with torch.no_grad():  # not every expert and router is initialised by its class
        for name, parameter in model.named_parameters():
            if ".mlp.experts." in name or name.endswith(".mlp.gate.weight"):
                parameter.normal_(std=0.02)
    parts.loud(model.thinker)
    parts.loud(model.talker)
    for part in (model.thinker, model):
        parts.ends(part, tokens)
    with torch.no_grad():  # the default weights speak any code, and near silence
        for head in (model.talker.codec_head, *model.talker.code_predictor.lm_head):
            head.weight.mul_(20)
        model.talker.codec_head.weight[CODES] = 0  # it would end at once
        for parameter in model.code2wav.decoder.parameters():
            if parameter.ndim == 3:
                torch.nn.init.kaiming_normal_(parameter, a=1.0)
    model.save_pretrained(folder)
    tokens.chat_template = parts.template("<|audio_start|><|audio_pad|><|audio_end|>")
    tokens.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=64, return_attention_mask=True).save_pretrained(folder)
    return folder


def config(tokens):
    from transformers import Qwen3OmniMoeConfig

    token = tokens.convert_tokens_to_ids

    def first(role: str) -> int:
        """By which a turn is told to be somebody's."""
        return tokens(role)["input_ids"][0]

    heads = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=2048)
    experts = dict(num_experts=4, num_experts_per_tok=2, rope_parameters=dict(ROPE), hidden_size=32)
    media = dict(
        audio_token_id=token("<|audio_pad|>"), image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"), audio_start_token_id=token("<|audio_start|>"),
    )  # fmt: skip
    vocabulary = CODES + 1024 + 8  # the last 1024 codes are never spoken
    return Qwen3OmniMoeConfig(
        thinker_config=dict(
            audio_config=dict(
                num_mel_bins=64, encoder_layers=1, encoder_attention_heads=2, encoder_ffn_dim=32, d_model=32,
                output_dim=32, downsample_hidden_size=8, n_window=50,
            ),
            vision_config=dict(
                depth=1, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=32,
                num_position_embeddings=16, deepstack_visual_indexes=[0],
            ),
            text_config=dict(
                vocab_size=len(tokens), intermediate_size=24, moe_intermediate_size=12, num_hidden_layers=3,
                pad_token_id=tokens.pad_token_id, **experts, **heads,
            ),
            vision_start_token_id=token("<|vision_start|>"), user_token_id=first("user"), **media,
        ),
        talker_config=dict(
            text_config=dict(
                vocab_size=vocabulary, intermediate_size=24, moe_intermediate_size=12, num_hidden_layers=2,
                shared_expert_intermediate_size=20, **experts, **heads,
            ),
            code_predictor_config=dict(
                vocab_size=CODES, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_code_groups=GROUPS,
                **heads,
            ),
            num_code_groups=GROUPS, thinker_hidden_size=32, accept_hidden_layer=2, spatial_merge_size=2,
            codec_eos_token_id=CODES, codec_pad_id=CODES + 1, codec_bos_id=CODES + 2, codec_nothink_id=CODES + 3,
            codec_think_bos_id=CODES + 4, codec_think_eos_id=CODES + 5, speaker_id={"ethan": CODES + 6},
            vision_start_token_id=token("<|vision_start|>"), **media,
        ),
        code2wav_config=dict(
            codebook_size=CODES, hidden_size=16, num_attention_heads=2, num_key_value_heads=2, intermediate_size=16,
            num_hidden_layers=1, num_quantizers=GROUPS, decoder_dim=64,
        ),
        im_start_token_id=token("<|im_start|>"), im_end_token_id=token("<|im_end|>"),
        tts_pad_token_id=token("<tts_pad>"), tts_bos_token_id=token("<tts_text_bos>"),
        tts_eos_token_id=token("<tts_text_eod>"), system_token_id=first("system"), user_token_id=first("user"),
        assistant_token_id=first("assistant"),
    )  # fmt: skip
