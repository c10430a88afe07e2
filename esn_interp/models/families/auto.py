"""The Auto classes of transformers: which of them loads a checkpoint."""

import logging
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import transformers
from torch import nn
from transformers import AutoConfig

from esn_interp.errors import ModelError

AUTO_CLASSES: tuple[Any, ...] = tuple(
    getattr(transformers, name)
    for name in (
        "AutoModelForMultimodalLM",
        "AutoModelForSeq2SeqLM",
        "AutoModelForTextToWaveform",
        "AutoModelForCausalLM",
    )
    # Models with code of their own need releases that lack one of these, or whole families of ours.
    if hasattr(transformers, name)
)


def load_auto(path: str | Path, **options: Any) -> nn.Module:
    """A checkpoint through the first of transformers' Auto classes that knows its type."""
    known = [auto for auto in AUTO_CLASSES if _knows(auto, path, options)]
    if not known:
        raise ValueError("none of transformers' Auto classes for audio or text generation knows it")
    return load_whole(known[0], path, **options)


def load_whole(kind: Any, path: str | Path, **options: Any) -> nn.Module:
    """A checkpoint through ``from_pretrained`` of a class, when it holds every weight of the model.

    Raises
    ------
    ModelError
        When it lacks one, or has it in another shape: transformers would draw it at random.
    """
    model, told = kind.from_pretrained(str(path), output_loading_info=True, **options)
    lacking = sorted(str(name) for name in told.get("missing_keys", ()))
    lacking += sorted(str(one[0]) for one in told.get("mismatched_keys", ()))
    if lacking:
        raise ModelError(
            f"{path}: the checkpoint lacks {len(lacking):,} of the model's weights, or has them in another shape, such"
            f" as {lacking[0]}; they would be drawn at random, so get the whole checkpoint"
        )
    return cast(nn.Module, model)


def auto_of(config: Any) -> Any:
    """The first of transformers' Auto classes that knows a configuration; None where none does."""
    return next((auto for auto in AUTO_CLASSES if type(config) in _mapping(auto)), None)


def _mapping(auto: Any) -> Mapping[type, Any]:
    """Which configurations an Auto class knows; transformers offers no public way to ask."""
    return auto._model_mapping


def _knows(auto: Any, path: str | Path, options: Mapping[str, Any]) -> bool:
    trust = bool(options.get("trust_remote_code"))
    config = AutoConfig.from_pretrained(str(path), trust_remote_code=trust)
    remote = getattr(config, "auto_map", None) or {}
    return type(config) in _mapping(auto) or (trust and auto.__name__ in remote)


@contextmanager
def unremarked_configuration() -> Generator[None]:
    """Within the block, nothing is said of configurations: defaults that a checkpoint replaces are complained about."""
    logger = logging.getLogger("transformers.configuration_utils")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
