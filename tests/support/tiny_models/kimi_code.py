"""A stand-in of Kimi-Audio's code: its module tree and call signatures on Qwen2's parts. Saved beside the weights."""

import torch
from torch import nn
from transformers import Qwen2Config
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from transformers.models.qwen2.modeling_qwen2 import (
    Qwen2MLP,
    Qwen2PreTrainedModel,
    Qwen2RMSNorm,
    rotate_half,
)


class KimiAudioConfig(Qwen2Config):
    model_type = "kimi_audio"

    def __init__(
        self,
        kimia_mimo_layers=1,
        kimia_mimo_transformer_from_layer_index=0,
        kimia_token_offset=0,
        kimia_adaptor_input_dim=8,
        kimia_media_begin=0,
        kimia_media_end=1,
        **options,
    ):
        super().__init__(**options)
        self.kimia_mimo_layers = kimia_mimo_layers
        self.kimia_mimo_transformer_from_layer_index = kimia_mimo_transformer_from_layer_index
        self.kimia_token_offset = kimia_token_offset
        self.kimia_adaptor_input_dim = kimia_adaptor_input_dim
        self.kimia_media_begin = kimia_media_begin
        self.kimia_media_end = kimia_media_end


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.pairs = config.num_attention_heads, config.num_key_value_heads
        self.size = config.hidden_size // self.heads
        self.q_proj = nn.Linear(config.hidden_size, self.heads * self.size)
        self.k_proj = nn.Linear(config.hidden_size, self.pairs * self.size)
        self.v_proj = nn.Linear(config.hidden_size, self.pairs * self.size)
        self.o_proj = nn.Linear(self.heads * self.size, config.hidden_size, bias=False)

    def _turned(self, states, position_ids):
        rates = 10_000.0 ** -(torch.arange(0, self.size, 2, device=states.device) / self.size)
        angles = (position_ids[..., None].float() * rates).repeat(1, 1, 2)[:, None].to(states.dtype)
        return states * angles.cos() + rotate_half(states) * angles.sin()

    def forward(self, hidden_states, position_ids, past_key_value, use_cache, padding_mask):
        clips, tokens, _ = hidden_states.shape

        def split(projected, heads):
            return projected.view(clips, tokens, heads, self.size).transpose(1, 2)

        query = self._turned(split(self.q_proj(hidden_states), self.heads), position_ids)
        key = self._turned(split(self.k_proj(hidden_states), self.pairs), position_ids)
        value = split(self.v_proj(hidden_states), self.pairs)
        if past_key_value is not None:
            key = torch.cat([past_key_value[0], key], dim=2)
            value = torch.cat([past_key_value[1], value], dim=2)
        seen = torch.ones(tokens, key.shape[2], dtype=torch.bool, device=key.device).tril(
            key.shape[2] - tokens
        )
        if padding_mask is not None:
            seen = seen & padding_mask[:, None, None, :].bool()
        heard = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=seen, enable_gqa=True)
        # A padded position sees nothing, and what comes of it is looked at by nobody.
        heard = heard.nan_to_num().transpose(1, 2).reshape(clips, tokens, -1)
        return self.o_proj(heard), None, (key, value) if use_cache else None


class DecoderLayer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = Qwen2MLP(config)
        self.input_layernorm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.post_attention_layernorm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)

    def forward(
        self,
        hidden_states,
        attention_mask=None,
        position_ids=None,
        past_key_value=None,
        output_attentions=False,
        use_cache=False,
        padding_mask=None,
    ):
        heard, _, present = self.self_attn(
            self.input_layernorm(hidden_states), position_ids, past_key_value, use_cache, padding_mask
        )
        hidden_states = hidden_states + heard
        hidden_states = hidden_states + self.mlp(self.post_attention_layernorm(hidden_states))
        return (hidden_states, present) if use_cache else (hidden_states,)


class VQAdaptor(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(config.kimia_adaptor_input_dim, config.hidden_size), nn.LayerNorm(config.hidden_size)
        )

    def forward(self, x):
        return self.layers(x)


class MoonshotKimiaModel(Qwen2PreTrainedModel):
    config_class = KimiAudioConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.num_hidden_layers))
        self.norm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mimo_layers = nn.ModuleList(DecoderLayer(config) for _ in range(config.kimia_mimo_layers))
        self.mimo_norm = Qwen2RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.vq_adaptor = VQAdaptor(config)
        self.post_init()

    def _merged(self, input_ids, text_input_ids, whisper_input_feature, is_continuous_mask):
        """One clip at a time, as in the published code."""
        audio = self.embed_tokens(input_ids)
        if whisper_input_feature is not None:
            (feature,) = whisper_input_feature
            start = int((input_ids == self.config.kimia_media_begin).nonzero()[0, 1]) + 1
            end = int((input_ids == self.config.kimia_media_end).nonzero()[0, 1])
            spread = feature.new_zeros(input_ids.shape[1], feature.shape[-1])
            spread[start:end] = feature.squeeze(0)[: end - start]
            continuous = is_continuous_mask[:, :, None]
            audio = audio * ~continuous + (audio + self.vq_adaptor(spread)[None]) * 2**0.5 * continuous
        return audio + self.embed_tokens(text_input_ids)

    def forward(
        self,
        input_ids=None,
        text_input_ids=None,
        whisper_input_feature=None,
        is_continuous_mask=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        return_dict=None,
    ):
        if inputs_embeds is None:
            inputs_embeds = self._merged(input_ids, text_input_ids, whisper_input_feature, is_continuous_mask)
        hidden_states, speech, caches = inputs_embeds, inputs_embeds, ()

        def run(layer, hidden_states):
            past = past_key_values[len(caches)] if past_key_values is not None else None
            return layer(
                hidden_states,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_value=past,
                output_attentions=False,
                use_cache=use_cache,
                padding_mask=attention_mask,
            )

        for index, layer in enumerate(self.layers):
            outputs = run(layer, hidden_states)
            hidden_states = outputs[0]
            if index == self.config.kimia_mimo_transformer_from_layer_index:
                speech = hidden_states.clone()
            if use_cache:
                caches += (outputs[1],)
        for layer in self.mimo_layers:
            outputs = run(layer, speech)
            speech = outputs[0]
            if use_cache:
                caches += (outputs[1],)
        return BaseModelOutputWithPast(
            last_hidden_state=(self.norm(hidden_states), self.mimo_norm(speech)),
            past_key_values=caches if use_cache else None,
        )


class MoonshotKimiaForCausalLM(Qwen2PreTrainedModel):
    config_class = KimiAudioConfig

    def __init__(self, config):
        super().__init__(config)
        self.model = MoonshotKimiaModel(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.mimo_output = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.model.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head

    def forward(
        self,
        input_ids=None,
        text_input_ids=None,
        whisper_input_feature=None,
        is_continuous_mask=None,
        attention_mask=None,
        position_ids=None,
        past_key_values=None,
        inputs_embeds=None,
        labels=None,
        use_cache=None,
        output_attentions=None,
        output_hidden_states=None,
        generation_mode=None,
        return_dict=None,
    ):
        outputs = self.model(
            input_ids=input_ids,
            text_input_ids=text_input_ids,
            whisper_input_feature=whisper_input_feature,
            is_continuous_mask=is_continuous_mask,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            use_cache=use_cache,
            return_dict=return_dict,
        )
        text, speech = outputs.last_hidden_state
        logits = self.mimo_output(speech), self.lm_head(text)
        if not return_dict:
            return (*logits, outputs.past_key_values)
        return CausalLMOutputWithPast(logits=logits, past_key_values=outputs.past_key_values)
