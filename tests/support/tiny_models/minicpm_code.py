"""A stand-in of MiniCPM-o's code: its module tree and call signatures on Qwen3, Llama and Whisper parts.

Saved beside the weights. What comes out of its `tts` is not speech but it is sound, written by the codes it chooses.
"""

import re
from copy import deepcopy

import numpy as np
import torch
from torch import nn
from transformers import LlamaConfig, LlamaModel, ProcessorMixin, Qwen3Config, Qwen3ForCausalLM, WhisperConfig
from transformers.models.qwen3.modeling_qwen3 import Qwen3PreTrainedModel
from transformers.models.whisper.modeling_whisper import WhisperEncoderLayer

POOLED = 5


def conv_frames(frames):
    return (frames - 1) // 2 + 1


class MiniCPMOConfig(Qwen3Config):
    model_type = "minicpmo"

    def __init__(
        self, audio_config=None, tts_config=None, init_vision=True, init_audio=True, init_tts=True, **options
    ):
        super().__init__(**options)
        self.audio_config = audio_config or {}
        self.tts_config = tts_config or {}
        self.init_vision, self.init_audio, self.init_tts = init_vision, init_audio, init_tts


class AudioEncoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.conv1 = nn.Conv1d(config.num_mel_bins, config.d_model, kernel_size=3, padding=1)
        self.conv2 = nn.Conv1d(config.d_model, config.d_model, kernel_size=3, stride=2, padding=1)
        self.embed_positions = nn.Embedding(config.max_source_positions, config.d_model)
        self.layers = nn.ModuleList(WhisperEncoderLayer(config) for _ in range(config.encoder_layers))
        self.layer_norm = nn.LayerNorm(config.d_model)

    def forward(self, input_features):
        heard = nn.functional.gelu(self.conv1(input_features))
        heard = nn.functional.gelu(self.conv2(heard)).transpose(1, 2)
        heard = heard + self.embed_positions.weight[: heard.shape[1]]
        for layer in self.layers:
            output = layer(heard, None)
            heard = output[0] if isinstance(output, tuple) else output
        return self.layer_norm(heard)


class Projector(nn.Module):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.linear1, self.relu, self.linear2 = (
            nn.Linear(in_dim, out_dim),
            nn.ReLU(),
            nn.Linear(out_dim, out_dim),
        )

    def forward(self, audio_features):
        return self.linear2(self.relu(self.linear1(audio_features)))


class MiniCPMTTS(nn.Module):
    """Llama over the answer's words and hidden states, then over the codes that it chooses itself."""

    def __init__(self, config, llm_dim, words):
        super().__init__()
        self.model = LlamaModel(config)
        self.emb_text = nn.Embedding(words, config.hidden_size)
        self.emb_code = nn.ModuleList([nn.Embedding(config.vocab_size, config.hidden_size)])
        self.head_code = nn.ModuleList([nn.Linear(config.hidden_size, config.vocab_size, bias=False)])
        self.projector_semantic = Projector(llm_dim, config.hidden_size)
        self.audio_tokenizer = None

    def generate(self, inputs_embeds, max_new_token=8):
        codes, cache = [], None
        for _ in range(max_new_token):
            output = self.model(inputs_embeds=inputs_embeds, past_key_values=cache, use_cache=True)
            code = self.head_code[0](output.last_hidden_state[:, -1]).argmax(-1)
            codes.append(code)
            cache, inputs_embeds = output.past_key_values, self.emb_code[0](code)[:, None]
        return torch.stack(codes, dim=1)


