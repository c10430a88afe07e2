"""Processors and inputs: from waveforms and words to what a model is called with."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.signal import resample_poly
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from esn_interp.entries import Entries
from esn_interp.errors import AudioError, ModelError
from esn_interp.speech.audio import SAMPLE_RATE

PER_TOKEN = ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids", "audio_mask")
"""Inputs with a value for every token of the prompt."""


@dataclass(frozen=True)
class Processor:
    """Turns audio and text into a model's inputs: tokenizer, feature extractor and chat template.

    ``whole`` is the model's own processor of transformers, where it has one that needs no image libraries;
    ``audio_token_id`` is the token that stands for audio in a prompt.
    """

    tokenizer: PreTrainedTokenizerBase
    feature_extractor: Any
    chat_template: str = ""
    whole: Any = None
    audio_token_id: int = -1

    def text(self, conversation: Sequence[Mapping[str, Any]]) -> str:
        """A conversation in the words of the chat template, up to where the answer begins."""
        options = {"chat_template": self.chat_template, "tokenize": False, "add_generation_prompt": True}
        return cast(Any, self.tokenizer).apply_chat_template(list(conversation), **options)

    def require_words(self, text: str) -> None:
        """Refuse a question that holds a sign for audio, as model cards write prompts: the clip has its place already.

        Raises
        ------
        ModelError
            When it does.
        """
        require_words(self.tokenizer, text, audio_token_id=self.audio_token_id)

    def written(self, tokens: Int[Tensor, " token"]) -> str:
        """What tokens of an answer say."""
        return cast(str, self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()


@dataclass(frozen=True)
class Inputs:
    """Left-padded model inputs of a batch, and where its audio tokens are.

    ``tensors`` are the keyword arguments of the model's forward, ``input_ids`` and ``attention_mask`` among them.
    """

    tensors: dict[str, Tensor]
    audio: Bool[Tensor, "clip token"]

    @property
    def scopes(self) -> Int[Tensor, "clip token"]:
        """Scope code of each token: -1 padding, 0 audio, 1 text, 2 last (it predicts the answer)."""
        codes = torch.where(self.audio, 0, 1)
        codes[:, -1] = 2
        return codes.masked_fill(self.tensors["attention_mask"] == 0, -1)


def require_words(tokenizer: Any, text: str, *, audio_token_id: int = -1) -> None:
    """Refuse a text with one of the signs that a model takes for audio; see `Processor.require_words`."""
    if text.isalnum():
        return
    try:
        added: Mapping[int, Any] = getattr(tokenizer, "added_tokens_decoder", None) or {}
    except NotImplementedError:  # tokenizers that come with a model's own code need not tell
        return
    for number, token in added.items():
        sign = str(getattr(token, "content", token))
        about_audio = number == audio_token_id or "audio" in sign.lower()
        if about_audio and not sign.isalnum() and sign in text:
            raise ModelError(
                f"the text holds {sign!r}, a sign of the model's own for audio; leave it out, the clip has its place"
                " already"
            )


def resampled(waveform: Float[np.ndarray, " sample"], rate: int) -> Float[np.ndarray, " resampled"]:
    """A waveform of ours at the rate that a codec wants."""
    divisor = math.gcd(rate, SAMPLE_RATE)
    return resample_poly(waveform, rate // divisor, SAMPLE_RATE // divisor).astype(np.float32)


Prompts = str | Sequence[str]
"""What is asked: the same about all clips, or something else about each."""


def each(prompt: Prompts, clips: int) -> list[str]:
    """The prompt of every clip: the same for all, or one each.

    Raises
    ------
    ModelError
        When there are neither one nor as many as clips.
    """
    prompts = [prompt] * clips if isinstance(prompt, str) else list(prompt)
    if len(prompts) != clips:
        raise ModelError(f"{len(prompts)} prompts for {clips} clips; give one for all, or one each")
    return prompts


def messages(waveform: np.ndarray, prompt: str, *, system: str | None = None) -> list[dict[str, Any]]:
    """The conversation in the form that transformers' chat templates read."""
    user = [{"type": "audio", "audio": waveform}, {"type": "text", "text": prompt}]
    before = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
    return [*before, {"role": "user", "content": user}]


def collate(singles: Sequence[Mapping[str, Tensor]], *, pad_token_id: int) -> dict[str, Tensor]:
    """Inputs of single clips as one batch: tokens padded on the left, features on the right, windows stacked.

    The last position must be the one that predicts the answer, so tokens are padded on the left. Features may have
    several rows a clip (windows of long audio); they are stacked in the order of the clips.
    """
    batch: dict[str, Tensor] = {}
    for name in singles[0]:
        tensors = [single[name] for single in singles]
        if name in PER_TOKEN:
            value = pad_token_id if name == "input_ids" else 0
            longest = max(tensor.shape[1] for tensor in tensors)
            padded = [
                nn.functional.pad(tensor, (longest - tensor.shape[1], 0), value=value) for tensor in tensors
            ]
        else:
            sizes = [max(sizes) for sizes in zip(*(tensor.shape[1:] for tensor in tensors), strict=True)]
            padded = [_pad_right(tensor, sizes) for tensor in tensors]
        batch[name] = torch.cat(padded)
    return batch


def _pad_right(tensor: Tensor, sizes: Sequence[int]) -> Tensor:
    if list(tensor.shape[1:]) == list(sizes):
        return tensor
    whole = tensor.new_zeros(tensor.shape[0], *sizes)
    whole[(slice(None), *(slice(size) for size in tensor.shape[1:]))] = tensor
    return whole


def template_of(tokenizer: Any, path: str | Path) -> str | None:
    """A checkpoint's chat template; some keep it in a file of its own, which not every tokenizer loads."""
    if template := getattr(tokenizer, "chat_template", None):
        return template
    for name in ("chat_template.jinja", "chat_template.json"):
        try:
            file = cached_file(str(path), name)
        except OSError:
            continue
        if file:
            text = Path(file).read_text(encoding="utf-8")
            told = text if name.endswith("jinja") else json.loads(text)
            return told if isinstance(told, str) else Entries(dict(told), where=file).take("chat_template", str)
    return None


def require_template(template: str | None, where: str) -> str:
    """The chat template, or a clear refusal: without it the prompt would not be what the model was trained on."""
    if not template:
        raise ModelError(
            f"{where}: no chat template (chat_template.jinja) beside the tokenizer; add the model's own"
        )
    return template


_EDGE = 0.1  # seconds at a clip's end that may fill no frame


def require_whole(
    features: Tensor | None, extractor: Any, waveform: Float[np.ndarray, " sample"], title: str
) -> None:
    """Refuse a clip of which the features, mel frames of all its windows, hold a part only.

    Raises
    ------
    AudioError
        When the frames are fewer than the clip's. Features of extractors that don't tell their hop are not judged.
    """
    hop, mels = getattr(extractor, "hop_length", None), getattr(extractor, "feature_size", None)
    if features is None or not isinstance(hop, int) or not isinstance(mels, int):
        return
    rate = int(extractor.sampling_rate)
    seconds, covered = len(waveform) / rate, features.numel() / mels * hop / rate
    if covered < seconds - _EDGE:
        raise AudioError(
            f"a clip of {seconds:.1f} s is longer than the {covered:g} s that {title} hears; cut it, or leave it out"
        )
