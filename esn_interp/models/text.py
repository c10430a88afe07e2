"""How likely a text is to the model by itself: no audio, no question, teacher-forced."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError
from esn_interp.models.edits import SCOPE_CODES
from esn_interp.models.families.inputs import Inputs, require_words


def text_log_probs(
    run: Callable[[dict[str, Any], Int[Tensor, "clip token"]], Any],
    capture: Callable[[Inputs], dict[str, Any]],
    head: Callable[[Tensor], Tensor],
    tokenizer: PreTrainedTokenizerBase,
    sentences: Sequence[str],
    device: torch.device,
) -> list[Float[Tensor, " _token"]]:
    """Log-probability (nats) of every token of a running text given those before it, sentence by sentence.

    ``head`` gives the logits of hidden states. The first token of all has nothing before it and is left out. All
    positions are of the scope ``text``, but for the last one.

    Raises
    ------
    ModelError
        When the text has fewer than two tokens, or holds a sign for audio.
    """
    for sentence in sentences:
        require_words(tokenizer, sentence)
    pieces = [
        cast(list[int], tokenizer(text, add_special_tokens=False)["input_ids"])
        for text in (sentence if not at else f" {sentence}" for at, sentence in enumerate(sentences))
    ]
    ids = torch.tensor([[token for piece in pieces for token in piece]], dtype=torch.long, device=device)
    if ids.shape[1] < 2:
        raise ModelError("the likelihood of a text needs two tokens or more")
    tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    inputs = capture(Inputs(tensors, torch.zeros_like(ids, dtype=torch.bool)))
    scopes = torch.full_like(ids, SCOPE_CODES["text"])
    scopes[:, -1] = SCOPE_CODES["last"]
    hidden = run(inputs, scopes).last_hidden_state[0, :-1]
    log_probs = head(hidden).float().log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
    lengths = [len(piece) for piece in pieces]
    lengths[0] -= 1
    return list(log_probs.split(lengths))
