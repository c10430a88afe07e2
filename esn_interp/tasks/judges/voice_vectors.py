"""Judges of voices: any x-vector model of transformers, such as WavLM's."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoModelForAudioXVector

from esn_interp.tasks.judges.checkpoints import Checkpoint, open_checkpoint


@dataclass(frozen=True, eq=False)
class XVectorJudge:
    """Cosine similarity of two clips' x-vectors (Snyder et al. 2018, ICASSP)."""

    name: str
    checkpoint: Checkpoint

    def similarity(
        self,
        first: Float[np.ndarray, " _sample"],
        first_rate: int,
        second: Float[np.ndarray, " _other_sample"],
        second_rate: int,
    ) -> float:
        return float(
            torch.cosine_similarity(self._voice(first, first_rate), self._voice(second, second_rate), dim=0)
        )

    def _voice(self, waveform: Float[np.ndarray, " _sample"], rate: int) -> torch.Tensor:
        with torch.inference_mode():
            return self.checkpoint.model(**self.checkpoint.inputs(waveform, rate)).embeddings[0].double()


def load_speaker_judge(name: str | Path, *, device: str = "cpu") -> XVectorJudge:
    """An x-vector model from a folder or the hub.

    Raises `ModelError` when there is none.
    """
    checkpoint = open_checkpoint(AutoModelForAudioXVector, name, device=device, what="an x-vector model")
    return XVectorJudge(str(name), checkpoint)
