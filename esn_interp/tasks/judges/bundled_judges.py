"""The bundled judges of emotion: a clip in numbers, and a small classifier that was trained on them.

`toy-prosody` hears emotion in how pitch, level, timbre and tempo run, by boosted trees; `toy-spectrum` in the shape and
the movement of the spectrum, by a perceptron.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Float

from esn_interp.errors import ModelError
from esn_interp.files import load_tensors
from esn_interp.tasks.judges.cepstra import log_mel, spectral_statistics
from esn_interp.tasks.judges.classifiers import Perceptron, Trees
from esn_interp.tasks.judges.contours import contours
from esn_interp.tasks.judges.functionals import as_row, functionals

VERSION = 1
FOLDER = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class Recipe:
    """What a judge goes by: the kind of its file, what its numbers are called and how they are had, and who judges."""

    kind: str
    called: str
    numbers: Callable[[Float[np.ndarray, " _sample"], int], dict[str, float]]
    classifier: type[Trees] | type[Perceptron]


RECIPES = {
    "toy-prosody": Recipe(
        "prosody-judge", "functionals", lambda waveform, rate: functionals(contours(waveform, rate)), Trees
    ),
    "toy-spectrum": Recipe(
        "spectrum-judge", "statistics", lambda waveform, rate: spectral_statistics(log_mel(waveform, rate)), Perceptron
    ),
}


@dataclass(frozen=True, eq=False)
class BundledJudge:
    """Numbers and their classifier; an :class:`~esn_interp.tasks.judges.protocol.EmotionJudge`."""

    name: str
    emotions: tuple[str, ...]
    recipe: Recipe
    classifier: Trees | Perceptron

    def probabilities(
        self, waveforms: Sequence[Float[np.ndarray, " _sample"]], rate: int
    ) -> Float[np.ndarray, "clip emotion"]:
        if not waveforms:
            return np.empty((0, len(self.emotions)))
        rows = [as_row(self.recipe.numbers(waveform, rate)) for waveform in waveforms]
        return self.classifier.probabilities(np.stack(rows))


def load_bundled_judge(name: str) -> BundledJudge:
    """Read what `tools/train_judges.py` has written.

    Raises `ModelError` when it was trained on other numbers than this version of the package computes.
    """
    recipe, path = RECIPES[name], FOLDER / name / "model.safetensors"
    arrays, header = load_tensors(path, kind=recipe.kind, version=VERSION)
    if list(recipe.numbers(np.zeros(1), 16_000)) != header[recipe.called]:
        raise ModelError(f"judge {name}: {path.parent} was trained on other {recipe.called}; train it anew")
    learnt = {field.name: arrays[field.name] for field in fields(recipe.classifier)}
    return BundledJudge(name, tuple(header["emotions"]), recipe, recipe.classifier(**learnt))
