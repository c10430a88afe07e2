"""Selecting from permuted labels: against collecting clips that carry those labels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import HeardClip, assert_same, heard_clips, statistics_of

from esn_interp.errors import StatisticsError
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.relabelling import _ClipSums, permute_within, relabelled_sets, why_no_null
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics

CLIPS = heard_clips(40)
SPEAKERS = tuple(f"s{number % 4}" for number in range(40))


def stats_of(
    clips: list[HeardClip], speakers: tuple[str, ...] = SPEAKERS, sentences: tuple[str, ...] = ()
) -> GateStatistics:
    whole = statistics_of(clips, per_clip=True)
    assert whole.per_clip is not None
    return replace(whole, per_clip=replace(whole.per_clip, speakers=speakers, sentences=sentences))


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 9))
def test_labels_stay_in_their_block_and_come_in_every_order(block, seed):
    labels = np.arange(len(block))
    permuted = permute_within(labels, np.array(block), np.random.default_rng(seed))
    for one in set(block):
        mine = np.array(block) == one
        assert sorted(permuted[mine]) == sorted(labels[mine])
    orders = {tuple(permute_within(np.arange(3), np.zeros(3, int), np.random.default_rng(s))) for s in range(60)}
    assert len(orders) == 6


@given(st.lists(st.integers(0, 2), min_size=40, max_size=40))
@settings(max_examples=15, deadline=None)
def test_sums_of_other_labels_are_those_of_clips_that_carry_them(labels):
    stats = stats_of(CLIPS)
    assert stats.per_clip is not None
    (ours,) = _ClipSums(stats, stats.per_clip).grouped(np.array([labels]))
    carried = stats_of([replace(clip, emotion=label) for clip, label in zip(CLIPS, labels, strict=True)])
    assert_same(ours, carried)


@pytest.mark.parametrize("selector", list(SELECTORS))
@pytest.mark.parametrize("filter", ["correct", "none"])
def test_every_selector_selects_as_it_would_from_clips_with_permuted_labels(selector, filter):
    stats = stats_of(CLIPS)
    esns = select(stats, selector, count=3, filter=filter)
    found = relabelled_sets(stats, esns, permutations=8, seed=3)
    rng, block = np.random.default_rng(3), np.arange(40) % 4
    seen = np.array([clip.kept or filter == "none" for clip in CLIPS])
    labels = np.array([clip.emotion for clip in CLIPS])
    assert stats.per_clip is not None
    rows = np.flatnonzero(seen)
    rows = rows[np.argsort(np.array(stats.per_clip.ids)[rows], kind="stable")]  # in whatever order clips were run
    for ours in found.sets:
        permuted = labels.copy()
        permuted[rows] = permute_within(labels[rows], block[rows], rng)
        carried = [replace(clip, emotion=int(label)) for clip, label in zip(CLIPS, permuted, strict=True)]
        theirs = select(stats_of(carried), selector, count=3, filter=filter)
        assert ours.to_frame().equals(theirs.to_frame())
    assert (found.within, found.clips, found.fixed) == ("speaker", seen.sum(), 0)


def test_the_filter_is_not_decided_anew():
    stats = stats_of(CLIPS)
    found = relabelled_sets(stats, select(stats, "mad", count=2), permutations=3)
    for one in found.sets:
        assert one.parameters["seen"] == stats.seen
        assert one.parameters["kept"] == stats.kept


def test_labels_are_exchanged_within_sentences_where_speakers_say_them_in_several_emotions():
    clips = [replace(clip, emotion=at % 3, kept=True) for at, clip in enumerate(CLIPS[:36])]
    speakers = tuple(f"s{at // 18}" for at in range(36))
    crossed = stats_of(clips, speakers, tuple(f"t{at % 18 // 3}" for at in range(36)))
    assert relabelled_sets(crossed, select(crossed, "mad", count=2), permutations=1).within == "speaker and sentence"
    nested = stats_of(clips, speakers, tuple(f"t{at % 3}" for at in range(36)))
    assert relabelled_sets(nested, select(nested, "mad", count=2), permutations=1).within == "speaker"


def test_sentences_that_would_keep_half_of_the_labels_are_no_place_to_exchange_them() -> None:
    clips = [replace(clip, emotion=at % 3, kept=True) for at, clip in enumerate(CLIPS[:36])]
    pairs = stats_of(clips, tuple(f"s{at // 18}" for at in range(36)), tuple(f"t{at % 18 // 2}" for at in range(36)))
    found = relabelled_sets(pairs, select(pairs, "mad", count=2), permutations=1)
    assert (found.within, found.clips, found.fixed) == ("speaker", 36, 0)


def test_a_speaker_with_one_kept_emotion_keeps_its_labels_and_is_counted():
    clips = [replace(clip, emotion=0 if at < 6 else at % 3, kept=True) for at, clip in enumerate(CLIPS)]
    speakers = tuple("alone" if at < 6 else f"s{at % 4}" for at in range(40))
    stats = stats_of(clips, speakers)
    found = relabelled_sets(stats, select(stats, "mad", count=2), permutations=2)
    assert (found.clips, found.fixed) == (34, 6)
    assert found.note is not None
    assert "6 of 40 clips" in found.note


def test_without_single_clips_the_way_to_them_is_told():
    bare = statistics_of(CLIPS)
    esns = select(bare, "mad", count=2)
    assert "esn collect --per-clip" in why_no_null(bare, esns)
    assert "esn collect --per-clip" in why_no_null(None, esns)
    stats = stats_of(CLIPS)
    assert why_no_null(stats, esns) == ""
    assert "do not give these neurons" in why_no_null(stats_of(CLIPS[5:], SPEAKERS[5:]), esns)
    assert "not by one selector alone" in why_no_null(stats, esns | esns)
    one_each = [replace(clip, emotion=at % 3) for at, clip in enumerate(CLIPS)]
    alone = stats_of(one_each, tuple(f"e{at % 3}" for at in range(40)))
    assert "no speaker has two emotions" in why_no_null(alone, select(alone, "mad", count=2))
    with pytest.raises(StatisticsError, match="esn collect --per-clip"):
        relabelled_sets(bare, esns, permutations=2)


def test_nothing_is_permuted_no_time():
    stats = stats_of(CLIPS)
    with pytest.raises(StatisticsError, match="permutations are 1 or more, not 0"):
        relabelled_sets(stats, select(stats, "mad", count=2), permutations=0)


def test_neurons_that_these_statistics_can_not_give_have_no_null():
    few = [replace(clip, emotion=0 if clip.emotion == 2 else clip.emotion) for clip in CLIPS]
    told = why_no_null(stats_of(few), select(stats_of(CLIPS), "mad", count=2))
    assert told.startswith("no p for the selection: ")
    assert "'angry': 0" in told
