"""Label scoring: how likely is each of a few words as the model's answer?"""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError

Run = Callable[[dict[str, Any], Int[Tensor, "clip token"]], Float[Tensor, "clip token hidden"]]
"""Runs the decoder on its inputs and returns its last hidden states."""


def label_tokens(tokenizer: PreTrainedTokenizerBase, labels: Sequence[str]) -> list[list[int]]:
    """The token ids of each label, as it would begin an answer.

    Raises
    ------
    ModelError
        Without labels, for a label without tokens, or for two labels that the tokenizer can't tell apart.
    """
    if not labels:
        raise ModelError("no labels to score; give at least one")
    tokens = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in labels]
    ids: list[list[int]] = [list(label) for label in tokens]  # pyright: ignore[reportArgumentType]
    for label, label_ids in zip(labels, ids, strict=True):
        if not label_ids:
            raise ModelError(f"label {label!r} has no tokens in this model's vocabulary")
        if ids.count(label_ids) > 1:
            raise ModelError(f"label {label!r} is spelled like another label in this model's vocabulary")
    return ids


def token_log_probs(
    hidden: Float[Tensor, "clip hidden"], head: nn.Linear, tokens: Sequence[int]
) -> Float[Tensor, "clip label"]:
    """Log-probabilities of single-token labels, normalised over them: only their rows of the head are used."""
    logits = hidden @ head.weight[list(tokens)].T
    bias = cast(Tensor | None, head.bias)
    if bias is not None:
        logits = logits + bias[list(tokens)]
    return logits.float().log_softmax(-1)


def sequence_log_probs(
    run: Run,
    inputs: dict[str, Any],
    scopes: Int[Tensor, "clip token"],
    embedding: nn.Module,
    head: nn.Linear,
    labels: Sequence[Sequence[int]],
) -> Float[Tensor, "clip label"]:
    """Mean log-probability of each label's tokens (teacher-forced), normalised over the labels.

    The mean, not the sum: a label of three tokens must not lose to one of a single token for its length.
    """
    means: list[Tensor] = []
    for label in labels:
        extended, extended_scopes = _append(inputs, scopes, embedding, label[:-1])
        hidden = run(extended, extended_scopes)[:, -len(label) :]
        log_probs = head(hidden).float().log_softmax(-1)
        chosen = (
            torch.tensor(list(label), device=log_probs.device).view(1, -1, 1).expand(len(log_probs), -1, 1)
        )
        means.append(log_probs.gather(-1, chosen).mean(dim=(1, 2)))
    return torch.stack(means, dim=1).log_softmax(-1)


def _append(
    inputs: dict[str, Any], scopes: Int[Tensor, "clip token"], embedding: nn.Module, tokens: Sequence[int]
) -> tuple[dict[str, Any], Int[Tensor, "clip longer"]]:
    """The decoder's inputs with the first tokens of an answer behind the prompt."""
    if not tokens:
        return inputs, scopes
    clips, count = len(scopes), len(tokens)
    embedded = embedding(torch.tensor(list(tokens), device=scopes.device)).expand(clips, -1, -1)
    mask, positions = inputs["attention_mask"], inputs["position_ids"]
    steps = torch.arange(1, count + 1, device=positions.device)
    longer = {
        **inputs,
        "inputs_embeds": torch.cat([inputs["inputs_embeds"], embedded], dim=1),
        "attention_mask": torch.cat([mask, mask.new_ones(clips, count)], dim=1),
        "position_ids": torch.cat([positions, positions[..., -1:] + steps], dim=-1),
    }
    return longer, torch.cat([scopes, scopes.new_full((clips, count), 3)], dim=1)
