"""Statistics of a part of the clips equal those of a run over that part, to the bit."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import assert_same, heard_clips, statistics_of
from planted_demo import StudiedListener, studied_clips

from esn_interp.errors import StatisticsError
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.resampling import bootstrap_clips, deal_clips, select_alike, subset
from esn_interp.neurons.selectors import select
from esn_interp.tasks.collection import collect

CLIPS = heard_clips(14)
WHOLE = statistics_of(CLIPS, per_clip=True)


@given(st.sets(st.integers(0, 13)), st.sampled_from([1, 4, 14]))
@settings(max_examples=40, deadline=None)
def test_any_part_of_the_clips_equals_its_own_run_to_the_bit(chosen: set[int], batch_size: int):
    rows = sorted(chosen)
    alone = statistics_of([CLIPS[row] for row in rows], per_clip=True, batch_size=batch_size)
    if rows:
        assert_same(subset(WHOLE, np.array(rows)), alone, bitwise=True)
        assert_same(subset(WHOLE, [CLIPS[row].id for row in reversed(rows)]), alone, bitwise=True)
    without = subset(WHOLE, np.array(rows, dtype=np.int64), per_clip=False)
    assert without.per_clip is None
    assert (without.seen, without.kept) == (alone.seen, alone.kept)


def test_all_clips_give_the_whole_back():
    assert_same(subset(WHOLE, np.arange(14)), WHOLE, bitwise=True)


def test_a_part_equals_collecting_it_and_selects_the_same_neurons():
    clips, listener = studied_clips(), StudiedListener()
    whole = collect(listener, clips, per_clip=True, progress=False)
    women = clips.where(sex="female")
    alone = collect(listener, women, per_clip=True, progress=False)
    part = subset(whole, women.column("id"))
    assert_same(part, alone, bitwise=True)
    assert part.per_clip.speakers == alone.per_clip.speakers
    assert part.origin.corpus_fingerprint not in (whole.origin.corpus_fingerprint, "")
    for name in ("mad", "cas", "lap"):
        ours, theirs = (select(stats, name, count=4, scope="last") for stats in (part, alone))
        assert ours.to_frame().equals(theirs.to_frame())
        assert (
            select_alike(alone, select(whole, name, count=4, scope="last"))
            .to_frame()
            .equals(theirs.to_frame())
        )


def test_a_clip_drawn_twice_counts_twice():
    once, twice = subset(WHOLE, np.array([3])), subset(WHOLE, np.array([3, 3]))
    assert twice.clips.sum() == 2
    for name, values in once.sums.items():
        np.testing.assert_allclose(twice.sums[name], 2 * values, rtol=1e-12)


def test_what_is_not_there_is_refused():
    with pytest.raises(StatisticsError, match=r"hold no single clips; collect them with per_clip=True"):
        subset(statistics_of(CLIPS), np.arange(3))
    with pytest.raises(StatisticsError, match="clip 'clip-99' is not among the 14"):
        subset(WHOLE, ["clip-1", "clip-99"])
    other = statistics_of(CLIPS[:4], fingerprint="f9", per_clip=True)
    with pytest.raises(StatisticsError, match="several clips have the same id"):
        subset(WHOLE + other, ["clip-1"])
    made_up = select(WHOLE, "mad", count=2)
    with pytest.raises(StatisticsError, match="made by 'mad & cas'"):
        select_alike(WHOLE, made_up & select(WHOLE, "cas", count=2))


def single(speakers: list[str]) -> PerClip:
    part = subset(WHOLE, np.arange(len(speakers))).per_clip
    return PerClip(part.ids, tuple(speakers), part.emotion, part.kept, part.tokens, part.sums)


def test_clips_are_dealt_speaker_after_speaker():
    names = ["a", "b", "c", "a", "b", "c", "a", "a"]
    among = np.array([True] * 7 + [False])
    orders = set()
    for seed in range(30):
        rows = deal_clips(single(names), among, np.random.default_rng(seed))
        assert sorted(rows) == list(range(7))
        met = [names[row] for row in rows]
        assert sum(one != two for one, two in pairwise(met)) == 2
        orders.add(tuple(met))
    assert len(orders) == 6


def test_without_speakers_single_clips_are_dealt():
    for names in (["a"] * 8, ["a", "", "b", "a", "b", "a", "b", "a"]):
        firsts = {
            tuple(deal_clips(single(names), np.ones(8, dtype=bool), np.random.default_rng(seed))[:2])
            for seed in range(200)
        }
        assert len(firsts) > 40


def test_a_bootstrap_draws_whole_speakers():
    names = ["a", "b", "a", "c", "b", "c", "c"]
    drawn = [bootstrap_clips(single(names), np.random.default_rng(seed)) for seed in range(50)]
    for rows in drawn:
        counts = np.bincount(rows, minlength=7)
        per_speaker = {name: {counts[row] for row in range(7) if names[row] == name} for name in "abc"}
        assert all(len(times) == 1 for times in per_speaker.values())
        assert sum(times.copy().pop() for times in per_speaker.values()) == 3
    assert len({tuple(rows) for rows in drawn}) > 5
    alone = bootstrap_clips(single([""] * 7), np.random.default_rng(0))
    assert len(alone) == 7