class MiniCPMO(Qwen3PreTrainedModel):
    config_class = MiniCPMOConfig

    def __init__(self, config):
        super().__init__(config)
        self.llm = Qwen3ForCausalLM(config)
        audio = WhisperConfig(**config.audio_config)
        audio._attn_implementation = "sdpa"
        self.apm = AudioEncoder(audio)
        self.audio_avg_pooler = nn.AvgPool1d(POOLED, stride=POOLED)
        self.audio_projection_layer = Projector(audio.d_model, config.hidden_size)
        if config.init_tts:
            self.tts = MiniCPMTTS(LlamaConfig(**config.tts_config), config.hidden_size, config.vocab_size)
        self.post_init()

    def get_input_embeddings(self):
        return self.llm.get_input_embeddings()

    def get_output_embeddings(self):
        return self.llm.lm_head

    def init_tts(self, streaming=False, model_dir=None):
        """The vocoder: in the published code a download of its own."""
        self.tts.audio_tokenizer = lambda codes: np.sin(np.repeat(codes.cpu().numpy() + 1, 240) / 10)
        return self.tts.audio_tokenizer

    def _embeddings(self, data):
        assert len(data["pixel_values"]) == len(data["input_ids"])
        embeddings = self.llm.model.embed_tokens(data["input_ids"]).clone()
        heard = self.audio_projection_layer(self.apm(data["audio_features"]))
        heard = self.audio_avg_pooler(heard.transpose(1, 2)).transpose(1, 2)
        lengths = [
            int((conv_frames(n) - POOLED) // POOLED + 1) for n in torch.hstack(data["audio_feature_lens"])
        ]
        for row, bounds in enumerate(data["audio_bounds"]):
            for start, end in bounds.tolist():
                if lengths[row] != end - start:
                    raise ValueError(f"Shape mismatch: {lengths[row]} embeddings for {end - start} places")
                embeddings[row, start:end] = heard[row, : lengths[row]]
        return embeddings

    def forward(self, data, **kwargs):
        return self.llm(
            input_ids=None, position_ids=data["position_ids"], inputs_embeds=self._embeddings(data), **kwargs
        )

    @torch.inference_mode()
    def generate(
        self,
        input_ids=None,
        pixel_values=None,
        tgt_sizes=None,
        audio_features=None,
        audio_feature_lens=None,
        image_bound=None,
        audio_bounds=None,
        spk_bounds=None,
        attention_mask=None,
        tokenizer=None,
        vision_hidden_states=None,
        stream=False,
        **kwargs,
    ):
        data = {
            "input_ids": input_ids,
            "pixel_values": pixel_values,
            "audio_features": audio_features,
            "audio_feature_lens": audio_feature_lens,
            "audio_bounds": audio_bounds,
        }
        outputs = self.llm.generate(
            inputs_embeds=self._embeddings(data),
            pad_token_id=0,
            eos_token_id=[tokenizer.convert_tokens_to_ids("<|im_end|>")],
            attention_mask=attention_mask,
            output_hidden_states=True,
            return_dict_in_generate=True,
            **kwargs,
        )
        return [tokenizer.decode(row) for row in outputs.sequences], outputs

    @torch.inference_mode()
    def chat(
        self,
        image=None,
        msgs=None,
        max_new_tokens=4096,
        do_sample=True,
        enable_thinking=False,
        use_tts_template=False,
        generate_audio=False,
        output_audio_path=None,
        num_beams=3,
        **kwargs,
    ):
        messages, audios, parts = deepcopy(msgs), [], []
        for at, message in enumerate(messages):
            content = message["content"] if isinstance(message["content"], list) else [message["content"]]
            heard = [piece for piece in content if isinstance(piece, np.ndarray)]
            audios, parts = audios + heard, parts + [at] * len(heard)
            message["content"] = "\n".join(
                "<audio>./</audio>" if isinstance(p, np.ndarray) else p for p in content
            )
        use_tts_template = use_tts_template or bool(audios)
        tokenizer = self.processor.tokenizer
        text = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=True,
            use_tts_template=use_tts_template,
            enable_thinking=enable_thinking,
        )
        inputs = dict(self.processor([text], [[]], [audios], [parts], return_tensors="pt"))
        inputs.pop("image_sizes")
        (answer,), outputs = self.generate(
            **inputs,
            tokenizer=tokenizer,
            do_sample=do_sample,
            num_beams=num_beams,
            max_new_tokens=max_new_tokens,
        )
        if use_tts_template and generate_audio and output_audio_path:
            try:
                import soundfile

                hidden = torch.cat([step[-1][:, -1:] for step in outputs.hidden_states], dim=1)
                words = self.tts.emb_text(outputs.sequences)
                codes = self.tts.generate(words + self.tts.projector_semantic(hidden))
                soundfile.write(output_audio_path, self.tts.audio_tokenizer(codes[0]), samplerate=24000)
            except Exception as error:  # as in the published code, a failure is told and nothing is written
                print(f"no speech: {error!r}")
        return answer.split("<|tts_eos|>")[0]


class MiniCPMOProcessor(ProcessorMixin):
    def __init__(self, feature_extractor=None, tokenizer=None, **kwargs):
        super().__init__(feature_extractor, tokenizer, **kwargs)

    @property
    def audio_processor(self):
        return self.feature_extractor

    def __call__(
        self,
        text,
        images=None,
        audios=None,
        audio_parts=None,
        max_length=None,
        max_slice_nums=None,
        use_image_id=True,
        stream_input=False,
        return_tensors="pt",
        sampling_rate=16000,
    ):
        (text,), (audios,) = text, audios
        assert text.count("<audio>./</audio>") == len(audios) == len(audio_parts[0])
        heard = self.feature_extractor(
            audios,
            sampling_rate=sampling_rate,
            return_attention_mask=True,
            padding="max_length",
            return_tensors="pt",
        )
        lengths = heard["attention_mask"].sum(dim=1)
        for frames in lengths.tolist():
            places = "<unk>" * ((conv_frames(frames) - POOLED) // POOLED + 1)
            text = re.sub("<audio>./</audio>", f"<|audio_start|>{places}<|audio_end|>", text, count=1)
        ids = torch.tensor(self.tokenizer.encode(text), dtype=torch.int32)
        start, end = (self.tokenizer.convert_tokens_to_ids(f"<|audio_{side}|>") for side in ("start", "end"))
        bounds = torch.stack([torch.where(ids == start)[0] + 1, torch.where(ids == end)[0]], dim=1)
        return {
            "input_ids": ids[None],
            "attention_mask": torch.ones_like(ids, dtype=torch.bool)[None],
            "pixel_values": [[]],
            "image_sizes": [[]],
            "image_bound": [torch.zeros(0, 2, dtype=torch.long)],
            "tgt_sizes": [[]],
            "audio_bounds": [bounds],
            "spk_bounds": [torch.zeros(0, 2, dtype=torch.long)],
            "audio_features": heard["input_features"][:, :, : int(lengths.max())],
            "audio_feature_lens": [lengths],
        }
