"""From a name, a path or a loaded model to an :class:`AudioLM`."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig

from esn_interp.errors import ModelError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.families import Processor, family_of

BUNDLED = ("toy-omni",)


def bundled_path(name: str) -> Path:
    """The folder of a model that comes with the package."""
    return Path(str(files("esn_interp") / "models" / "bundled" / name))


def load(
    name_or_path_or_model: str | Path | nn.Module,
    *,
    processor: Processor | None = None,
    device_map: str | dict[str, Any] | None = None,
    dtype: torch.dtype | str | None = None,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    name: str | None = None,
) -> AudioLM:
    """Load a speech-capable language model and open its gates.

    Parameters
    ----------
    name_or_path_or_model
        ``"toy-omni"`` (comes with the package), a hub name such as ``"Qwen/Qwen2.5-Omni-7B"``, a folder, or a
        model that is already loaded (then with ``processor``).
    processor
        Tokenizer, feature extractor and chat template; found beside the checkpoint when it is loaded from one.
    device_map, dtype, attn_implementation
        As in transformers' ``from_pretrained``; the default precision is the checkpoint's own.
    trust_remote_code
        Whether to run code that comes with a checkpoint. Never on by default.

    Raises
    ------
    ModelError
        When there is no such model, no family handles it, or its gates can't be found.
    """
    if isinstance(name_or_path_or_model, nn.Module):
        model = name_or_path_or_model
        config: Any = getattr(model, "config", None)
        if processor is None:
            raise ModelError(
                f"{type(model).__name__}: a loaded model needs processor=Processor(...) beside it"
            )
        family = family_of(getattr(config, "model_type", type(model).__name__))
        return AudioLM(model, processor, family, name=name or type(model).__name__)

    asked = str(name_or_path_or_model)
    path = str(bundled_path(asked)) if asked in BUNDLED else asked
    family = family_of(_model_type(path, asked, trust_remote_code))
    options: dict[str, Any] = {
        key: value
        for key, value in {
            "device_map": device_map,
            "dtype": dtype,
            "attn_implementation": attn_implementation,
            "trust_remote_code": trust_remote_code or None,
        }.items()
        if value is not None
    }
    try:
        model, found = family.load(path, **options)
    except (OSError, ValueError) as error:
        raise ModelError(f"model {asked!r} can't be loaded: {_first_line(error)}") from error
    model.requires_grad_(False)
    return AudioLM(model, processor or found, family, name=name or asked)


def _model_type(path: str, asked: str, trust_remote_code: bool) -> str:
    try:
        config = AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        known = ", ".join(BUNDLED)
        raise ModelError(
            f"no model {asked!r}: neither bundled ({known}) nor a folder with a config.json nor to be had"
            f" from the hub ({_first_line(error)})"
        ) from error
    return str(config.model_type)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else type(error).__name__
