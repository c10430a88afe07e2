"""Sentences in the place of clips: what a model is asked about a voice, asked about words on paper."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from esn_interp.errors import ModelError
from esn_interp.models.families.inputs import Inputs, Processor, collate, require_words


def written_inputs(
    processor: Processor, sentences: Sequence[str], prompt: str, *, system: str | None = None
) -> Inputs:
    """The inputs that ask ``prompt`` about each sentence, which stands where a clip would stand.

    The tokens of a sentence are of the scope ``audio``, that of what is asked about; so statistics, neurons and edits
    that name scopes mean the same whether a model hears or reads.

    Raises
    ------
    ModelError
        When the model's way of writing prompts is not known here, or its vocabulary lacks a word.
    """
    if not processor.chat_template:
        raise ModelError("this model has no chat template for text alone, so it can't be asked about a sentence")
    singles: list[dict[str, Tensor]] = []
    stood: list[Tensor] = []
    for sentence in sentences:
        require_words(processor.tokenizer, sentence, audio_token_id=processor.audio_token_id)
        ids, place = _placed(processor, sentence, prompt, system)
        singles.append({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
        stood.append(place)
    tensors = collate(singles, pad_token_id=cast(Any, processor.tokenizer).pad_token_id or 0)
    longest = tensors["input_ids"].shape[1]
    places = [torch.nn.functional.pad(place, (longest - len(place), 0)) for place in stood]
    return Inputs(tensors, torch.stack(places))


def _placed(processor: Processor, sentence: str, prompt: str, system: str | None) -> tuple[Tensor, Tensor]:
    """Tokens of a prompt, and which of them are the sentence's."""
    before = [{"role": "system", "content": [{"type": "text", "text": system}]}] if system else []
    user = [{"type": "text", "text": f"{sentence}\n{prompt}"}]
    text = processor.text([*before, {"role": "user", "content": user}])
    start = text.find(sentence)
    if start < 0:
        raise ModelError("this model's chat template leaves out what it is told in text")
    tokenizer: Any = processor.tokenizer
    made = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    ids = made["input_ids"]
    end = start + len(sentence)
    inside = [begin < end and stop > start for begin, stop in made["offset_mapping"]]
    kept = tokenizer.decode([one for one, there in zip(ids, inside, strict=True) if there])
    if _letters(sentence) not in _letters(kept):
        raise ModelError(f"the model's vocabulary lacks a word of {sentence!r}, so it can't read it")
    return torch.tensor([ids], dtype=torch.long), torch.tensor(inside)


def _letters(text: str) -> str:
    return "".join(sign for sign in text.lower() if sign.isalnum())
