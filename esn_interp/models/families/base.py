"""What the rest of the package needs to know about a kind of model, and nothing more."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from esn_interp.errors import ModelError


@dataclass(frozen=True)
class Processor:
    """Turns audio and text into a model's inputs: tokenizer, feature extractor and chat template.

    The full processor classes insist on image libraries; audio needs only these three.
    """

    tokenizer: PreTrainedTokenizerBase
    feature_extractor: Any
    chat_template: str


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


class Family(ABC):
    """One kind of model: how it is loaded, how a clip and an instruction become its inputs, where its parts are."""

    name: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]
    title: ClassVar[str]
    capability: ClassVar[str]
    """``recognise``, ``speak`` or ``gates only``."""
    checkpoints: ClassVar[tuple[str, ...]]
    needs: ClassVar[str]

    @abstractmethod
    def load(self, path: str | Path, **options: Any) -> tuple[nn.Module, Processor]:
        """Load model and processor from a folder or the hub."""

    @abstractmethod
    def inputs(
        self, processor: Processor, waveforms: Sequence[Float[np.ndarray, " _sample"]], prompt: str
    ) -> Inputs:
        """The inputs that ask ``prompt`` about each waveform (16 kHz mono)."""

    @abstractmethod
    def generator(self, model: nn.Module) -> nn.Module:
        """The module with ``forward`` to logits and ``generate`` to text."""

    @abstractmethod
    def backbone(self, model: nn.Module) -> nn.Module:
        """The module that merges audio and text and runs the decoder, without the head."""

    @abstractmethod
    def decoder(self, model: nn.Module) -> nn.Module:
        """The decoder stack whose gates are read."""

    @abstractmethod
    def head(self, model: nn.Module) -> nn.Linear:
        """The unembedding."""

    @abstractmethod
    def embedding(self, model: nn.Module) -> nn.Module:
        """The token embedding."""


def require_template(template: str | None, where: str) -> str:
    """The chat template, or a clear refusal: without it the prompt would not be what the model was trained on."""
    if not template:
        raise ModelError(
            f"{where}: no chat template (chat_template.jinja) beside the tokenizer; add the model's own"
        )
    return template
