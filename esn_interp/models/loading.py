"""From a name, a path or a loaded model to an :class:`AudioLM`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn
from transformers import AutoConfig

from esn_interp.errors import EsnError, ModelError
from esn_interp.models.assembly import smol_audio
from esn_interp.models.assembly.parts import MadeOf
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.baked import Baked
from esn_interp.models.conversion import ConversionPrompt
from esn_interp.models.families import family_of
from esn_interp.models.families.auto import missing_allowed, unremarked
from esn_interp.models.families.base import Family
from esn_interp.models.families.info import THINKER
from esn_interp.models.families.inputs import Processor
from esn_interp.models.fingerprint import require_finite
from esn_interp.models.precision import checked_precision
from esn_interp.models.stacks import Stack
from esn_interp.models.unloadable import why_unloadable
from esn_interp.models.wrappers import unwrapped
from esn_interp.progress import remark
from esn_interp.speech.heard import Heard

ASSEMBLED = (smol_audio.NAME,)
"""Models of which only the part that we trained comes with the package; the others are published elsewhere."""
BUNDLED = ("toy-omni", "toy-emodb", *ASSEMBLED)


def bundled_path(name: str) -> Path:
    """The folder of a model that comes with the package."""
    return Path(str(files("esn_interp") / "models" / "bundled" / name))


def speaks(name: str) -> bool:
    """Whether a bundled model says something aloud: it has a talker, and not the part that answers alone."""
    return "talker_config" in json.loads((bundled_path(name) / "config.json").read_text(encoding="utf-8"))


def unknown(name: str) -> str:
    """Why a name is no model's; empty where it may be one: bundled, a folder, or with an owner, as on the hub."""
    if name in BUNDLED or "/" in name or Path(name).is_dir():
        return ""
    return (
        f"unknown model {name!r}; bundled: {', '.join(BUNDLED)}; else give a folder, or a Hugging Face name such as"
        " Qwen/Qwen2.5-Omni-7B"
    )


def may_have_voices(name: str) -> bool:
    """Whether a model may have voices to choose from, as far as can be told without a network."""
    place = _place(name)
    return not Path(place).is_dir() or family_of(_config(place, name, False)).voices


def load(
    name_or_path_or_model: str | Path | nn.Module,
    *,
    processor: Any = None,
    device_map: str | dict[str, Any] | None = None,
    dtype: torch.dtype | str | None = None,
    attn_implementation: str | None = None,
    trust_remote_code: bool = False,
    quantization_config: Any = None,
    component: str = THINKER,
    gates: str | None = None,
    system: str | None = None,
    name: str | None = None,
    plan: str = "auto",
    allow_missing: Sequence[str] = (),
) -> AudioLM:
    """Load a speech-capable language model and open its gates.

    Parameters
    ----------
    name_or_path_or_model
        ``"toy-omni"`` or ``"toy-emodb"`` (they come with the package), ``"smol-audio"`` (its projector does; its other
        weights come from the hub, or by ``esn fetch smol-audio``), a hub name such as ``"Qwen/Qwen2.5-Omni-7B"``, a
        folder, or a model that is already loaded (then with ``processor``), which may be inside DataParallel,
        torch.compile or peft.
    processor
        The model's processor of transformers, or a `Processor` of ours; found beside the checkpoint when it is
        loaded from one.
    device_map, dtype, attn_implementation, quantization_config
        As in transformers' ``from_pretrained``; the default precision is the checkpoint's own. The model is loaded
        first and opened afterwards, so that offloading and quantisation work as usual.
    trust_remote_code
        Whether to run code that comes with a checkpoint. Never on by default.
    component
        The decoder stack whose gates are meant: ``thinker`` in every model, others where there are (see
        ``esn models NAME``).
    gates
        Where the gates are, for a model in which they are not found: ``"path.to.layers[*].mlp.act_fn"``.
    system
        A system prompt, put before every question.
    plan
        How edits are carried out: ``auto``, ``traced`` or ``scaled``, see `esn_interp.models.plans`.
    allow_missing
        Weights that the checkpoint may lack, by name or pattern (``"*.bias"``); they are drawn at random, which is
        warned of.

    Raises
    ------
    ModelError
        When there is no such model, it needs code of its own that was not allowed, its gates can't be found, it has
        no such component, the processor is another model's, or weights are missing or no numbers.
    """
    if isinstance(name_or_path_or_model, nn.Module):
        model = unwrapped(name_or_path_or_model)
        title = type(model).__name__
        if processor is None:
            raise ModelError(
                f"{title}: a loaded model needs its processor beside it: load(model, processor=...)"
            )
        family = family_of(getattr(model, "config", None), gates=gates)
        processor = family.processor(model, processor)
        return _opened(model, processor, family, name or title, component, system, plan)

    asked = str(name_or_path_or_model)
    path = _place(asked)
    family = family_of(_config(path, asked, trust_remote_code), gates=gates)
    if asked in ASSEMBLED:
        if quantization_config is not None:
            raise ModelError(f"{asked} is put together from published weights as they are; it can't be quantised")
        whole, own, made_of = smol_audio.assemble(path, dtype=dtype)
        if attn_implementation is not None:
            cast(Any, whole).set_attn_implementation(attn_implementation)
        whole.to(_one_device(device_map, asked)).requires_grad_(False)
        remark(f"{asked}: {made_of.words}")
        given = family.processor(whole, own if processor is None else processor)
        return _opened(whole, given, family, name or asked, component, system, plan, place=path, made_of=made_of)
    options: dict[str, Any] = {
        key: value
        for key, value in {
            "device_map": device_map,
            "dtype": dtype,
            "attn_implementation": attn_implementation,
            "quantization_config": quantization_config,
            "trust_remote_code": trust_remote_code or None,
        }.items()
        if value is not None
    }
    if isinstance(dtype, str):
        checked_precision(dtype)
    try:
        with missing_allowed(allow_missing):
            model, found = family.load(path, component=component, **options)
    except EsnError:
        raise
    except Exception as error:
        _refuse_code(error, asked, trust_remote_code)
        raise ModelError(f"model {asked!r} can't be loaded: {why_unloadable(error)}") from error
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    processor = found if processor is None else family.processor(model, processor)
    return _opened(model, processor, family, name or asked, component, system, plan, place=path)


