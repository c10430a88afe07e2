"""Where a study runs: what may change between two runs of it, though its config did not."""

import hashlib
import os
import platform
import sys
from functools import cache
from importlib import metadata

_TELLING = ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HF_HOME", "TRANSFORMERS_OFFLINE", "CUDA_VISIBLE_DEVICES")


def environment() -> str:
    """Sixteen hex digits over the interpreter, the machine's kind, cards, every installed package and its version."""
    named = [f"{name}={os.environ.get(name, '')}" for name in _TELLING]
    return hashlib.sha256("\n".join((*_installed(), *named, *_cards())).encode()).hexdigest()[:16]


@cache
def _installed() -> tuple[str, ...]:
    packages = sorted({f"{one.name} {one.version}" for one in metadata.distributions()})
    return (sys.version, platform.platform(), *packages)


@cache
def _cards() -> tuple[str, ...]:
    import torch

    return tuple(torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count()))
