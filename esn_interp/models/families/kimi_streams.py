"""Running Kimi-Audio's two streams: its own forward, its text stream as a decoder, and both written side by side."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPast

CODES_PER_SECOND = 12.5
RATE = 24_000
# Of the published pipeline: steps before the first speech code, and how codes are sampled.
_DELAY = 6
_TEMPERATURE, _TOP = 0.8, 10


def forward(model: Any, clip: Mapping[str, Tensor], start: int, cache: Any, *, use_cache: bool) -> Any:
    """The model's own forward; of its ``logits`` the first are those of speech, the second those of text."""
    streams = dict(clip)
    if (features := streams.pop("whisper_input_feature", None)) is not None:
        streams |= {"whisper_input_feature": cast(Any, [features])}
    length = clip["input_ids"].shape[1]
    positions = torch.arange(start, start + length, device=clip["input_ids"].device)[None]
    return model(
        **streams, position_ids=positions, past_key_values=cache, use_cache=use_cache, return_dict=True
    )


class TextStream(nn.Module):
    """The decoder with the hidden state of the text stream alone as its output."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.decoder = model.model

    def forward(self, **inputs: Any) -> BaseModelOutputWithPast:
        output = self.decoder(**inputs, return_dict=True)
        text, _ = output.last_hidden_state
        return BaseModelOutputWithPast(last_hidden_state=text, past_key_values=output.past_key_values)


class AnswerEmbedding(nn.Module):
    """The embedding of a token of the answer: its own, plus that of the blank audio stream beside it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.embedding = model.get_input_embeddings()
        self.blank = model.generation_config.pad_token_id

    def forward(self, tokens: Int[Tensor, "clip token"]) -> Float[Tensor, "clip token hidden"]:
        return self.embedding(torch.full_like(tokens, self.blank)) + self.embedding(tokens)


def write(
    model: Any,
    clip: Mapping[str, Tensor],
    *,
    words: int,
    codes: int = 0,
    ends: Sequence[int] = (),
    temperature: float | None = None,
    top_k: int | None = None,
) -> tuple[Int[Tensor, " word"], Int[Tensor, " code"]]:
    """Text and speech written side by side: the text greedily, the speech sampled and some steps behind.

    At most ``words`` and ``codes`` of them. Without ``codes`` the audio stream stays blank; with them it goes on
    until one of the tokens in ``ends``. The delay is that of the published pipeline, and so is the sampling unless
    it is given; ``top_k`` of 1 is greedy.
    """
    special = model.generation_config
    blank = clip["input_ids"].new_full((1,), special.pad_token_id)
    said, spoken, writing = [blank[:0]], [blank[:0]], True
    cache, start = None, 0
    for step in range(_DELAY + codes if codes else words):
        output = forward(model, clip, start, cache, use_cache=True)
        speech, text = (logits[:, -1] for logits in output.logits)
        word, code = text.argmax(-1) if writing else blank, blank
        if writing:
            said.append(word)
            writing = int(word) != special.eos_token_id and len(said) <= words
        if codes and step >= _DELAY:
            spoken.append(code := _sampled(speech, temperature or _TEMPERATURE, top_k or _TOP))
        if int(code) in ends if codes else not writing:
            break
        start, cache = start + clip["input_ids"].shape[1], output.past_key_values
        clip = {"input_ids": code[:, None], "text_input_ids": word[:, None]}
    return torch.cat(said), torch.cat(spoken)


def _sampled(logits: Float[Tensor, "1 token"], temperature: float, top: int) -> Int[Tensor, " 1"]:
    likeliest = (logits.float() / temperature).softmax(-1).topk(top)
    return likeliest.indices[0, torch.multinomial(likeliest.values[0], 1)]
