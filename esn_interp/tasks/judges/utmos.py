"""A judge of naturalness: UTMOS, which predicts how listeners would rate speech."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from esn_interp.tasks.judges.checkpoints import need
from esn_interp.tasks.judges.prepared import prepared


@dataclass(frozen=True, eq=False)
class UtmosJudge:
    """UTMOS (Saeki et al. 2022, Interspeech) by utmos-pytorch, clip by clip: padding would shift its scores."""

    name: str
    model: Any
    device: str

    def scores(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, " clip"]:
        waves = (torch.from_numpy(prepared(waveform, rate))[None].to(self.device) for waveform in waveforms)
        return np.array([float(self.model.score(wave)) for wave in waves])


def load_utmos(*, device: str = "cpu") -> UtmosJudge:
    """UTMOS, its weights from the hub.

    Raises `ModelError` when utmos-pytorch is not installed.
    """
    package = need("utmos_pytorch", judge="utmos", extra="mos")
    return UtmosJudge("utmos", package.UTMOSScoreTorch(device=device), device)
