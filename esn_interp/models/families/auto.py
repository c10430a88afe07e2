"""The Auto classes of transformers: which of them loads a checkpoint."""

import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatch
from pathlib import Path
from threading import RLock
from typing import Any, cast

import transformers
from torch import nn
from transformers import AutoConfig, PreTrainedModel

from esn_interp.errors import EsnWarning, ModelError
from esn_interp.progress import remark

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

    Classes with a ``from_pretrained`` of their own are asked too: what they load goes through that of transformers.

    Raises
    ------
    ModelError
        When it lacks one, or has it in another shape: transformers would draw it at random. `missing_allowed` lets some
        pass.
    """
    with _recorded() as told, unremarked("transformers.modeling_utils"):
        model = kind.from_pretrained(str(path), **options)
    lacking = {str(name) for one in told for name in one.get("missing_keys", ())}
    lacking |= {str(name[0]) for one in told for name in one.get("mismatched_keys", ())}
    drawn = sorted(name for name in lacking if any(fnmatch(name, pattern) for pattern in _allowed.get()))
    if left := sorted(lacking.difference(drawn)):
        raise ModelError(
            f"{path}: the checkpoint lacks {len(left):,} of the model's weights, or has them in another shape, such"
            f" as {left[0]}; they would be drawn at random, so get the whole checkpoint (or name them, to allow it:"
            " allow_missing, --allow-missing)"
        )
    if drawn:
        warnings.warn(
            f"{path}: {len(drawn):,} weights are not in the checkpoint and were drawn at random, as allowed:"
            f" {', '.join(drawn[:3])}{', ...' if len(drawn) > 3 else ''}",
            EsnWarning,
            stacklevel=2,
        )
    if unused := sorted({str(name) for one in told for name in one.get("unexpected_keys", ())}):
        remark(f"{path}: {len(unused):,} weights of the checkpoint are not the model's, such as {unused[0]}")
    return cast(nn.Module, model)


@contextmanager
def missing_allowed(names: Sequence[str]) -> Generator[None]:
    """Within the block, weights of these names (or patterns, such as ``*.bias``) may be missing in a checkpoint."""
    token = _allowed.set(tuple(names))
    try:
        yield
    finally:
        _allowed.reset(token)


_allowed: ContextVar[tuple[str, ...]] = ContextVar("allowed", default=())
_recording = RLock()


@contextmanager
def _recorded() -> Generator[list[Mapping[str, Any]]]:
    """What transformers says of each model that it loads in the block, even to classes that don't ask it."""
    told: list[Mapping[str, Any]] = []
    base: Any = PreTrainedModel
    plain = base.from_pretrained.__func__

    def asking(kind: Any, *given: Any, **options: Any) -> Any:
        asked = options.pop("output_loading_info", False)
        # So that a weight of another shape is listed with those that are missing; transformers' own error names none.
        options.setdefault("ignore_mismatched_sizes", True)
        model, info = plain(kind, *given, output_loading_info=True, **options)
        told.append(info)
        return (model, info) if asked else model

    with _recording:
        base.from_pretrained = classmethod(asking)
        try:
            yield told
        finally:
            base.from_pretrained = classmethod(plain)


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
def unremarked(name: str = "transformers.configuration_utils") -> Generator[None]:
    """Within the block, a logger is silent below errors.

    It complains about defaults of a config that a checkpoint replaces, or about weights that are missing, which we
    refuse in words of our own. By a filter: to a raised level transformers' loader answers with another complaint.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_is_an_error)
    try:
        yield
    finally:
        logger.removeFilter(_is_an_error)


def _is_an_error(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.ERROR
