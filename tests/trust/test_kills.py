"""Whatever is killed, at any moment, goes on to the same end, leaves no process and no temporary file.

The moments are drawn by seed from everything that a run does to files and processes. A few here; sixty and more with
``pytest -m long tests/trust``.
"""

import multiprocessing
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import planted_conversions
import planted_study
import pytest
from command_line import esn, write_clips
from killing import Work, events, held, killed

from esn_interp.files import clean
from esn_interp.models.loading import load
from esn_interp.speech.corpora import corpus
from esn_interp.studies import processes
from esn_interp.tasks.collection import collect

FEW, MANY, SEEDS = 1, 10, (1, 2)
# What noise is labelled as does not matter here.
pytestmark = pytest.mark.filterwarnings("ignore::esn_interp.tasks.collection.CollectWarning")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("corpus"), speakers=("ada", "ben"), takes=2)


def collecting(model: Path, clips: Path) -> Callable[[Path], Work]:
    """Statistics by batches of two, with a checkpoint after each."""
    lm, heard = load(model), corpus(clips)

    def work(folder: Path) -> Work:
        out = folder / "stats.safetensors"
        checkpoint = folder / "stats.partial.safetensors"
        options: dict[str, Any] = {"batch_size": 2, "per_clip": True, "progress": False}

        def run() -> None:
            clean(out)  # as the command does with what it is to write
            if not out.exists():
                resume = checkpoint.exists()
                stats = collect(lm, heard, checkpoint=checkpoint, checkpoint_every=1, resume=resume, **options)
                stats.save(out)
            checkpoint.unlink(missing_ok=True)

        return run

    return work


def recognising(folder: Path) -> Work:
    """A whole study of recognition on the planted model; the page takes as long as the rest and is left out."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            planted_study.planted_world(patch)
            planted_study.run(folder, stages=["baseline", "collect", "select", "ablate"])

    return run


def converting(folder: Path, count: int = 1) -> Work:
    """A whole study of conversions on the planted speaker."""

    def run() -> None:
        with pytest.MonkeyPatch.context() as patch:
            planted_conversions.planted_world(patch)
            forked = multiprocessing.get_context("fork")  # so that they know the planted world
            patch.setattr(processes.multiprocessing, "get_context", lambda name: forked)
            planted_conversions.run(folder, workers=count)

    return run


def converting_in_two(folder: Path) -> Work:
    """The same by two processes of its own."""
    return converting(folder, count=2)


def selecting(model: Path, clips: Path) -> Callable[[Path], Work]:
    """What a command writes in one go: the statistics are there, the neurons are selected from them."""
    stats = collect(load(model), corpus(clips), batch_size=4, progress=False)

    def work(folder: Path) -> Work:
        def run() -> None:
            source = folder.parent / f"{folder.name}.safetensors"
            stats.save(source)
            how = ("--selector", "mad", "--filter", "none", "--top", "0.1")
            outcome = esn("select", source, *how, "--out", folder / "esns.safetensors")
            assert outcome.code == 0, outcome.err

        return run

    return work


@pytest.fixture(scope="module")
def works(tiny_folder: Path, clips: Path) -> dict[str, Callable[[Path], Work]]:
    return {
        "collect": collecting(tiny_folder, clips),
        "select": selecting(tiny_folder, clips),
        "recognition": recognising,
        "conversion": converting,
        "conversion in two": converting_in_two,
    }


def survives(work: Callable[[Path], Work], tmp_path: Path, *, kills: int, seed: int) -> None:
    """Kill it at so many moments, each time from the beginning; then let it end, and compare with a quiet run."""
    whole = tmp_path / "whole"
    whole.mkdir()
    moments = events(work(whole), whole)
    expected = held(whole)
    assert moments >= 2
    drawn = random.Random(seed)
    for number in range(kills):
        at, left = moments + 1, None
        while left is None:  # until one comes before the end
            assert at > 1
            at, folder = drawn.randint(1, at - 1), Path(tempfile.mkdtemp(prefix=f"killed-{number}-", dir=tmp_path))
            left = killed(work(folder), folder, at)
        assert left == [], f"processes outlive a kill at event {at} of {moments}"
        events(work(folder), folder)
        found = held(folder)
        assert set(found) == set(expected), f"other files after a kill at event {at} of {moments}"
        for name, content in found.items():
            assert content == expected[name], f"{name} differs after a kill at event {at} of {moments}"


WORKS = ("collect", "select", "recognition", "conversion", "conversion in two")
# What one process does by itself, two do as well.
ONCE = [pytest.param(name, marks=pytest.mark.long) if name == "conversion" else name for name in WORKS]


@pytest.mark.slow
@pytest.mark.parametrize("name", ONCE)
def test_a_kill_costs_nothing(works: dict[str, Callable[[Path], Work]], name: str, tmp_path: Path):
    survives(works[name], tmp_path, kills=FEW, seed=0)


@pytest.mark.long
@pytest.mark.parametrize("name", WORKS)
@pytest.mark.parametrize("seed", SEEDS)
def test_many_kills_cost_nothing(works: dict[str, Callable[[Path], Work]], name: str, seed: int, tmp_path: Path):
    survives(works[name], tmp_path, kills=MANY, seed=seed)
