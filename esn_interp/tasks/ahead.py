"""Work that is done before it is asked for, in other threads, so that a model need not wait for it."""

import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_LOOK_UP = 0.1  # seconds after which a thread that waits for room looks whether anybody still wants its work


@dataclass(frozen=True)
class _Raised:
    error: BaseException


class _End:
    pass


def mapped(function: Callable[[Item], Made], items: Iterable[Item], *, workers: int) -> Iterator[Made]:
    """``map``, in so many threads (0: when it is asked for), in order; no more than 4 items a thread are ahead.

    What ``function`` raises is raised when its item's turn has come, and what is ahead then is dropped.
    """
    if workers < 1:
        yield from map(function, items)
        return
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) > 4 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def ahead(items: Iterable[Item], *, depth: int) -> Generator[Iterator[Item]]:
    """The items of an iterator that another thread runs, up to ``depth`` of them ahead (0: none, and no thread).

    What the iterator raises is raised where its next item would have been. The thread is gone when the block is left.
    """
    if depth < 1:
        yield iter(items)
        return
    made: queue.Queue[Item | _Raised | type[_End]] = queue.Queue(depth)
    stop = threading.Event()

    def put(item: Item | _Raised | type[_End]) -> bool:
        while not stop.is_set():
            try:
                made.put(item, timeout=_LOOK_UP)
            except queue.Full:
                continue
            return True
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(item):
                    return
        except BaseException as error:  # it belongs to whoever asks for the next item
            put(_Raised(error))
        else:
            put(_End)
        finally:
            if isinstance(items, Generator):
                items.close()

    def taken() -> Iterator[Item]:
        while True:
            item = made.get()
            if isinstance(item, _Raised):
                raise item.error
            if item is _End:
                return
            yield item  # pyright: ignore[reportReturnType]

    thread = threading.Thread(target=run, name="ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stop.set()
        thread.join()
