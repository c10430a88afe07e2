"""What the tiny models share: a byte-level tokenizer, a chat template, and weights that make gates fire."""

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import nn
from transformers import PreTrainedTokenizerFast

WORDS = ("neutral", "happy", "angry", "sad", "fearful")


def tokenizer(*special: str, words: Sequence[str] = WORDS, **options: Any) -> PreTrainedTokenizerFast:
    """Every byte is a token, and so is every one of `words`; `special` come first: padding, then end of text."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    for word in words:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocabulary:
                vocabulary[word[:end]] = len(vocabulary)
                merges.append((word[: end - 1], word[end - 1]))
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token=special[0], eos_token=special[1], padding_side="left", **options
    )


def template(audio: str) -> str:
    """A chat template with ``audio`` where a clip stands."""
    return (
        "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{% if m['content'] is string %}{{ m['content'] }}"
        "{% else %}{% for c in m['content'] %}{% if c['type'] == 'audio' %}" + audio + "{% elif 'text' in c %}"
        "{{ c['text'] }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )


def loud(model: nn.Module, *, layers: float = 8.0, head: float = 20.0) -> None:
    """Scale random weights up: gates near zero and equal answers would hide every difference from a test."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layers" in name and parameter.ndim >= 2:
                parameter.mul_(layers)
        unembedding = model.get_output_embeddings()  # type: ignore[operator]
        if unembedding is not None:
            unembedding.weight.mul_(head)


def ends(model: Any, tokens: PreTrainedTokenizerFast) -> None:
    """Generation stops and pads with the tokenizer's own tokens."""
    model.generation_config.eos_token_id = tokens.eos_token_id
    model.generation_config.pad_token_id = tokens.pad_token_id
