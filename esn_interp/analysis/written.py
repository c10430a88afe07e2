"""A saved result of any analysis, read by what its file says it is."""

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from esn_interp import analysis
from esn_interp.analysis.result import Result
from esn_interp.files import read_json_of


def load_result(path: str | Path) -> Result:
    """Read a result of any analysis; its class is the one whose ``kind`` the file names.

    Raises
    ------
    EsnError
        When the file is missing, is no JSON, or is of no kind or version that an analysis writes.
    """
    known = results()
    kind = read_json_of(path, {kind: one.version for kind, one in known.items()})["kind"]
    return known[kind].load(path)


_BESIDE = ("conversion.measures", "attribution.check")
"""Modules with a result beside what is measured."""


@cache
def results() -> dict[str, type[Result]]:
    """Every class of result of an analysis, by its kind: those that are defined in a module named ``...result``, the
    small ones of looks inside, each in a module of its own, and `_BESIDE`."""
    for module in pkgutil.walk_packages(analysis.__path__, f"{analysis.__name__}."):
        if module.name.endswith(("result", *_BESIDE)) or ".inside." in module.name:
            importlib.import_module(module.name)
    return {one.kind: one for one in _below(Result) if one.kind}


def _below(parent: type[Result]) -> Iterator[type[Result]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith(f"{analysis.__name__}."):
            yield child
        yield from _below(child)
