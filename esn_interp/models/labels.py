"""Label scoring: how likely is each of a few words as the model's answer?"""

from collections.abc import Callable, Sequence
from threading import RLock
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError

NextToken = Float[Tensor, "clip token"]
"""Log-probability of every token of the vocabulary as the next one."""

Step = Callable[[Any, int], tuple[NextToken, Any]]
"""Goes on by one token, the same for every clip."""

TOKENIZING = RLock()
"""Whether to pad is a state of a tokenizer: while one thread prepares a batch, another must not ask for its labels."""


def label_tokens(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> list[list[int]]:
    """The token ids of each label, as it would begin an answer.

    Raises
    ------
    ModelError
        Without labels, for a label without tokens, or for two labels that the tokenizer can't tell apart.
    """
    if not labels:
        raise ModelError("no labels to score; give at least one")
    with TOKENIZING:
        tokens = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
    ids: list[list[int]] = [list(label) for label in tokens]  # pyright: ignore[reportArgumentType]
    for label, label_ids in zip(labels, ids, strict=True):
        if not label_ids:
            raise ModelError(f"label {label!r} has no tokens in this model's vocabulary")
        if ids.count(label_ids) > 1:
            raise ModelError(f"label {label!r} is spelled like another label in this model's vocabulary")
    return ids


def likeliest(scores: Float[np.ndarray, " label"], model: str) -> int:
    """The label with the highest score.

    Raises
    ------
    ModelError
        When scores are no numbers, of which none is the highest.
    """
    if np.isnan(scores).any():
        raise ModelError(f"{model}: its scores are not numbers; edit less strongly, or run it in float32")
    return int(scores.argmax())


def token_log_probs(
    hidden: Float[Tensor, "clip hidden"],
    head: nn.Linear,
    tokens: Sequence[int],
    finish: Callable[[Tensor], Tensor] = lambda logits: logits,
) -> Float[Tensor, "clip label"]:
    """Log-probabilities of single-token labels, normalised over them: only their rows of the head are used.

    ``finish`` is what the model does to its logits after the head (scaling, soft-capping), element by element.
    """
    if type(head) is nn.Linear and not head.weight.is_meta:
        bias = cast(Tensor | None, head.bias)
        rows = head.weight[list(tokens)].to(hidden.device)
        logits = nn.functional.linear(hidden, rows, None if bias is None else bias[list(tokens)].to(hidden.device))
    else:  # quantised, sharded or offloaded: its rows can't be picked
        logits = head(hidden)[..., list(tokens)]
    return finish(logits).float().log_softmax(-1)


def sequence_log_probs(
    first: tuple[NextToken, Any], step: Step, labels: Sequence[Sequence[int]]
) -> Float[Tensor, "clip label"]:
    """Mean log-probability of each label's tokens (teacher-forced), normalised over the labels.

    The mean, not the sum: a label of three tokens must not lose to one of a single token for its length. The labels
    form a tree of tokens that is walked once, so a beginning that several share is computed once.

    Parameters
    ----------
    first
        Log-probabilities of the token after the prompt, and the state of the run there.
    step
        From a state, which must stay usable, and a token: the same after that token.
    """
    sums: dict[tuple[int, ...], Tensor] = {}

    def walk(prefix: tuple[int, ...], log_probs: NextToken, state: Any) -> None:
        ahead = [label for label in labels if tuple(label[: len(prefix)]) == prefix and len(label) > len(prefix)]
        for token in dict.fromkeys(label[len(prefix)] for label in ahead):
            longer = (*prefix, token)
            sums[longer] = sums.get(prefix, torch.zeros(())) + log_probs[:, token].cpu()
            if any(len(label) > len(longer) and tuple(label[: len(longer)]) == longer for label in ahead):
                walk(longer, *step(state, token))

    walk((), *first)
    return torch.stack([sums[tuple(label)] / len(label) for label in labels], dim=1).log_softmax(-1)
