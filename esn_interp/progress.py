"""Progress bars, drawn alike everywhere: on stderr or in a notebook, and only where somebody can see them."""

import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Item = TypeVar("Item")


def remark(line: str) -> None:
    """One line on stderr that somebody who reads a log later should find there; a terminal sees it as well."""
    sys.stderr.write(line + "\n")


@contextmanager
def progress_bar(
    description: str, total: int, *, enabled: bool = True
) -> Generator[Callable[[int], None], None, None]:
    """A bar whose steps are reported by calling what the context yields with their number.

    Nothing is drawn when ``enabled`` is false or when there is neither a terminal nor a notebook, so that logs stay
    readable.
    """
    console = Console(stderr=True)
    notebook = console.is_jupyter and find_spec("ipywidgets") is not None
    if not enabled or not (notebook or sys.stderr.isatty()):
        yield lambda steps: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


def track(iterable: Iterable[Item], description: str, total: int, *, enabled: bool = True) -> Iterator[Item]:
    """Iterate with a progress bar of ``total`` steps; see `progress_bar` for when it is drawn."""
    with progress_bar(description, total, enabled=enabled) as advance:
        for item in iterable:
            yield item
            advance(1)
