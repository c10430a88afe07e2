"""A prompt manager with the published layout of the two streams; its ears are band energies of the waveform."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import AutoConfig, PreTrainedTokenizerFast

SPECIAL = (
    "<|im_msg_end|>",
    "<|im_media_begin|>",
    "<|im_media_end|>",
    "<|im_kimia_text_blank|>",
    "<|im_kimia_text_eos|>",
    "<|im_kimia_user_msg_start|>",
    "<|im_kimia_assistant_msg_start|>",
    "<|im_kimia_speech_ct_id|>",
    "<|im_kimia_speech_ctd_id|>",
)
SAMPLES = 1280  # of a speech token: 12.5 of them a second


@dataclass
class ExtraTokens:
    msg_end: int
    media_begin: int
    media_end: int
    kimia_text_blank: int
    kimia_text_eos: int
    kimia_user_msg_start: int
    kimia_assistant_msg_start: int
    kimia_speech_ct_id: int
    kimia_speech_ctd_id: int
    pad: int


class TextTokenizer:
    """The checkpoint's text tokenizer, which is asked in its own way and not in that of transformers."""

    def __init__(self, path):
        self.inner = PreTrainedTokenizerFast.from_pretrained(path)
        self.special_tokens = {token: self.inner.convert_tokens_to_ids(token) for token in SPECIAL}
        self.pad_id = self.inner.pad_token_id

    def encode(self, s, *, bos, eos):
        assert (bos, eos) == (False, False)
        return self.inner(s, add_special_tokens=False)["input_ids"]

    def decode(self, t):
        return self.inner.decode(t)


@dataclass
class Content:
    audio_token_ids: list = field(default_factory=list)
    text_token_ids: list = field(default_factory=list)
    is_continuous_mask: list = field(default_factory=list)
    continuous_feature: list = field(default_factory=list)

    def extend(self, audio, text, *, continuous=False):
        assert len(audio) == len(text)
        self.audio_token_ids += audio
        self.text_token_ids += text
        self.is_continuous_mask += [continuous] * len(audio)

    def to_tensor(self):
        return (
            torch.tensor([self.audio_token_ids]),
            torch.tensor([self.text_token_ids]),
            torch.tensor([self.is_continuous_mask]),
        )


class KimiAPromptManager:
    def __init__(self, model_path, kimia_token_offset):
        config = AutoConfig.from_pretrained(model_path, trust_remote_code=True)
        self.codes = config.vocab_size - kimia_token_offset
        self.bands = config.kimia_adaptor_input_dim
        self.text_tokenizer = TextTokenizer(Path(model_path))
        names = (token.strip("<|>").removeprefix("im_") for token in SPECIAL)
        self.extra_tokens = ExtraTokens(
            **dict(zip(names, self.text_tokenizer.special_tokens.values(), strict=True)),
            pad=self.text_tokenizer.pad_id,
        )
        self.kimia_token_offset = kimia_token_offset

    def _frames(self, path):
        wave, rate = soundfile.read(path, dtype="float32")
        assert rate == 16_000
        wave = np.pad(wave, (0, -len(wave) % SAMPLES)).reshape(-1, SAMPLES)
        spectrum = np.abs(np.fft.rfft(wave)) ** 2
        return np.log1p(np.stack([part.mean(1) for part in np.array_split(spectrum, self.bands, axis=1)], 1))

    def get_prompt(self, messages, output_type="text"):
        """One turn of the user, and the beginning of the assistant's."""
        special, content = self.extra_tokens, Content()
        assert all(message["role"] == "user" for message in messages)
        blank = special.kimia_text_blank
        content.extend([special.kimia_user_msg_start], [blank])
        for message in messages:
            if message["message_type"] == "text":
                text = self.text_tokenizer.encode(message["content"], bos=False, eos=False)
                content.extend([blank] * len(text), list(text))
                continue
            frames = self._frames(message["content"])
            codes = (frames.sum(1) * 7).astype(int) % self.codes + self.kimia_token_offset
            content.extend([special.media_begin], [blank])
            content.extend(codes.tolist(), [blank] * len(codes), continuous=True)
            content.extend([special.media_end], [blank])
            content.continuous_feature.append(torch.from_numpy(frames).float()[None])
            ends = {"text": special.kimia_speech_ct_id, "both": special.kimia_speech_ctd_id}
            content.extend([ends[output_type]], [blank])
        content.extend([special.msg_end], [blank])
        content.extend([special.kimia_assistant_msg_start], [blank])
        return content
