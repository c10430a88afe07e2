"""Tiny models that speak: CSM and Moshi with their codec, Higgs Audio v2, and a whole Qwen2.5-Omni."""

from pathlib import Path
from typing import Any

import torch

from tiny_models import parts

HEADS = dict(num_attention_heads=4, num_key_value_heads=2, head_dim=8)
CODES, GROUPS = 32, 4


def mimi() -> dict[str, Any]:
    return dict(
        model_type="mimi", hidden_size=16, num_filters=2, codebook_size=CODES, codebook_dim=8, num_quantizers=GROUPS,
        vector_quantization_hidden_dimension=8, upsample_groups=16, num_hidden_layers=1,
        intermediate_size=16, num_attention_heads=2, num_key_value_heads=2, head_dim=8,
    )  # fmt: skip


def audible(model: Any) -> None:
    """The default weights of a codec are near silence, and its codes all alike."""
    with torch.no_grad():
        for name, codes in model.named_buffers():
            if name.endswith("embed_sum"):
                codes.normal_()
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv1d, torch.nn.ConvTranspose1d)):
                torch.nn.init.kaiming_normal_(module.weight, a=1.0)


def save_csm(folder: Path) -> Path:
    from transformers import CsmConfig, CsmForConditionalGeneration, CsmProcessor, EncodecFeatureExtractor

    tokens = parts.tokenizer("<pad>", "<|end_of_text|>", "<|begin_of_text|>", "<|AUDIO|>", "<|audio_eos|>")
    token = tokens.convert_tokens_to_ids
    config = CsmConfig(
        num_codebooks=GROUPS, vocab_size=CODES, text_vocab_size=len(tokens), hidden_size=32, intermediate_size=24,
        num_hidden_layers=3, pad_token_id=tokens.pad_token_id, bos_token_id=token("<|begin_of_text|>"),
        codebook_pad_token_id=CODES - 1, codebook_eos_token_id=0, audio_token_id=token("<|AUDIO|>"),
        audio_eos_token_id=token("<|audio_eos|>"), codec_config=mimi(), tie_codebooks_embeddings=True, **HEADS,
        depth_decoder_config=dict(
            num_codebooks=GROUPS, backbone_hidden_size=32, vocab_size=CODES, hidden_size=32, intermediate_size=20,
            num_hidden_layers=2, max_position_embeddings=GROUPS + 1, **HEADS,
        ),
    )  # fmt: skip
    torch.manual_seed(0)
    model = CsmForConditionalGeneration(config)
    with torch.no_grad():
        for part in (model.backbone_model, model.depth_decoder.model):
            for parameter in part.layers.parameters():
                if parameter.ndim >= 2:
                    parameter.mul_(8)
        model.lm_head.weight.mul_(20)
        model.depth_decoder.codebooks_head.weight.mul_(20)
    audible(model.codec_model)
    model.generation_config.do_sample = model.depth_decoder.generation_config.do_sample = True
    model.save_pretrained(folder)
    template = (
        "{% for m in messages %}<|begin_of_text|>[{{ m['role'] }}]{% for c in m['content'] %}"
        "{% if c['type'] == 'text' %}{{ c['text'] }}<|end_of_text|>{% else %}<|AUDIO|><|audio_eos|>{% endif %}"
        "{% endfor %}{% endfor %}"
    )
    CsmProcessor(EncodecFeatureExtractor(sampling_rate=24_000), tokens, chat_template=template).save_pretrained(folder)
    return folder


def save_moshi(folder: Path) -> Path:
    from transformers import EncodecFeatureExtractor, MoshiConfig, MoshiForConditionalGeneration

    tokens = parts.tokenizer("<pad>", "</s>")
    config = MoshiConfig(
        vocab_size=len(tokens), hidden_size=32, ffn_dim=48, num_hidden_layers=3, num_codebooks=GROUPS,
        max_position_embeddings=512, audio_encoder_config=mimi(), **HEADS,
        depth_decoder_config=dict(
            hidden_size=32, ffn_dim=40, num_hidden_layers=2, max_position_embeddings=GROUPS + 1, **HEADS
        ),
    )  # fmt: skip
    torch.manual_seed(0)
    model = MoshiForConditionalGeneration(config)
    with torch.no_grad():
        for layers in (model.decoder.model.layers, model.depth_decoder.layers):
            for parameter in layers.parameters():
                if parameter.ndim >= 2:
                    parameter.mul_(8)
        model.decoder.lm_head.weight.mul_(20)
        model.depth_decoder.lm_heads.weight.mul_(20)
    audible(model.audio_encoder)
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    EncodecFeatureExtractor(sampling_rate=24_000).save_pretrained(folder)
    return folder


