"""The model without tracing: what is wrapped for tracing can't be compiled layer by layer."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import esn_interp
from esn_interp.models.assembly import smol_audio
from esn_interp.models.families import family_of
from esn_interp.models.families.inputs import Processor

FOLDER = Path(esn_interp.__file__).parent / "models" / "bundled" / smol_audio.NAME


@dataclass(frozen=True)
class Plain:
    """What a training needs of a model."""

    model: Any
    processor: Processor
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def assembled(cls, device: str, dtype: str) -> "Plain":
        """smol-audio, as the package puts it together."""
        model, own, _ = smol_audio.assemble(FOLDER, dtype=dtype)
        whole: Any = model.to(device)
        return cls(whole, family_of(whole.config).processor(whole, own), torch.device(device), whole.dtype)

    def compile(self) -> None:
        """Compile the decoder's layers, all by one graph."""
        for layer in self.model.model.language_model.layers:
            layer.forward = torch.compile(layer.forward, dynamic=True)