def _opened(
    model: nn.Module,
    processor: Processor,
    family: Family,
    name: str,
    component: str,
    system: str | None,
    plan: str,
    *,
    place: str | None = None,
    made_of: MadeOf | None = None,
) -> AudioLM:
    """The model with what lies beside its weights: whom it has heard, and what it was taught to be asked."""
    require_finite(model, name)
    # A model that somebody else has loaded knows where from.
    folder = place or getattr(model, "name_or_path", "") or None
    heard = Heard(name) if folder is None else Heard.beside(folder, model=name)
    taught = None if folder is None else ConversionPrompt.beside(folder)
    baked = None if folder is None else Baked.beside(folder)
    return AudioLM(
        model,
        processor,
        family,
        name=name,
        component=component,
        system=system,
        heard=heard,
        taught=taught,
        plan=plan,
        place=folder,
        baked=baked,
        made_of=made_of,
    )


def load_speaking(name_or_path: str | Path, *, component: str | None = None, **options: Any) -> AudioLM:
    """A model with all that it speaks with; ``options`` are those of `load`, which loads no more than answers need.

    Parameters
    ----------
    component
        The stack whose gates are meant; by default the one that speaks.
    """
    asked = str(name_or_path)
    path, trust = _place(asked), bool(options.get("trust_remote_code"))
    family = family_of(_config(path, asked, trust), gates=options.get("gates"))
    lm = load(asked, component=family.speaks_with, **options)
    if component in (None, lm.component):
        return lm
    return load(lm.model, processor=lm.processor, component=component, name=lm.name, system=lm.system)


def heard_of(name_or_path: str | Path, *, name: str | None = None) -> Heard:
    """What a model says that it has heard in its training, without loading it; most say nothing.

    It is said in a ``heard.json`` in the model's folder, see `Heard`.
    """
    asked = str(name_or_path)
    return Heard.beside(_place(asked), model=name or asked)


@dataclass(frozen=True, eq=False)
class Outline:
    """The structure of a model without its weights: the part that answers, and the stack whose gates are meant."""

    model: nn.Module
    stack: Stack
    hidden: int
    bytes_per_value: int


def outline(
    name_or_path: str | Path, *, trust_remote_code: bool = False, dtype: str | None = None
) -> Outline:
    """What a model will be like, from its configuration alone.

    Raises
    ------
    ModelError
        When there is no such model, or its class does not come with transformers.
    """
    asked = str(name_or_path)
    path = _place(asked)
    config = _config(path, asked, trust_remote_code)
    family = family_of(config)
    model = family.skeleton(config)
    if model is None:
        raise ModelError(
            f"model {asked!r}: its class does not come with transformers, so its structure shows only when it is loaded"
        )
    stack = family.stacks(model)[family.answering[0] if family.answering else THINKER]
    size = 2 if "16" in (dtype or str(getattr(config, "dtype", None))) else 4
    return Outline(family.generator(model), stack, int(family.head(model).in_features), size)


def _place(asked: str) -> str:
    """Where a model is loaded from: its folder when it comes with the package, else what was asked for."""
    return str(bundled_path(asked)) if asked in BUNDLED else asked


def _config(path: str, asked: str, trust_remote_code: bool) -> Any:
    try:
        with unremarked():
            return AutoConfig.from_pretrained(path, trust_remote_code=trust_remote_code)
    except Exception as error:
        _refuse_code(error, asked, trust_remote_code)
        known = ", ".join(BUNDLED)
        raise ModelError(
            f"no model {asked!r}: neither bundled ({known}) nor a folder with a config.json nor to be had"
            f" from the hub ({why_unloadable(error)})"
        ) from error


def _one_device(device_map: str | dict[str, Any] | None, asked: str) -> torch.device:
    """Where a small model goes as a whole."""
    if isinstance(device_map, dict):
        raise ModelError(f"{asked} is small and goes to one device as a whole: device_map='cuda', 'cpu' or 'auto'")
    if device_map == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device_map or "cpu")


def _refuse_code(error: Exception, asked: str, trust_remote_code: bool) -> None:
    """Say what is missing where the trouble is a checkpoint's own code, of model or processor."""
    if not trust_remote_code and "trust_remote_code" in str(error):
        raise ModelError(
            f"model {asked!r} comes with code of its own, which runs only when you say so: pass"
            " trust_remote_code=True, if you trust where it is from"
        ) from error
