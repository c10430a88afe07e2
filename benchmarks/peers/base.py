"""What is asked of every tool, and what it is given."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.models import Made
from benchmarks.shared import Outcome

SUMS = ("firings", "sum", "sum_sq", "sum_abs")


@dataclass(frozen=True, eq=False)
class Batch:
    """Clips whose audio is encoded: the decoder's inputs, and which tokens belong to which scope.

    ``member`` is ``[clip, scope, token]``, 1 where a token is in a scope (audio, text, last).
    """

    inputs: dict[str, Any]
    member: Tensor
    labels: list[int]

    def __len__(self) -> int:
        return len(self.member)

    @property
    def tokens(self) -> int:
        """Tokens that are no padding."""
        return int(self.member.sum())

    @classmethod
    def of(cls, encoded: Any, labels: Sequence[int]) -> "Batch":
        """From what `AudioLM.encode` gives, and the labels' tokens."""
        inputs = {name: value for name, value in encoded.decoder_inputs.items() if value is not None}
        scopes = torch.from_numpy(np.asarray(encoded.scopes)).to(inputs["inputs_embeds"].device)
        return cls(inputs | {"use_cache": False}, membership(scopes), list(labels))


class Unable(Exception):
    """This tool can't work on such a model; says why."""


class Peer:
    """A tool over a model of its own."""

    name = ""

    def __init__(self, made: Made) -> None:
        self.made = made
        self.head: Tensor = made.model.get_output_embeddings().weight
        self.layers = len(made.decoder.layers)

    def statistics(self, batch: Batch) -> Outcome:
        """One run of the decoder that gives label scores, and the sums of every gate by clip and scope."""
        raise NotImplementedError

    def ablated(self, batch: Batch, sets: Sequence[np.ndarray]) -> Outcome:
        """One run of the decoder that gives label scores, with some gates of every layer silenced."""
        raise NotImplementedError

    def generated(self, inputs: Mapping[str, Tensor], sets: Sequence[np.ndarray], tokens: int) -> Outcome:
        """Greedy words of so many tokens, with the same gates silenced at every step."""
        raise NotImplementedError

    def scores(self, hidden: Tensor, labels: list[int]) -> Tensor:
        """Log-probability of each label, from the decoder's last hidden state."""
        return (hidden[:, -1] @ self.head[labels].T).float().log_softmax(-1)

    def words(self, tokens: Tensor, inputs: Mapping[str, Tensor]) -> list[str]:
        """What was generated behind the prompt, as text."""
        answers = tokens[:, inputs["input_ids"].shape[1] :]
        decoded = self.made.processor.tokenizer.batch_decode(answers, skip_special_tokens=True)
        return [text.strip() for text in decoded]

    def neurons(self, sets: Sequence[np.ndarray]) -> list[Tensor]:
        """Neurons by layer, where the model is."""
        return [torch.from_numpy(neurons).to(self.head.device) for neurons in sets]


def membership(scopes: Tensor) -> Tensor:
    """``[clip, scope, token]``: 1 where a token is in a scope."""
    return torch.stack([scopes == code for code in range(3)], dim=1).float()


def reduced(gate: Tensor, member: Tensor) -> tuple[Tensor, ...]:
    """Sums over tokens, ``[clip, scope, neuron]`` each: what a researcher writes in a few lines."""
    gate = gate.float()
    return member @ (gate > 0).float(), member @ gate, member @ gate.square(), member @ gate.abs()


def summed(layers: Sequence[tuple[Tensor, ...]], *, exact: bool = True) -> Outcome:
    """The sums of a batch by name, ``[scope, gate]``, for comparison.

    Counts are whole numbers that must be the same everywhere, unless attention is computed in another way, so that
    gates differ in their last digits and one that is almost 0 may fire here and not there (``exact=False``).
    """

    def total(at: int) -> np.ndarray:
        return torch.cat([layer[at].double().sum(dim=0) for layer in layers], dim=-1).cpu().numpy()

    return {
        "firings": lambda: np.rint(total(0)).astype(np.int64 if exact else np.float64),
        **{name: (lambda at=at: total(at)) for at, name in enumerate(SUMS) if at},
    }
