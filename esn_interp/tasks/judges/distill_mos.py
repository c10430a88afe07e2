"""A judge of naturalness that needs no hub: Distill-MOS, whose weights come in its wheel."""

from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from esn_interp.tasks.judges import DISTILL_MOS
from esn_interp.tasks.judges.checkpoints import need
from esn_interp.tasks.judges.prepared import prepared


@dataclass(frozen=True, eq=False)
class DistillMosJudge:
    """Distill-MOS (Stahl and Gamper 2025, Microsoft, MIT): the quality of transmitted and processed speech, 1 to 5."""

    name: str
    model: Any
    device: str

    def scores(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, " clip"]:
        found: list[float] = []
        for waveform in waveforms:
            wave = torch.from_numpy(prepared(waveform, rate))[None].to(self.device)
            with torch.inference_mode():
                found.append(float(self.model(wave).squeeze()))
        return np.array(found)


def load_distill_mos(*, device: str = "cpu") -> DistillMosJudge:
    """Distill-MOS.

    Raises `ModelError` when distillmos is not installed.
    """
    package = need("distillmos", judge=DISTILL_MOS, extra="distillmos")
    with redirect_stdout(StringIO()):  # it says where its weights lie, in the place of results
        model = package.ConvTransformerSQAModel()
    model.eval()
    return DistillMosJudge(DISTILL_MOS, model.to(device), device)
