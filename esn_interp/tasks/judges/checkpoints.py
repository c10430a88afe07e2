"""From a name or a path to a model of transformers that judges, with what prepares its input."""

from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from transformers import AutoFeatureExtractor

from esn_interp.errors import ModelError
from esn_interp.models.families.auto import unremarked
from esn_interp.models.unloadable import why_unloadable
from esn_interp.tasks.judges.prepared import prepared

BUNDLED = ("toy-ctc",)
_HARMLESS = "masked_spec_embed"  # of use in training only, and left out of many checkpoints


def place_of(name: str | Path) -> str:
    """The folder of a judge that comes with the package; any other name or path as it is."""
    asked = str(name)
    return str(files("esn_interp") / "tasks" / "judges" / "bundled" / asked) if asked in BUNDLED else asked


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded model, in evaluation mode and full precision, and its feature extractor."""

    model: Any
    extractor: Any

    def inputs(self, waveform: Float[np.ndarray, " _sample"], rate: int) -> dict[str, torch.Tensor]:
        """One clip, alone, as the model takes it.

        Raises `AudioError` for a waveform that is empty or not finite.
        """
        own = int(self.extractor.sampling_rate)
        made = self.extractor(prepared(waveform, rate, at=own), sampling_rate=own, return_tensors="pt")
        return {name: tensor.to(self.model.device) for name, tensor in made.items()}


def open_checkpoint(kind: Any, name: str | Path, *, device: str, what: str) -> Checkpoint:
    """Load a judge of some kind, one of transformers' auto classes.

    Raises
    ------
    ModelError
        When there is no such checkpoint, it is of another kind (``what`` says which is expected), or parts of the
        model are not in it, so that they would judge at random.
    """
    place = place_of(name)
    try:
        # Judges are small beside what they judge: full precision costs little, and verdicts are the same everywhere.
        with unremarked("transformers.modeling_utils"):
            model, report = kind.from_pretrained(
                place, dtype=torch.float32, output_loading_info=True, ignore_mismatched_sizes=True
            )
        extractor = AutoFeatureExtractor.from_pretrained(place)
    except Exception as error:
        raise not_loaded(name, what, error) from error
    lacking = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
    missing = sorted(key for key in lacking if _HARMLESS not in key)
    if missing:
        raise ModelError(
            f"judge {str(name)!r} is no {what}: its checkpoint lacks {missing[0]} (weights lacking: {len(missing)}),"
            " and would judge at random"
        )
    return Checkpoint(model.to(device).eval(), extractor)


def not_loaded(name: str | Path, what: str, error: Exception) -> ModelError:
    """Why a judge can't be loaded, in the first line of what transformers says."""
    return ModelError(f"judge {str(name)!r} can't be loaded as {what}: {why_unloadable(error)}")


def need(package: str, *, judge: str, extra: str) -> Any:
    """A package that only one judge needs.

    Raises `ModelError`, with what to install, when it is not there.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ModelError(f'judge {judge} needs {package}: pip install "esn-interp[{extra}]"') from error
