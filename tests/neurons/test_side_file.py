"""Sums of single clips in a file of their own: the same numbers as in memory, and what can go wrong."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_gates import EMOTIONS, assert_same, fold_batch, heard_clips, origin
from safetensors.numpy import load_file

from esn_interp.errors import StatisticsError
from esn_interp.neurons import relabelling
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.relabelling import relabelled_sets, relabelled_statistics
from esn_interp.neurons.resampling import subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.side_file import SideFile
from esn_interp.neurons.statistics import GateStatistics

CLIPS = heard_clips(14)


def collected(side: SideFile | None, *, start: GateStatistics | None = None, clips=CLIPS) -> GateStatistics:
    accumulator = Accumulator(origin(), EMOTIONS, per_clip=True, side=side, start=start)
    for at in range(0, len(clips), 4):
        fold_batch(accumulator, clips[at : at + 4])
    return accumulator.statistics(prompt="How?")


def held(stats: GateStatistics) -> GateStatistics:
    """The same statistics, as if their single clips were in memory: `arrays` names these then."""
    assert stats.per_clip is not None
    return replace(stats, per_clip=replace(stats.per_clip, side=None))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "stats.clips.safetensors"


def test_they_are_the_numbers_that_are_kept_in_memory(path, tmp_path):
    in_memory, beside = collected(None), collected(SideFile(path, 20, "k"))
    single, mapped = in_memory.per_clip, beside.per_clip
    assert single is not None
    assert mapped is not None
    assert set(mapped.sums) == set(single.sums)
    for name, values in mapped.sums.items():
        assert isinstance(values, np.memmap)
        np.testing.assert_array_equal(values, single.sums[name])
    beside.save(tmp_path / "stats.safetensors")
    again = GateStatistics.load(tmp_path / "stats.safetensors")
    assert_same(held(again), in_memory)
    assert again.per_clip is not None
    assert isinstance(again.per_clip.sums["audio/sum"], np.memmap)
    assert_same(subset(again, np.arange(5)), subset(in_memory, np.arange(5)))
    # Anybody can read it, and it is not written twice.
    assert load_file(path)["audio/sum"].shape == (20, again.n_gates)
    assert not [name for name in load_file(tmp_path / "stats.safetensors") if "per_clip/audio/sum" in name]


def test_permuted_labels_give_the_same_neurons_whichever_way_and_however_many_gates_at_a_time(path, monkeypatch):
    in_memory, beside = collected(None), collected(SideFile(path, 20, "k"))
    esns = select(in_memory, "cohen", count=3)
    expected = relabelled_sets(in_memory, esns, permutations=5).sets
    monkeypatch.setattr(relabelling, "_FLOATS", 3 * len(CLIPS))  # three gates at a time
    found = relabelled_sets(beside, esns, permutations=5).sets
    assert [one.to_frame().to_dict() for one in found] == [one.to_frame().to_dict() for one in expected]
    few = [dict(one.sums) for one in relabelled_statistics(beside, esns, permutations=2)]
    monkeypatch.undo()
    for one, other in zip(few, relabelled_statistics(in_memory, esns, permutations=2), strict=True):
        for name, values in one.items():
            np.testing.assert_allclose(values, other.sums[name], rtol=1e-12)


def test_it_is_gone_on_with(path, tmp_path):
    collected(SideFile(path, 20, "k"), clips=CLIPS[:8]).save(tmp_path / "part.safetensors")
    start = GateStatistics.load(tmp_path / "part.safetensors")
    gone_on = collected(SideFile(path, 20, "k"), start=start, clips=CLIPS[8:])
    assert_same(held(gone_on), collected(None))


def test_another_run_replaces_it_and_the_statistics_before_say_so(path, tmp_path):
    collected(SideFile(path, 20, "k")).save(tmp_path / "stats.safetensors")
    collected(SideFile(path, 20, "other"), clips=CLIPS[:4])
    with pytest.raises(StatisticsError, match="the sums of other clips"):
        GateStatistics.load(tmp_path / "stats.safetensors")


@pytest.mark.parametrize("damage", ["gone", "cut", "empty", "text"])
def test_a_file_that_is_gone_or_damaged_is_named(path, tmp_path, damage):
    collected(SideFile(path, 20, "k")).save(tmp_path / "stats.safetensors")
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(
        {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"These are no sums at all."}[damage]
    )
    with pytest.raises(StatisticsError, match=r"stats\.clips\.safetensors"):
        GateStatistics.load(tmp_path / "stats.safetensors")


def test_statistics_are_written_beside_it(path, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(StatisticsError, match="write it beside"):
        collected(SideFile(path, 20, "k")).save(tmp_path / "elsewhere" / "stats.safetensors")


def test_a_disk_without_room_is_told_before_any_clip(path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StatisticsError, match=r"no room for the sums of 20 clips.*No space left"):
        collected(SideFile(path, 20, "k"))
    assert not path.exists()


def test_memory_holds_no_sums_while_clips_are_run(path):
    accumulator = Accumulator(origin(), EMOTIONS, side=SideFile(path, 20, "k"))
    fold_batch(accumulator, CLIPS[:4])
    assert all(not part.sums for part in accumulator._per_clip)
