"""What a study leaves: a folder with its numbers and files, that can be loaded again and told anew."""

import json
import math
import platform
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from textwrap import shorten
from typing import Any, ClassVar, TypeVar, Unpack

import numpy as np
import pandas as pd
from jinja2 import UndefinedError

from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import Interval
from esn_interp.drawing.look import Look
from esn_interp.drawing.notebook import sentence
from esn_interp.entries import Entries
from esn_interp.errors import EsnError, StatisticsError, first_line
from esn_interp.files import package_version, read_json, read_json_of, write_json
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.studies.cache import Undone

RESULTS, REPORT, CONFIG = "results.json", "report.html", "config.yaml"
STAGES = "stages"
"""Folder of finished tasks in that of a study."""

FOLDER, FOLDER_KIND, FOLDER_VERSION = "study.json", "study folder", 1
"""Beside the stages: what kind of results will come of them."""

_TYPES: dict[str, type[Any]] = {
    **dict.fromkeys(("name", "date", "command"), str),
    **dict.fromkeys(("summary", "settings", "model", "corpus", "versions"), dict[str, Any]),
    **dict.fromkeys(("cells", "pairs", "models", "corpora", "not_done"), list[dict[str, Any]]),
    **dict.fromkeys(("emotions", "notes"), list[str]),
    "seconds": float,
}
"""What the entries of ``results.json`` are, where they are there."""

Made = TypeVar("Made")
AnyStudy = TypeVar("AnyStudy", bound="Study")


def kinds_in(folder: Path) -> tuple[str, ...] | None:
    """The kinds of results of a study that was begun in a folder; empty where that is not known any more.

    None where the folder is not that of a study.
    """
    with suppress(EsnError, KeyError, TypeError):
        return tuple(read_json(folder / STAGES / FOLDER, kind=FOLDER_KIND, version=FOLDER_VERSION)["of"])
    with suppress(OSError, ValueError, AttributeError, RecursionError):
        kind = json.loads((folder / RESULTS).read_text(encoding="utf-8")).get("kind")
        return (str(kind),)
    # Of an earlier release, and not finished.
    return () if any((folder / STAGES).glob("*/*.json")) or any((folder / STAGES).glob("*/*.safetensors")) else None


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """A study that was run: where it is, its numbers, and what was found for each model on each corpus.

    ``content`` is that of ``results.json``. ``found`` holds the results that can be loaded, by the title of model and
    corpus and by name; those that could not be had are not in it, and ``content["not_done"]`` says why.
    """

    formats: ClassVar[Mapping[str, int]] = {}

    folder: Path
    content: dict[str, Any]
    found: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls: type[AnyStudy], folder: str | Path) -> AnyStudy:
        """Read the folder of a study that was run.

        Raises
        ------
        EsnError
            When there is no such folder, or its results are missing or of another kind or version.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise EsnError(f"{folder}: there is no such folder; give the one that a study was written to")
        content = read_json_of(folder / RESULTS, cls.formats)
        told = Entries(content, where=str(folder / RESULTS))
        for name in sorted(_TYPES.keys() & content):
            told.take(name, _TYPES[name])
        with understood(folder):
            return cls(folder, content, cls.read(folder, content))

    @classmethod
    def read(cls, folder: Path, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The results that lie in the folder, by title and name."""
        raise NotImplementedError

    @property
    def report(self) -> Path:
        """The page for readers."""
        return self.folder / REPORT

    @property
    def results(self) -> Path:
        """Every number of the page."""
        return self.folder / RESULTS

    @property
    def neurons(self) -> NeuronSet | None:
        """The chosen neurons of the first model and corpus."""
        return self.first("neurons")

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be done, and what to know before trusting the rest."""
        return tuple(f"not done: {one['stage']}: {one['reason']}" for one in self.content.get("not_done", ()))

    def first(self, name: str) -> Any:
        """A result of the first model and corpus; None where it could not be had."""
        return next(iter(self.found.values()), {}).get(name)

    def summary(self) -> str:
        """The main result of the first model and corpus in one sentence."""
        main = self._main()
        return main.summary() if main else "; ".join(self.notes) or "Nothing was evaluated."

    def describe(self) -> str:
        """The headline numbers as a few lines for a terminal."""
        return self.summary()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}: {shorten(self.summary(), 120, placeholder=' ...')})"

    def _repr_html_(self) -> str:
        return sentence(self.summary()) + sentence(f"The page for readers is {self.report}.")

    def plot(self, **look: Unpack[Look]) -> Any:
        """The figure of the main result.

        Raises
        ------
        StatisticsError
            When there is none.
        """
        if (main := self._main()) is None:
            raise StatisticsError(f"nothing to draw: {self.summary()}")
        return main.plot(**look)

    def to_frame(self) -> pd.DataFrame:
        """The results of the first model and corpus as one table."""
        raise NotImplementedError

    def save(self, path: str | Path) -> None:
        """Write the numbers once more, as one JSON file."""
        write_json(path, self.content)

    def write_page(self) -> Path:
        """Write the page for readers anew, from the files of the folder."""
        raise NotImplementedError

    def _main(self) -> Any:
        """The result that the study is about; None where it could not be had."""
        raise NotImplementedError


@contextmanager
def understood(folder: Path) -> Generator[None]:
    """In the block, what ``results.json`` of a folder says is read: what is not there, or something else, is told.

    Raises
    ------
    StatisticsError
        In place of what reading it gave.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, UndefinedError) as error:
        raise StatisticsError(
            f"{folder / RESULTS}: does not say what is looked for in it ({type(error).__name__}: {first_line(error)});"
            " it is damaged: run the study anew, which goes on from its stages"
        ) from error


def known(result: Callable[[], Made]) -> Made | None:
    """A result, or None where its task could not be done."""
    try:
        return result()
    except (Undone, StatisticsError):
        return None


def of_null(null: SelectionNull | None) -> dict[str, Any] | None:
    """What the same selection gives when labels are permuted; None where that was not asked."""
    if null is None:
        return None
    return {
        "effect": null.effect,
        "observed": null.omnibus,
        "mean": null.mean,
        "edge": null.edge,
        "p": null.omnibus_p,
        "permutations": null.draws,
        "within": null.within,
        "clips": null.clips,
        "fixed": null.fixed,
        "conditional_on": null.conditional_on,
    }


def interval(value: Interval) -> dict[str, Any]:
    """An interval as JSON."""
    return {"value": value.value, "low": value.low, "high": value.high, "speakers": value.speakers}


def interval_of(told: Mapping[str, Any]) -> Interval:
    """An interval that `interval` told."""
    value, low, high = (float("nan") if told[end] is None else told[end] for end in ("value", "low", "high"))
    return Interval(value, low, high, told["speakers"])


def made_by() -> dict[str, Any]:
    """When and with what the numbers were made: the package and what it computes with, and the date."""
    libraries = {name: metadata.version(name) for name in ("torch", "transformers", "nnsight", "numpy")}
    versions = {"esn_interp": package_version(), "Python": platform.python_version(), **libraries}
    return {"versions": versions, "date": datetime.now(UTC).date().isoformat()}


def plain(value: Any) -> Any:
    """JSON values only: numpy's numbers as Python's, and null for what is not a finite number."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
