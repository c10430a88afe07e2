"""Shards on Ray are what a local run gives, on any number of workers, whichever of them are lost."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_listener import MadeUpModel, corpus
from on_replicas import MadeUpRecipe, MortalRecipe
from simple_shards import cubed

from esn_interp.errors import EsnError
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.scale.collection import collect_on
from esn_interp.scale.on_ray import OnRay
from esn_interp.tasks.collection import collect

ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'esn-interp[ray]'")

pytestmark = [
    pytest.mark.filterwarnings("ignore:few clips to go by:esn_interp.tasks.collection.CollectWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
CLIPS = 23
BATCHES: dict[str, Any] = {"batch_size": 2, "checkpoint_every": 2, "progress": False}


@pytest.fixture(scope="module", autouse=True)
def cluster() -> Iterator[None]:
    """One cluster of this machine for all tests: an engine uses what it finds connected."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))  # where workers find what tests are made of
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
        yield
        ray.shutdown()


def on_ray(recipe: Any, replicas: int, **options: Any) -> GateStatistics:
    engine = OnRay(replicas=replicas, retries=options.pop("retries", 3))
    return collect_on(engine, recipe, corpus(CLIPS), **BATCHES, **options)


def same(one: GateStatistics, other: GateStatistics) -> None:
    ours, theirs = one.arrays(), other.arrays()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert (one.origin, one.skipped, one.prompt) == (other.origin, other.skipped, other.prompt)


@pytest.mark.slow
def test_a_worker_gives_what_a_local_run_gives_to_the_bit(tmp_path: Path):
    found = on_ray(MadeUpRecipe(CLIPS, tmp_path), 1, per_clip=True)
    local = collect(MadeUpModel(CLIPS), corpus(CLIPS), per_clip=True, **BATCHES)
    same(found, local)
    assert found.per_clip is not None
    assert local.per_clip is not None
    assert found.per_clip.ids == local.per_clip.ids
    assert len(list(tmp_path.glob("loaded-*"))) == 1  # once a worker, not once a shard


@pytest.mark.slow
def test_two_workers_do_too_and_one_that_is_killed_in_mid_run_costs_its_shard_only(tmp_path: Path):
    found = on_ray(MortalRecipe(CLIPS, tmp_path, fatal="clip-9"), 2)
    assert [file.name for file in tmp_path.glob("killed-*")] == ["killed-0"]
    assert len(list(tmp_path.glob("loaded-*"))) in (2, 3)
    same(found, collect(MadeUpModel(CLIPS), corpus(CLIPS), **BATCHES))


@pytest.mark.slow
def test_a_shard_whose_worker_is_lost_too_often_is_named_and_what_was_done_is_kept(tmp_path: Path):
    checkpoint = tmp_path / "partial.safetensors"
    with pytest.raises(EsnError, match=r"shard 3 of 6: its worker was lost 1 times"):
        on_ray(MortalRecipe(CLIPS, tmp_path, fatal="clip-9"), 1, retries=0, checkpoint=checkpoint)
    model = MadeUpModel(CLIPS)
    same(
        collect(model, corpus(CLIPS), checkpoint=checkpoint, resume=True, **BATCHES),
        collect(MadeUpModel(CLIPS), corpus(CLIPS), **BATCHES),
    )
    assert len(model.heard) == CLIPS - 8


def test_results_come_in_order_and_what_the_work_raises_is_raised():
    engine = OnRay(replicas=2)
    assert list(engine.results(cubed, range(9))) == [number**3 for number in range(9)]
    with pytest.raises(LookupError, match="99 is no good"):
        list(engine.results(cubed, [1, 99]))


def test_more_cards_than_there_are_and_a_cluster_that_is_not_there_are_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(EsnError, match="a replica wants 2 cards, and no machine of the cluster has so many"):
        list(OnRay(gpus=2).results(cubed, [1]))
    monkeypatch.setattr(ray, "is_initialized", lambda: False)

    def nothing(**options: Any) -> None:
        raise ConnectionError("no such address")

    monkeypatch.setattr(ray, "init", nothing)
    with pytest.raises(EsnError, match=r"no Ray cluster at 10\.0\.0\.1:6379: no such address"):
        list(OnRay("10.0.0.1:6379").results(cubed, [1]))


def test_other_machines_must_have_the_same_version(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("esn_interp.scale.on_ray.package_version", lambda: "9.9")
    with pytest.raises(EsnError, match=r"a worker has esn_interp .*, not 9\.9"):
        list(OnRay().results(cubed, [1]))
