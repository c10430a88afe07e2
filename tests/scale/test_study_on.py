"""A study of which an engine does the work is the study, and nothing of it is done twice."""

import json
from pathlib import Path
from typing import Any

import planted_study
import pytest

from esn_interp.errors import EsnError
from esn_interp.scale.engines import Here
from esn_interp.scale.study import study_on, units
from esn_interp.studies.whole import plan_of

pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")


@pytest.fixture(autouse=True)
def planted_world(monkeypatch: pytest.MonkeyPatch) -> None:
    planted_study.planted_world(monkeypatch)


class Noting(Here):
    """This process, with a note of the shards."""

    def __init__(self) -> None:
        self.shards: list[list[int]] = []

    def results(self, work: Any, shards: Any) -> Any:
        self.shards.append(list(shards))
        return super().results(work, shards)


def content(folder: Path) -> dict[str, Any]:
    told = json.loads((folder / "results.json").read_text())
    for name in ("date", "seconds", "command"):
        told.pop(name, None)
    return told


def test_an_engine_does_the_work_and_here_all_of_it_is_found(tmp_path: Path):
    engine, told = Noting(), list[str]()
    study_on(engine, planted_study.config(), tmp_path / "shards", progress=False, say=told.append)
    assert engine.shards == [[0, 1], [2]]  # two corpora, then what compares them
    after = told[3:]
    assert [line for line in after if line.strip() == "already there"]
    assert all(line.startswith("[") or line.strip() == "already there" for line in after), after
    assert not list((tmp_path / "shards" / "stages").glob("shared-*"))
    planted_study.run(tmp_path / "local")
    assert content(tmp_path / "shards") == content(tmp_path / "local")
    assert (tmp_path / "shards" / "report.html").exists()


def test_every_task_belongs_to_one_unit(tmp_path: Path):
    plan = plan_of(planted_study.config(), tmp_path, progress=False)
    found = units(plan)
    assert sum(map(len, found)) == len(plan.tasks())
    assert [len({id(task.of) for task in unit}) for unit in found] == [1, 1, 1]


def test_a_worker_that_does_not_see_the_folder_says_so(tmp_path: Path):
    class Elsewhere(Here):
        def results(self, work: Any, shards: Any) -> Any:
            for file in (tmp_path / "stages").glob("shared-*"):
                file.unlink()
            return super().results(work, shards)

    with pytest.raises(EsnError, match="a worker does not see this folder"):
        study_on(Elsewhere(), planted_study.config(), tmp_path, progress=False)
