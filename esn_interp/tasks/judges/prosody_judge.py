"""`toy-prosody`: hears emotion in how pitch, level, timbre and tempo run, by boosted trees."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from esn_interp.errors import ModelError
from esn_interp.files import load_tensors
from esn_interp.tasks.judges.contours import contours
from esn_interp.tasks.judges.functionals import as_row, functionals
from esn_interp.tasks.judges.trees import Trees

KIND, VERSION = "prosody-judge", 1
FOLDER = Path(__file__).parent / "bundled" / "toy-prosody"


@dataclass(frozen=True, eq=False)
class ProsodyJudge:
    """Functionals and trees; an :class:`~esn_interp.tasks.judges.protocol.EmotionJudge`."""

    name: str
    emotions: tuple[str, ...]
    functionals: tuple[str, ...]
    trees: Trees

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        if not waveforms:
            return np.empty((0, len(self.emotions)))
        found = [functionals(contours(waveform, rate)) for waveform in waveforms]
        return self.trees.probabilities(np.stack([as_row(numbers) for numbers in found]))


def load_prosody_judge(folder: Path = FOLDER, name: str = FOLDER.name) -> ProsodyJudge:
    """Read what `tools/train_judges.py` has written.

    Raises `ModelError` when it was trained on other functionals than this version of the package computes.
    """
    arrays, header = load_tensors(folder / "model.safetensors", kind=KIND, version=VERSION)
    silence = functionals(contours(np.zeros(1), 16_000))
    if list(silence) != header["functionals"]:
        raise ModelError(f"judge {name}: {folder} was trained on other functionals; train it anew")
    return ProsodyJudge(
        name=name,
        emotions=tuple(header["emotions"]),
        functionals=tuple(header["functionals"]),
        trees=Trees(**{field.name: arrays[field.name] for field in fields(Trees)}),
    )
