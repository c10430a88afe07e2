"""Reading ahead, batches under a budget, and what happens when memory does not suffice."""

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import assert_same
from made_up_listener import MadeUpModel, corpus

from esn_interp.errors import StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.models.audio_lm import AudioLM
from esn_interp.tasks.ahead import ahead, mapped
from esn_interp.tasks.budget import Budget, Lengths, out_of_memory
from esn_interp.tasks.collection import collect

pytestmark = pytest.mark.filterwarnings(
    "ignore:few clips to go by:esn_interp.tasks.collection.CollectWarning"
)


# ------------------------------------------------------------------ ahead


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_what_is_mapped_keeps_its_order(workers: int):
    def slow(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(mapped(slow, range(40), workers=workers)) == [item * item for item in range(40)]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_comes_when_its_item_is_due(workers: int):
    def fails(item: int) -> int:
        if item == 5:
            raise ValueError("item 5")
        return item

    got: list[int] = []
    with pytest.raises(ValueError, match="item 5"):
        got.extend(mapped(fails, range(100), workers=workers))
    assert got == list(range(5))


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_another_thread_runs_the_iterator_no_further_than_it_may(depth: int):
    made: list[int] = []
    closed: list[bool] = []

    def items() -> Iterator[int]:
        try:
            for item in range(30):
                made.append(item)
                yield item
        finally:
            closed.append(True)

    before = threading.active_count()
    iterator = items()
    with ahead(iterator, depth=depth) as taken:
        for expected in range(5):
            assert next(taken) == expected
            time.sleep(0.01)
            assert len(made) <= expected + depth + 2
    if depth:
        assert closed == [True]
    assert threading.active_count() == before

    def broken() -> Iterator[int]:
        yield 1
        raise KeyboardInterrupt

    got: list[int] = []
    with ahead(broken(), depth=depth) as taken, pytest.raises(KeyboardInterrupt):
        got.extend(taken)
    assert got in ([1], [])


# ------------------------------------------------------------------ budgets


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 6), st.none() | st.integers(1, 90))
@settings(max_examples=100, deadline=None)
def test_parts_hold_every_clip_once_and_stay_within_the_budget(
    counts: list[int], clips: int, tokens: int | None
):
    counts.sort()
    parts = list(Budget(clips, tokens).parts(counts))
    assert [at for part in parts for at in range(part.start, part.stop)] == list(range(len(counts)))
    for part in parts:
        size = part.stop - part.start
        assert 1 <= size <= clips
        assert tokens is None or size == 1 or size * counts[part.stop - 1] <= tokens
    for one, other in pairwise(parts):  # none could have taken the next clip
        size = one.stop - one.start + 1
        assert size > clips or (tokens is not None and size * counts[other.start] > tokens)


def test_budgets_are_positive_and_halve_to_a_clip_at_a_time():
    with pytest.raises(ValueError, match="batch_size must be at least 1, not 0"):
        Budget.of(0, None)
    budget = Budget.of("auto", SimpleNamespace(device=torch.device("cpu")))
    assert budget.tokens is not None
    for _ in range(20):
        budget = budget.halved()
    assert budget == Budget(1, 1)
    assert [part.stop - part.start for part in budget.parts([3, 3, 4])] == [1, 1, 1]


@pytest.mark.parametrize("seconds", [0.4, 1.7, 5.3, 12.0])
def test_lengths_are_those_of_real_prompts(tiny_lm: AudioLM, seconds: float):
    lengths = Lengths(tiny_lm, "How?", longest=None)
    wave = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds)).astype(np.float32)
    assert abs(lengths.tokens(len(wave)) - tiny_lm.prepare([wave], "How?").audio.shape[1]) <= 2


