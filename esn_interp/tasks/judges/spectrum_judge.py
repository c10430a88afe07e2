"""`toy-spectrum`: hears emotion in the shape and the movement of the spectrum, by a small perceptron."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float64
from scipy.special import softmax

from esn_interp.errors import ModelError
from esn_interp.files import load_tensors
from esn_interp.tasks.judges.cepstra import log_mel, spectral_statistics
from esn_interp.tasks.judges.functionals import as_row

KIND, VERSION = "spectrum-judge", 1
FOLDER = Path(__file__).parent / "bundled" / "toy-spectrum"


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Standardised numbers, one layer of rectified units, and a softmax."""

    mean: Float64[np.ndarray, " statistic"]
    scale: Float64[np.ndarray, " statistic"]
    hidden: Float64[np.ndarray, "statistic unit"]
    hidden_bias: Float64[np.ndarray, " unit"]
    output: Float64[np.ndarray, "unit emotion"]
    output_bias: Float64[np.ndarray, " emotion"]

    def probabilities(self, rows: Float64[np.ndarray, "clip statistic"]) -> Float64[np.ndarray, "clip emotion"]:
        units = np.maximum((rows - self.mean) / self.scale @ self.hidden + self.hidden_bias, 0.0)
        return softmax(units @ self.output + self.output_bias, axis=1)


@dataclass(frozen=True, eq=False)
class SpectrumJudge:
    """Statistics and a perceptron; an :class:`~esn_interp.tasks.judges.protocol.EmotionJudge`."""

    name: str
    emotions: tuple[str, ...]
    statistics: tuple[str, ...]
    perceptron: Perceptron

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        if not waveforms:
            return np.empty((0, len(self.emotions)))
        rows = [as_row(spectral_statistics(log_mel(waveform, rate))) for waveform in waveforms]
        return self.perceptron.probabilities(np.stack(rows))


def load_spectrum_judge(folder: Path = FOLDER, name: str = FOLDER.name) -> SpectrumJudge:
    """Read what `tools/train_judges.py` has written.

    Raises `ModelError` when it was trained on other statistics than this version of the package computes.
    """
    arrays, header = load_tensors(folder / "model.safetensors", kind=KIND, version=VERSION)
    statistics = spectral_statistics(log_mel(np.zeros(1), 16_000))
    if list(statistics) != header["statistics"]:
        raise ModelError(f"judge {name}: {folder} was trained on other statistics; train it anew")
    return SpectrumJudge(
        name=name,
        emotions=tuple(header["emotions"]),
        statistics=tuple(header["statistics"]),
        perceptron=Perceptron(**{field.name: arrays[field.name] for field in fields(Perceptron)}),
    )
