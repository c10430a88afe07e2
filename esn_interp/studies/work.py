"""How a study is worked on: its cells (a model on a corpus under a seed), and their tasks one after another."""

import json
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar

import yaml

from esn_interp.drawing.numbers import count
from esn_interp.errors import StatisticsError
from esn_interp.files import together, write_json, write_text
from esn_interp.speech.clips import Clips
from esn_interp.speech.corpora import corpus
from esn_interp.studies.cache import Store, Undone
from esn_interp.studies.config import CorpusSpec, StudyConfig
from esn_interp.studies.models import GivenModel, StudiedModel
from esn_interp.studies.results import (
    CONFIG,
    FOLDER,
    FOLDER_KIND,
    FOLDER_VERSION,
    RESULTS,
    STAGES,
    Study,
    made_by,
    plain,
)
from esn_interp.tasks.listener import Listener, SpeakingLM

Say = Callable[[str], None]


@dataclass(eq=False)
class StudiedCell:
    """One model on one corpus under one seed."""

    config: Any
    model: StudiedModel
    corpus: CorpusSpec
    clips: Clips
    seed: int
    store: Store
    progress: bool = True

    @property
    def title(self) -> str:
        """Model and corpus, and the seed where there are several."""
        seed = f", seed {self.seed}" if len(self.config.seeds) > 1 else ""
        return f"{self.model.title} on {self.corpus.title}{seed}"

    @property
    def division(self) -> dict[str, Any]:
        """How the clips are divided: speakers that the model has heard are kept out of the evaluation."""
        apart = self.corpus.split.get("by") in (None, "speaker")
        return {"seed": self.seed, **({"unheard_by": self.model} if apart else {}), **self.corpus.split}


@dataclass(frozen=True, eq=False)
class Task:
    """One stage for one cell, or for one pair of them.

    ``work`` does it, or finds it done, and tells so; ``about`` says of what size it is.
    """

    stage: str
    of: Any
    work: Callable[[], str]
    about: str = ""

    @property
    def title(self) -> str:
        """What it is done for."""
        return self.of.title

    @property
    def model(self) -> StudiedModel:
        """The model that it needs."""
        return self.of.model


@dataclass(eq=False)
class Plan:
    """A study before it is run: what is loaded, and what is to be done.

    ``lm`` and ``given`` are a model and clips that are loaded already, in place of those that the config names.
    ``undone`` says what could not be done, by stage and title, with the reason.
    """

    kind: ClassVar[type[Study]]
    loading: ClassVar[type[StudiedModel]] = StudiedModel

    config: Any
    folder: Path
    progress: bool = True
    lm: Listener | SpeakingLM | None = None
    given: Clips | None = None
    store: Store = field(init=False)
    undone: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])

    def __post_init__(self) -> None:
        config: StudyConfig = self.config
        self.store = Store(self.folder / STAGES)
        self.models = [
            self.loading(spec) if self.lm is None else GivenModel(self.lm, spec) for spec in config.models
        ]
        self.corpora = [self.given or load_clips(spec, config.emotions) for spec in config.corpora]
        self.cells = [
            self.cell(model, spec, clips, seed)
            for model in self.models
            for seed in config.seeds
            for spec, clips in zip(config.corpora, self.corpora, strict=True)
        ]

    def cell(self, model: StudiedModel, spec: CorpusSpec, clips: Clips, seed: int) -> Any:
        """What is found out with one model, corpus and seed."""
        raise NotImplementedError

    def tasks(self) -> list[Task]:
        """Every task in order."""
        raise NotImplementedError

    def record(self, seconds: float) -> dict[str, Any]:
        """The content of ``results.json``; it took so long."""
        raise NotImplementedError

    def write_beside(self) -> None:
        """Write what stands beside ``results.json``."""

    def run(self, say: Say) -> None:
        """Do every task, or find it done; what can't be done is noted, and the rest goes on."""
        if earlier := self.store.of_an_earlier_release():
            say(
                f"an earlier release did {count(earlier, 'task')} here, without knowing the recordings by their sound:"
                " everything is done anew, and its report until then is what it was"
            )
        told = {"kind": FOLDER_KIND, "version": FOLDER_VERSION, "of": list(self.kind.formats)}
        write_json(self.folder / STAGES / FOLDER, told)
        tasks = self.tasks()
        last = len(tasks) + self.config.does("report")
        number = 0
        for model, some in groupby(tasks, key=lambda task: task.model):
            for task in some:
                number += 1
                say(f"[{number}/{last}] {task.stage}: {task.title}{task.about and f', {task.about}'}")
                try:
                    told = task.work()
                except (Undone, StatisticsError) as error:
                    self.undone[task.stage, task.title] = str(error)
                    told = f"not done: {error}"
                while self.store.changes:
                    say(f"    {self.store.changes.pop(0)}")
                if told:
                    say(f"    {told}")
            if number < len(tasks):
                model.release()

    def write(self, seconds: float, say: Say) -> Study:
        """Write the results and the page, and read them as whoever opens the folder will."""
        content = json.loads(json.dumps(plain(self.record(seconds)), allow_nan=False))
        self.write_beside()
        settings = self.config.model_dump(mode="json")
        done = self.kind(self.folder, content, self.kind.read(self.folder, content))
        if self.config.does("report"):
            last = len(self.tasks()) + 1
            say(f"[{last}/{last}] report")
        with together():
            write_json(self.folder / RESULTS, content)
            write_text(self.folder / CONFIG, yaml.safe_dump(settings, sort_keys=False, allow_unicode=True))
            if self.config.does("report"):
                done.write_page()
        return done

    def about(self) -> dict[str, Any]:
        """What every study of several models and corpora says of itself in ``results.json``."""
        config = self.config
        specs = zip(config.corpora, self.corpora, strict=True)
        return {
            "name": config.name,
            "models": [model.model_dump(mode="json") for model in config.models],
            "corpora": [
                {**spec.model_dump(mode="json", exclude={"root"}), "fingerprint": one.fingerprint, "clips": len(one)}
                for spec, one in specs
            ],
            "not_done": [
                {"stage": stage, "of": title, "reason": reason} for (stage, title), reason in self.undone.items()
            ],
            "command": shlex.join(["esn", *sys.argv[1:]]),
            **made_by(),
        }


def load_clips(spec: CorpusSpec, emotions: Sequence[str] | str | None) -> Clips:
    """The clips of a corpus, of the emotions that the study is about."""
    return corpus(spec.corpus, root=spec.root, emotions=spec.emotions or emotions, **spec.options)