def test_what_says_that_memory_did_not_suffice():
    assert out_of_memory(torch.OutOfMemoryError("CUDA"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried"))
    assert not out_of_memory(RuntimeError("shapes do not match"))
    assert not out_of_memory(ValueError("out of memory"))


# ------------------------------------------------------------------ collecting


class Prepares(MadeUpModel):
    """Notes which thread prepares, and refuses waveforms, since what it prepared is to be used."""

    def __init__(self, n: int) -> None:
        super().__init__(n)
        self.threads: set[str] = set()

    def prepare(self, waveforms, prompt):
        self.threads.add(threading.current_thread().name)
        return SimpleNamespace(waveforms=waveforms, audio=np.zeros((1, len(waveforms[0]) // 600), bool))

    def encode(self, waveforms, prompt):
        return super().encode(waveforms.waveforms, prompt)


@pytest.mark.parametrize("batch_size", [4, "auto"])
def test_reading_ahead_changes_nothing(batch_size):
    clips = corpus(40)
    options = {"batch_size": batch_size, "checkpoint_every": 2, "progress": False}
    plain = collect(MadeUpModel(40), clips, **options, workers=0)
    model = Prepares(40)
    assert_same(collect(model, clips, **options, workers=3), plain, bitwise=batch_size == 4)
    assert "ahead" in model.threads


class Crowded(MadeUpModel):
    """Has room for so many clips only."""

    def __init__(self, n: int, room: int) -> None:
        super().__init__(n)
        self.room = room
        self.refused = 0

    def scores(self, encoded, labels, *, tap):
        found = super().scores(encoded, labels, tap=tap)  # the tap has read everything by then
        if len(encoded.clips) > self.room:
            self.refused += 1
            raise torch.OutOfMemoryError("CUDA out of memory")
        return found


@pytest.mark.parametrize("batch_size", [16, "auto"])
@pytest.mark.parametrize("workers", [0, 2])
def test_when_memory_does_not_suffice_batches_are_halved_once_and_for_all(
    capsys: pytest.CaptureFixture[str], batch_size, workers: int
):
    clips, model = corpus(64), Crowded(64, room=3)
    stats = collect(model, clips, batch_size=batch_size, workers=workers)
    assert_same(stats, collect(MadeUpModel(64), clips, batch_size=1))
    told = capsys.readouterr().err
    assert told.count("Memory did not suffice") == 1
    assert 1 <= model.refused <= 8


def test_when_a_single_clip_is_too_much_it_is_named():
    with pytest.raises(StatisticsError, match=r"clip clip-\d+: memory does not suffice for this clip alone"):
        collect(Crowded(12, room=0), corpus(12), batch_size=8, progress=False)


def test_a_resumed_pass_keeps_the_plan_that_it_was_begun_with(tmp_path: Path):
    clips, path = corpus(34), tmp_path / "half.safetensors"
    begun = {"batch_size": 4, "checkpoint_every": 2, "progress": False}
    whole = collect(MadeUpModel(34), clips, **begun)
    with pytest.raises(KeyboardInterrupt):
        collect(MadeUpModel(34, fails_after=20), clips, **begun, checkpoint=path)
    _, header = load_tensors(path, kind="collection checkpoint", version=3)
    assert header["plan"] == {"budget": {"clips": 4, "tokens": None}, "window": 2}
    resumed = collect(MadeUpModel(34), clips, batch_size=16, progress=False, checkpoint=path, resume=True)
    assert_same(resumed, whole, bitwise=True)
    arrays, header = load_tensors(path, kind="collection checkpoint", version=3)
    assert header["position"] == 34
    assert sorted(arrays["plan/rows"].tolist()) == list(range(34))
    # Two batches make a stretch, of which each is sorted by duration.
    durations = [len(clip.waveform()) for clip in clips]
    ends = np.cumsum(arrays["plan/sizes"])
    assert arrays["plan/sizes"].tolist() == [4] * 8 + [2]
    for begin in range(0, 34, 8):
        ran = arrays["plan/rows"][begin : begin + 8]
        assert [durations[row] for row in ran] == sorted(
            durations[row] for row in range(begin, min(begin + 8, 34))
        )
    assert ends[-1] == 34


def test_checkpoints_without_a_plan_are_gone_on_with(tmp_path: Path):
    clips, path = corpus(20), tmp_path / "half.safetensors"
    options = {"batch_size": 4, "checkpoint_every": 2, "progress": False, "checkpoint": path}
    with pytest.raises(KeyboardInterrupt):
        collect(MadeUpModel(20, fails_after=10), clips, **options)
    arrays, header = load_tensors(path, kind="collection checkpoint", version=3)
    second = {name: array for name, array in arrays.items() if not name.startswith("plan/")}
    save_tensors(path, second, {k: v for k, v in header.items() if k != "plan"} | {"version": 2})
    model = MadeUpModel(20)
    whole = collect(MadeUpModel(20), clips, **options | {"checkpoint": None})
    assert_same(collect(model, clips, **options, resume=True), whole, bitwise=True)
    assert len(model.heard) == 12
