"""Results stored by what they depend on: what was computed is not computed again, and nothing else is reused."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from esn_interp.errors import CorpusError, EsnError, ModelError, StatisticsError
from esn_interp.files import package_version, read_json, write_json

KIND, VERSION = "failed task", 1


@runtime_checkable
class Storable(Protocol):
    """What can be stored: it writes itself to a file."""

    def save(self, path: str | Path) -> None:
        """Write one file."""
        ...


AnyStorable = TypeVar("AnyStorable", bound=Storable)


class Undone(EsnError):
    """A task of a study that could not be done, or whose inputs could not; the study goes on without it."""


class Missing(Undone):
    """A task that is not done yet, met while nothing may be done."""


@dataclass(eq=False)
class Store:
    """Files of finished tasks, one a task, named by a digest of everything that the task depends on.

    ``done`` lists the stages of tasks that were computed, ``reused`` of those that were found. While it is
    ``closed`` nothing is computed: what is not there is `Missing`.
    """

    folder: Path
    done: list[str] = field(default_factory=list[str])
    reused: list[str] = field(default_factory=list[str])
    closed: bool = False

    def path(self, stage: str, key: str, suffix: str) -> Path:
        """Where a task's result is, or will be."""
        return self.folder / stage / f"{key}{suffix}"

    def fetch(
        self,
        stage: str,
        key: str,
        make: Callable[[], AnyStorable],
        load: Callable[[Path], AnyStorable],
        *,
        suffix: str = ".json",
    ) -> AnyStorable:
        """The result of a task: from its file, or made and written.

        What is handed on is always what the file says, so that a study that was interrupted and one that was not
        work with the same numbers.

        Raises
        ------
        Undone
            When the task can't be done with these clips or neurons; that is remembered like a result.
        """
        path, failed = self.path(stage, key, suffix), self.path(stage, key, ".failed.json")
        if path.exists():
            self.reused.append(stage)
            return load(path)
        if failed.exists():
            self.reused.append(stage)
            raise Undone(read_json(failed, kind=KIND, version=VERSION)["reason"])
        if self.closed:
            raise Missing(f"{stage} is not done yet")
        try:
            result = make()
        except Undone:
            raise
        except (CorpusError, StatisticsError, ModelError) as error:
            self.done.append(stage)
            write_json(failed, {"kind": KIND, "version": VERSION, "stage": stage, "reason": str(error)})
            raise Undone(str(error)) from error
        result.save(path)
        self.done.append(stage)
        return load(path)


def digest(inputs: Mapping[str, Any]) -> str:
    """Sixteen hex digits over JSON values and the package's version."""
    text = json.dumps({**inputs, "esn_interp": package_version()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
