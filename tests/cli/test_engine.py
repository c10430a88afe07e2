"""`--engine ray` gives what a local run gives; who starts the replicas is another matter, see tests/scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import esn, write_clips
from tiny_omni import EMOTIONS

from esn_interp.neurons.statistics import GateStatistics
from esn_interp.scale import study as scaled_study
from esn_interp.scale.on_ray import OnRay


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[OnRay]:
    """The engines that commands make, which do their shards in this process."""
    made: list[OnRay] = []

    def results(self: OnRay, work: Any, shards: Any) -> Any:
        made.append(self)
        return map(work, shards)

    monkeypatch.setattr(OnRay, "results", results)
    return made


def test_collect_on_replicas_is_collect(tiny_folder: Path, tmp_path: Path, engines: list[OnRay]):
    clips = write_clips(tmp_path / "clips", speakers=("a", "b"), takes=2, emotions=EMOTIONS)
    words = ("collect", "--model", tiny_folder, "--corpus", clips, "--split", "all", "--batch-size", "3")
    local = esn(*words, "--out", tmp_path / "local.safetensors")
    assert local.code == 0, local.err
    ray = esn(
        *(*words, "--out", tmp_path / "ray.safetensors"),
        *("--engine", "ray", "--address", "auto", "--replicas", "2", "--gpus", "1", "--json"),
    )
    assert ray.code == 0, ray.err
    assert engines == [OnRay("auto", replicas=2, gpus=1)]
    assert ray.content["seen"] == dict.fromkeys(sorted(EMOTIONS), 4)
    one, other = (GateStatistics.load(tmp_path / f"{name}.safetensors") for name in ("local", "ray"))
    assert one.origin == other.origin
    for name, values in one.arrays().items():
        np.testing.assert_array_equal(values, other.arrays()[name], err_msg=name)
    assert not list(tmp_path.glob("*.partial.safetensors"))


def test_a_study_is_handed_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Any] = []

    def stop(engine: Any, settings: Any, out: Path, **how: Any) -> Any:
        asked.extend([engine, settings.name, out])
        raise KeyboardInterrupt

    monkeypatch.setattr(scaled_study, "study_on", stop)
    assert esn("study", "demo", "--out", tmp_path / "s", "--engine", "ray", "--replicas", "3").code == 130
    assert asked == [OnRay(replicas=3), "demo", tmp_path / "s"]


@pytest.mark.parametrize("option", [("--address", "auto"), ("--replicas", "2"), ("--gpus", "0")])
def test_replicas_are_not_described_for_a_local_run(option: tuple[str, str], tmp_path: Path):
    words = ("collect", "--model", "toy-omni", "--corpus", "toy-studio", "--out", tmp_path / "s.safetensors")
    assert f"{option[0]} goes with --engine ray" in esn(*words, *option).refusal
