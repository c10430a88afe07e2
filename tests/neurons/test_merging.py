"""Statistics of shards and corpora add up: in any order, going on from earlier clips, to the bit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import (
    EMOTIONS,
    assert_same,
    fold_batch,
    heard_clip,
    heard_clips,
    statistics_of,
)

from esn_interp.errors import StatisticsError
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.statistics import merge

# ------------------------------------------------------------------ adding


@given(st.lists(st.integers(0, 3), min_size=1, max_size=14))
@settings(max_examples=40, deadline=None)
def test_shards_add_up_to_the_whole(shard_of: list[int]):
    clips = heard_clips(len(shard_of))
    shards = [
        statistics_of(
            [clip for clip, at in zip(clips, shard_of, strict=True) if at == shard], fingerprint=f"f{shard}"
        )
        for shard in sorted(set(shard_of))
    ]
    merged = merge(shards)
    assert_same(merged, statistics_of(clips))
    assert merged.origin.corpus_fingerprint == "+".join(f"f{shard}" for shard in sorted(set(shard_of)))


@given(st.permutations(range(5)))
@settings(max_examples=30, deadline=None)
def test_the_order_of_shards_does_not_change_a_bit(order: list[int]):
    clips = heard_clips(15)
    shards = [statistics_of(clips[at * 3 : at * 3 + 3], fingerprint=f"f{at}") for at in range(5)]
    assert_same(merge([shards[at] for at in order]), merge(shards), bitwise=True)
    assert merge([shards[at] for at in order]).origin == merge(shards).origin


def test_adding_in_any_grouping():
    clips = heard_clips(12)
    a, b, c = (statistics_of(clips[at::3], fingerprint=f"f{at}") for at in range(3))
    assert_same((a + b) + c, a + (b + c))
    assert_same(a + b, b + a, bitwise=True)
    assert ((a + b) + c).seen == merge([a, b, c]).seen


def test_corpora_are_joined_by_name():
    a = statistics_of(heard_clips(3), corpus="studio", fingerprint="f1")
    b = statistics_of(heard_clips(3), corpus="phone", fingerprint="f2")
    assert (a + b).corpus == "phone+studio"
    assert (a + b).origin.corpus_fingerprint == "f1+f2"


def test_what_does_not_fit_is_not_merged():
    ours = statistics_of(heard_clips(3))
    wide = statistics_of([heard_clip(0, widths=(5, 3, 9))], widths=(5, 3, 9), fingerprint="f1")
    other = {
        "the same clips": statistics_of(heard_clips(3)),
        "emotions can't be merged: neutral, happy, angry and neutral, happy, sad": statistics_of(
            heard_clips(3), emotions=("neutral", "happy", "sad"), fingerprint="f1"
        ),
        r"prompt can't be merged: How\? and Why\?": statistics_of(heard_clips(3), prompt="Why?", fingerprint="f1"),
        "17 gates": wide,
        "others do not": statistics_of(heard_clips(3), per_clip=True, fingerprint="f1"),
    }
    for part, theirs in other.items():
        with pytest.raises(StatisticsError, match=part):
            merge([ours, theirs])
    with pytest.raises(StatisticsError, match="nothing to merge"):
        merge([])


def test_going_on_from_earlier_clips_equals_one_pass_to_the_bit():
    clips = heard_clips(11)
    first = statistics_of(clips[:4], per_clip=True)
    later = Accumulator(first.origin, EMOTIONS, per_clip=True, start=first)
    before = {name: array.copy() for name, array in first.arrays().items()}
    for start in range(4, 11, 4):
        fold_batch(later, clips[start : start + 4])
    assert_same(later.statistics(), statistics_of(clips, per_clip=True), bitwise=True)
    assert all((first.arrays()[name] == array).all() for name, array in before.items())
