"""What a study remembers of its tasks: results, what its input can't do, what changed; nothing that may pass."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from esn_interp.errors import CorpusError, EsnError, ModelError, StatisticsError
from esn_interp.studies import cache
from esn_interp.studies.cache import Store, Undone


@dataclass
class Number:
    value: int

    def save(self, path: str | Path) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(str(self.value))

    @classmethod
    def load(cls, path: Path) -> "Number":
        return cls(int(path.read_text()))


def fails(error: Exception, cause: Exception | None = None) -> Any:
    def make() -> Number:
        raise error from cause

    return make


def fetch(store: Store, make: Any, key: str = "k") -> Number:
    return store.fetch("stage", key, make, Number.load)


PASSING = {
    "a model that can't be loaded": (ModelError("no network"), None),
    "a judge whose package is missing": (ModelError("needs funasr"), ImportError("funasr")),
    "a corpus that could not be fetched": (CorpusError("no answer"), ConnectionError("refused")),
    "a full disk": (StatisticsError("can't be kept"), OSError(28, "No space left on device")),
    "too little memory": (StatisticsError("memory does not suffice"), RuntimeError("CUDA out of memory")),
}


@pytest.mark.parametrize("what", PASSING)
def test_what_may_pass_is_tried_anew(what: str, tmp_path: Path):
    error, cause = PASSING[what]
    with pytest.raises(Undone, match=str(error)):
        fetch(Store(tmp_path), fails(error, cause))
    assert list(tmp_path.rglob("*.failed.json")) == []
    assert fetch(Store(tmp_path), lambda: Number(3)).value == 3


def test_so_is_what_was_hidden_behind_another_error(tmp_path: Path):
    def make() -> Number:
        try:
            raise MemoryError
        except MemoryError:
            raise StatisticsError("memory does not suffice") from None

    with pytest.raises(Undone):
        fetch(Store(tmp_path), make)
    assert fetch(Store(tmp_path), lambda: Number(3)).value == 3


def test_what_cannot_be_done_with_the_input_is_remembered_while_nothing_else_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(Undone, match="too few clips"):
        fetch(Store(tmp_path), fails(StatisticsError("too few clips")))
    store = Store(tmp_path)
    with pytest.raises(Undone, match="too few clips"):
        fetch(store, lambda: pytest.fail("it was tried again"))
    assert (store.reused, store.done) == (["stage"], [])
    monkeypatch.setattr(cache, "environment", lambda: "another")
    assert store.failure("stage", "k") is None
    assert fetch(Store(tmp_path), lambda: Number(3)).value == 3
    assert list(tmp_path.rglob("*.failed.json")) == []  # it is not a failure any more


def test_failures_of_earlier_releases_are_forgotten(tmp_path: Path):
    failed = tmp_path / "stage" / "k.failed.json"
    failed.parent.mkdir()
    told = {"kind": "failed task", "version": 1, "stage": "stage", "reason": "couldn't connect"}
    for content in (json.dumps(told), "not json", "{}"):
        failed.write_text(content, encoding="utf-8")
        assert Store(tmp_path).failure("stage", "k") is None
    assert fetch(Store(tmp_path), lambda: Number(3)).value == 3


def test_an_environment_is_the_same_until_something_is_installed_or_asked_for(monkeypatch: pytest.MonkeyPatch):
    from esn_interp.studies import environment

    first = environment.environment()
    assert environment.environment() == first
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    online = environment.environment()
    monkeypatch.setattr(environment, "_installed", lambda: ("another package 1.0",))
    assert len({first, online, environment.environment()}) == 3


def test_what_changed_since_the_last_run_is_told_by_name(tmp_path: Path):
    about = {"model": "m1", "clips": "2-abc", "alphas": [1, 2], "splits": {"a": "x" * 100}}
    store = Store(tmp_path)
    store.look("planted, dose", about)
    store.look("planted, dose", about)
    assert store.changes == []
    store.look("planted, ablation", about)  # another task
    again = Store(tmp_path)
    again.look("planted, dose", about)
    assert again.changes == []
    again.look("planted, dose", about | {"clips": "2-def", "alphas": [1, 4], "draws": 3})
    assert again.changes == [
        "planted, dose: changed since the last run: clips (2-abc, now 2-def), alphas ([1, 2], now [1, 4]),"
        " draws (nothing, now 3)"
    ]
    third = Store(tmp_path)
    third.look("planted, dose", about | {"clips": "2-def", "alphas": [1, 4], "draws": 3, "splits": {"a": "y" * 100}})
    (told,) = third.changes
    assert "splits (#" in told
    assert "xxx" not in told


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "inputs of tasks", "version": 1}'])
def test_a_damaged_memory_of_inputs_is_begun_anew(content: str, tmp_path: Path):
    (tmp_path / "inputs.json").write_text(content, encoding="utf-8")
    store = Store(tmp_path)
    store.look("planted, dose", {"model": "m1"})
    assert store.changes == []
    assert json.loads((tmp_path / "inputs.json").read_text())["tasks"]["planted, dose"]["model"] == "m1"


def test_an_error_of_ours_is_nobodys_property(tmp_path: Path):
    with pytest.raises(EsnError, match="a fault"):
        fetch(Store(tmp_path), fails(EsnError("a fault")))
    assert list(tmp_path.rglob("*.json")) == []
