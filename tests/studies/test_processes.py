"""Processes that work for another end with it, say nothing at Ctrl-C, and are missed when they are killed."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from esn_interp.studies.processes import processes

PARENT = """
import os, signal, sys, time
from esn_interp.studies.processes import processes
if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
    with processes(2) as submit:
        tasks = [submit(time.sleep, 600) for _ in range(2)]
        print("begun", flush=True)
        for task in tasks:
            task.result()
"""


def running() -> dict[int, int]:
    """The parent of every process that has not ended."""
    found: dict[int, int] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, *_ = place.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if state != "Z":
            found[int(place.parent.name)] = int(parent)
    return found


def children(pid: int) -> set[int]:
    return {child for child, parent in running().items() if parent == pid}


def gone(pids: set[int], *, patience: float = 60.0) -> bool:
    """Whether all of them end; the patience is for a machine that is busy, and is not measured."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if pids.isdisjoint(running()):
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def parent(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    )  # fmt: skip
    assert run.stdout is not None
    assert run.stdout.readline() == "begun\n"
    while len(children(run.pid)) < 3:  # two workers, and what tracks their resources
        time.sleep(0.05)
    yield run
    if run.poll() is None:
        run.kill()
    run.communicate()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="who is whose child is read from /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_none_outlives_a_parent_that_is_killed(parent: subprocess.Popen[str], how: signal.Signals):
    workers = children(parent.pid)
    os.kill(parent.pid, how)
    parent.wait()
    assert gone(workers)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="who is whose child is read from /proc")
def test_at_ctrl_c_the_parent_alone_says_so(parent: subprocess.Popen[str]):
    workers = children(parent.pid)
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
    _, said = parent.communicate()
    assert gone(workers)
    assert said.count("KeyboardInterrupt") == said.count("Traceback") == 1


def test_one_that_is_killed_is_not_waited_for():
    with pytest.raises(BrokenProcessPool), processes(1) as submit:
        submit(os.kill, submit(os.getpid).result(), signal.SIGKILL).result()


def test_work_is_done_and_what_goes_wrong_is_told():
    with processes(2, begin="faulthandler:enable") as submit:
        assert [submit(pow, 3, power).result() for power in range(4)] == [1, 3, 9, 27]
        with pytest.raises(ZeroDivisionError):
            submit(divmod, 1, 0).result()
