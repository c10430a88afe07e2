"""Work that is killed at a chosen moment: the n-th time that it opens, renames or removes a file, or starts a process.

The work runs in a copy of this process, so everything is imported already; a hook that Python calls at each of these
events counts them, and sends SIGKILL at the chosen one. Whatever the copy has started becomes this process's child when
its parent is gone, so that one can see whether it ends as well.
"""

import ctypes
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

COUNTED = frozenset({"open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "subprocess.Popen", "os.fork"})
VOLATILE = frozenset({"date", "seconds", "plain_seconds", "memory", "machine", "made", "started", "time", "checksum"})
"""Entries that differ between two runs that did the same."""
PAGES = frozenset({".html"})
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of <sys/prctl.h>
_PATIENCE = 10.0  # seconds for what was started to notice that its parent is gone

Work = Callable[[], object]


def events(work: Work, folder: Path) -> int:
    """How many countable events below ``folder`` the work has, when nobody kills it. It must end well."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        counted = [0]
        _watch(folder, lambda: counted.__setitem__(0, counted[0] + 1))
        code = _done(work)
        os.write(writing, str(counted[0]).encode())
        os._exit(code)
    os.close(writing)
    told = os.read(reading, 64)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the work itself failed ({status}); see what it wrote to stderr"
    return int(told)


def killed(work: Work, folder: Path, at: int) -> list[int] | None:
    """Have the work killed at its ``at``-th event; the processes that it left running, after a wait, by number.

    None where it ended well before: on a busy machine, what is written only so often is written less often.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_SUBREAPER, 1, 0, 0, 0) == 0
    before = children()
    child = os.fork()
    if not child:
        left = [at]

        def count() -> None:
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        _watch(folder, count)
        os._exit(_done(work))
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        assert status == 0, f"it was to be killed at event {at}, and failed with {status}"
        return None
    until = time.monotonic() + _PATIENCE
    while (left_over := children() - before) and time.monotonic() < until:
        for one in left_over:
            os.waitpid(one, os.WNOHANG)  # a process that has ended stays listed until somebody asks for it
        time.sleep(0.05)
    for one in left_over:
        os.kill(one, signal.SIGKILL)
        os.waitpid(one, 0)
    return sorted(left_over)


def children() -> set[int]:
    """The processes that this one is the parent of."""
    found: set[int] = set()
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(place.parent.name))
    return found


def _watch(folder: Path, seen: Callable[[], None]) -> None:
    below, mine = os.fspath(folder), os.getpid()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in COUNTED and os.getpid() == mine:
            about = arguments[0] if arguments and isinstance(arguments[0], str | os.PathLike) else ""
            if event in {"subprocess.Popen", "os.fork"} or os.fspath(about).startswith(below):
                seen()

    sys.addaudithook(hook)


def _done(work: Work) -> int:
    try:
        work()
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def held(folder: Path) -> dict[str, Any]:
    """Everything in a folder that two runs must have in common, file by file; pages are only known to be there."""
    return {str(path.relative_to(folder)): _content(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def _content(path: Path) -> Any:
    if path.suffix in PAGES:
        return "a page"
    if path.suffix == ".json":
        return _steady(json.loads(path.read_text(encoding="utf-8")))
    if path.suffix == ".jsonl":
        lines = filter(None, path.read_text(encoding="utf-8").split("\n"))
        return sorted(json.dumps(_steady(json.loads(line))) for line in lines)
    if path.suffix == ".safetensors":
        with safe_open(str(path), framework="numpy") as file:
            header = _steady(json.loads((file.metadata() or {}).get("esn", "{}")))
            return header, {name: np.asarray(file.get_tensor(name)).tobytes() for name in sorted(file.keys())}
    return path.read_bytes()


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _steady(one) for name, one in value.items() if name not in VOLATILE}
    return [_steady(one) for one in value] if isinstance(value, list) else value
