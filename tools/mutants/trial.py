"""One change in a process of its own, and whether the tests notice."""

import ast
import functools
import importlib
import inspect
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import beartype  # noqa: F401  (before nnsight, as in the tests)
import pytest
from anyio.abc import SocketAttribute  # noqa: F401  (before nnsight, which gives every object a method more)

# What is imported once and tried many times can't have its assertions rewritten, and pytest says so each time.
OPTIONS = (
    *("-x", "-q", "-p", "no:cacheprovider", "-o", "addopts=--import-mode=importlib"),
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
NOTICED, SURVIVED, STUCK = "noticed", "survived", "stuck"


def warm(module: str, tests: Sequence[str]) -> None:
    """Import everything that the tests of a module need, once, and see that they pass on the code as it is."""
    importlib.import_module(module)
    if code := _tests(tests):
        raise SystemExit(f"{module}: its tests fail without any change (pytest ended with {code})")


def outcome(module: str, tree: ast.Module, tests: Sequence[str], *, longest: float) -> str:
    """What became of a change: a copy of this process takes it on, and runs the tests."""
    child = os.fork()
    if not child:
        put_in(importlib.import_module(module), tree)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(int(_tests(tests)))
    started = time.monotonic()
    while time.monotonic() - started < longest:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return SURVIVED if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0 else NOTICED
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return STUCK


def put_in(module: ModuleType, tree: ast.Module) -> None:
    """Give the module's functions the code of a changed tree, where they stand: whoever imported one has it too."""
    path = str(module.__file__)
    code = compile(tree, path, "exec")
    new = {(one.co_qualname, one.co_firstlineno): one for one in _codes(code)}
    for function in functions(module):
        old = function.__code__
        found = new.get((old.co_qualname, old.co_firstlineno))
        if found is not None and found.co_freevars == old.co_freevars:
            function.__code__ = found


def functions(module: ModuleType) -> Iterator[FunctionType]:
    """The functions of a module and the methods of its classes, without what is wrapped around them."""
    path = module.__file__
    for value in vars(module).values():
        yield from _plain(value, path)
        if inspect.isclass(value) and value.__module__ == module.__name__:
            for member in vars(value).values():
                yield from _plain(member, path)


def _plain(value: Any, path: str | None) -> Iterator[FunctionType]:
    for attribute in ("__func__", "fget", "func", "__wrapped__"):
        inside = getattr(value, attribute, None)
        if inside is not None and not inspect.ismodule(value) and not isinstance(value, functools.partial):
            yield from _plain(inside, path)
    if isinstance(value, FunctionType) and value.__code__.co_filename == path:
        yield value


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _tests(tests: Sequence[str]) -> int:
    return int(pytest.main([*OPTIONS, *tests]))


def source(module: str) -> tuple[Path, ast.Module]:
    """Where a module is, and its tree."""
    path = Path(str(importlib.import_module(module).__file__))
    return path, ast.parse(path.read_text(encoding="utf-8"))


assert sys.platform != "win32", "a change is tried in a copy of the process, which takes a fork"