def save_higgs_audio(folder: Path) -> Path:
    from transformers import DacFeatureExtractor, HiggsAudioV2Config, HiggsAudioV2ForConditionalGeneration

    tokens = parts.tokenizer(
        "<pad>", "<|im_end|>", "<|im_start|>", "<|AUDIO_OUT|>", "<|audio_out_bos|>", "<|reserved_special_token_6|>"
    )
    token = tokens.convert_tokens_to_ids
    config = HiggsAudioV2Config(
        vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3, **HEADS,
        num_codebooks=GROUPS, codebook_size=CODES, audio_stream_bos_id=CODES - 2, audio_stream_eos_id=CODES - 1,
        audio_token_id=token("<|AUDIO_OUT|>"), audio_bos_token_id=token("<|audio_out_bos|>"),
        audio_delay_token_id=token("<|reserved_special_token_6|>"), pad_token_id=tokens.pad_token_id,
        eos_token_id=tokens.eos_token_id, rope_parameters={"rope_type": "default", "rope_theta": 1e4},
    )  # fmt: skip
    torch.manual_seed(0)
    model = HiggsAudioV2ForConditionalGeneration(config)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(8)
        model.audio_lm_head.weight.mul_(20)
    parts.ends(model, tokens)
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tokens.chat_template = parts.template("<|AUDIO_OUT|>") + (
        "{% if add_generation_prompt %}<|audio_out_bos|>{% endif %}"
    )
    tokens.save_pretrained(folder)
    DacFeatureExtractor(sampling_rate=24_000).save_pretrained(folder)
    return folder


class PlainCodec:
    """In the place of Higgs Audio's codec, which needs torchaudio: every code is a sample."""

    @staticmethod
    def decode(codes: torch.Tensor) -> torch.Tensor:
        return codes.float() / CODES


def save_whole_omni(folder: Path) -> Path:
    """Qwen2.5-Omni with talker, vocoder and the voices that its checkpoints keep in a file of their own."""
    from transformers import Qwen2_5OmniConfig, Qwen2_5OmniForConditionalGeneration, WhisperFeatureExtractor

    tokens = parts.tokenizer(
        "<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|IMAGE|>",
        "<|VIDEO|>", "<|vision_bos|>", "<|vision_eos|>", "<tts_pad>", "<tts_text_bos>", "<tts_text_eod>",
    )  # fmt: skip
    token = tokens.convert_tokens_to_ids
    rope = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1]}
    heads = dict(num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=2048, rope_parameters=rope)
    media = dict(
        audio_token_index=token("<|AUDIO|>"), image_token_index=token("<|IMAGE|>"),
        video_token_index=token("<|VIDEO|>"), audio_start_token_id=token("<|audio_bos|>"),
        audio_end_token_id=token("<|audio_eos|>"), vision_start_token_id=token("<|vision_bos|>"),
        vision_end_token_id=token("<|vision_eos|>"),
    )  # fmt: skip
    config = Qwen2_5OmniConfig(
        thinker_config=dict(
            user_token_id=token("u"), **media,
            audio_config=dict(
                num_mel_bins=64, encoder_layers=1, encoder_attention_heads=2, d_model=32, encoder_ffn_dim=32,
                n_window=100, output_dim=32,
            ),
            vision_config=dict(
                depth=1, hidden_size=16, intermediate_size=16, num_heads=1, out_hidden_size=32,
                fullatt_block_indexes=[0],
            ),
            text_config=dict(
                vocab_size=len(tokens), hidden_size=32, intermediate_size=24, num_hidden_layers=3,
                pad_token_id=tokens.pad_token_id, **heads,
            ),
        ),
        talker_config=dict(
            vocab_size=CODES + 8, embedding_size=32, hidden_size=32, intermediate_size=20, num_hidden_layers=2,
            head_dim=8, tts_text_pad_token_id=token("<tts_pad>"), tts_text_start_token_id=token("<tts_text_bos>"),
            tts_text_end_token_id=token("<tts_text_eod>"), tts_codec_pad_token_id=CODES,
            tts_codec_start_token_id=CODES + 1, tts_codec_end_token_id=CODES + 2, tts_codec_mask_token_id=CODES + 4,
            pad_token_id=CODES, **media, **heads,
        ),
        token2wav_config=dict(
            dit_config=dict(
                hidden_size=16, num_hidden_layers=1, num_attention_heads=2, head_dim=8, emb_dim=8,
                num_embeds=CODES + 8, repeats=2, mel_dim=80, look_ahead_layers=[0], look_backward_layers=[0],
                enc_emb_dim=16, enc_dim=16, enc_channels=[16, 16, 16, 16, 48], enc_attention_channels=8,
                enc_se_channels=8, dropout=0.0,
            ),
            bigvgan_config=dict(
                mel_dim=80, upsample_initial_channel=64, resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1, 3, 5]],
            ),
        ),
    )  # fmt: skip
    torch.manual_seed(0)
    model = Qwen2_5OmniForConditionalGeneration(config)
    parts.loud(model.thinker)
    with torch.no_grad():
        for parameter in model.talker.model.layers.parameters():
            if parameter.ndim >= 2:
                parameter.mul_(8)
        model.talker.codec_head.weight.mul_(20)
        model.talker.codec_head.weight[[CODES, CODES + 2]] = 0  # it would end at once
    audible(model.token2wav.code2wav_bigvgan_model)
    for part in (model.thinker, model):
        parts.ends(part, tokens)
    model.save_pretrained(folder)
    voice = dict(bos_token=token("<tts_text_bos>"), cond=torch.randn(1, 16), ref_mel=torch.randn(1, 20, 80))
    torch.save({"Chelsie": voice, "Ethan": {**voice, "cond": torch.randn(1, 16)}}, folder / "spk_dict.pt")
    tokens.chat_template = parts.template("<|audio_bos|><|AUDIO|><|audio_eos|>")
    tokens.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=64, return_attention_mask=True).save_pretrained(folder)
    return folder
