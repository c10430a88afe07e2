"""Results stored by what they depend on: what was computed is not computed again, and nothing else is reused."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from esn_interp.errors import CorpusError, EsnError, ModelError, StatisticsError, passing
from esn_interp.files import package_version, read_json, write_json
from esn_interp.studies.environment import environment

KIND, VERSION = "failed task", 2
INPUTS, INPUTS_KIND, INPUTS_VERSION = "inputs.json", "inputs of tasks", 1
"""What every task depended on when it was last done or found."""

_READABLE = 60


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
    ``closed`` nothing is computed: what is not there is `Missing`. ``changes`` says of tasks that depend on something
    else than the last time what that is; whoever tells a reader takes them away.
    """

    folder: Path
    done: list[str] = field(default_factory=list[str])
    reused: list[str] = field(default_factory=list[str])
    closed: bool = False
    changes: list[str] = field(default_factory=list[str])

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
            When the task can't be done. That is remembered like a result where it is a property of these clips or
            neurons, until something else is installed; what may pass (a network, a disk, memory, a model that can't be
            loaded) is tried anew every time.
        """
        path = self.path(stage, key, suffix)
        if path.exists():
            self.reused.append(stage)
            return load(path)
        if (reason := self.failure(stage, key)) is not None:
            self.reused.append(stage)
            raise Undone(reason)
        if self.closed:
            raise Missing(f"{stage} is not done yet")
        try:
            result = make()
        except Undone:
            raise
        except (CorpusError, StatisticsError, ModelError) as error:
            self.done.append(stage)
            if not passing(error):
                content = {"stage": stage, "reason": str(error), "environment": environment()}
                write_json(self._failed(stage, key), {"kind": KIND, "version": VERSION, **content})
            raise Undone(str(error)) from error
        result.save(path)
        self._failed(stage, key).unlink(missing_ok=True)
        self.done.append(stage)
        return load(path)

    def failure(self, stage: str, key: str) -> str | None:
        """Why a task can't be done, where that is known and nothing else is installed since; None otherwise."""
        failed = self._failed(stage, key)
        if not failed.exists():
            return None
        try:
            told = read_json(failed, kind=KIND, version=VERSION)
            return str(told["reason"]) if told["environment"] == environment() else None
        except (EsnError, KeyError):  # of an earlier release, which remembered whatever went wrong; or damaged
            return None

    def _failed(self, stage: str, key: str) -> Path:
        return self.path(stage, key, ".failed.json")

    def of_an_earlier_release(self) -> int:
        """How many files of tasks there are of a release that did not say what they depend on; 0 in any other folder.

        Nothing of them is gone on with: they knew recordings by their names and labels alone.
        """
        if (self.folder / INPUTS).exists():
            return 0
        return sum(path.is_file() and path.suffix in (".json", ".safetensors") for path in self.folder.glob("*/*"))

    def look(self, of: str, about: Mapping[str, Any]) -> None:
        """Compare what a task depends on with the last time, and remember it."""
        if self.closed:
            return
        now = {name: _short(value) for name, value in {**about, "esn_interp": package_version()}.items()}
        known = self._inputs
        before = known.get(of)
        if before == now:
            return
        if before is not None:
            changed = [
                f"{name} ({before.get(name, 'nothing')}, now {now.get(name, 'nothing')})"
                for name in dict.fromkeys((*before, *now))
                if before.get(name) != now.get(name)
            ]
            self.changes.append(f"{of}: changed since the last run: {', '.join(changed)}")
        known[of] = now
        content = {"kind": INPUTS_KIND, "version": INPUTS_VERSION, "tasks": known}
        write_json(self.folder / INPUTS, content)

    @cached_property
    def _inputs(self) -> dict[str, dict[str, str]]:
        try:
            return dict(read_json(self.folder / INPUTS, kind=INPUTS_KIND, version=INPUTS_VERSION)["tasks"])
        except (EsnError, KeyError, TypeError, ValueError):
            return {}


def _short(value: Any) -> str:
    """A value as it is, or a digest of one that is too long to be read."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return text if len(text) <= _READABLE else f"#{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def digest(inputs: Mapping[str, Any]) -> str:
    """Sixteen hex digits over JSON values and the package's version."""
    text = json.dumps({**inputs, "esn_interp": package_version()}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
