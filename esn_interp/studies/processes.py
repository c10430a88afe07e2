"""Processes that work for this one: they end with it, however it ends, and leave Ctrl-C to it."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from multiprocessing.connection import Connection, wait
from typing import Any


@contextmanager
def processes(count: int, *, begin: str = "") -> Generator[Callable[..., Any]]:
    """So many new processes, and what gives them work: like ``submit`` of an executor.

    They end at once when the block is left by an error, or when this process dies: they hold one end of a pipe, this
    process the other, and the system closes what the dead held. A process that is killed breaks the pool
    (`BrokenProcessPool`), so that nobody waits for it.

    Parameters
    ----------
    begin
        What each does first, as ``module:function``. It is imported there, since imports may take seconds in which the
        end of this process is to be noticed too.
    """
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin, initargs=(theirs, begin))

    def submit(work: Callable[..., Any], *given: Any) -> Any:
        with _deaf_to_interrupts():  # processes are begun as work comes in, and inherit this
            return pool.submit(work, *given)

    try:
        yield submit
    except BaseException:
        ours.close()  # what is under way is not waited for
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        ours.close()
        theirs.close()


@contextmanager
def _deaf_to_interrupts() -> Generator[None]:
    """Processes that begin in this block don't hear Ctrl-C, which reaches all of a terminal: this one answers it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _begin(life: Connection, begin: str) -> None:
    threading.Thread(target=_end_with, args=(life,), name="end with the parent", daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if begin:
        module, _, function = begin.partition(":")
        getattr(import_module(module), function)()


def _end_with(life: Connection) -> None:
    """Wait until the other end of a pipe is closed, and end."""
    wait([life])
    os._exit(1)
