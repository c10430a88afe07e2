"""Some of the emotions alone: the same as statistics that were collected without clips of the others."""

import numpy as np
import pytest
from made_up_gates import EMOTIONS, assert_same, heard_clips, statistics_of

from esn_interp.errors import StatisticsError
from esn_interp.neurons.choosing import of_emotions
from esn_interp.neurons.resampling import score_alike, select_alike
from esn_interp.neurons.selectors import select


@pytest.mark.parametrize("single", [False, True])
def test_it_is_what_those_clips_alone_give(single: bool):
    clips = heard_clips(40)
    chosen = of_emotions(statistics_of(clips, per_clip=single, batch_size=1), ("angry", "neutral"))
    alone = [clip for clip in clips if EMOTIONS[clip.emotion] in ("neutral", "angry")]
    expected = statistics_of(alone, per_clip=single, batch_size=1)
    assert chosen.emotions == ("angry", "neutral")
    back = of_emotions(of_emotions(expected, ("angry", "neutral")), ("neutral", "angry"))
    assert_same(of_emotions(chosen, ("neutral", "angry")), back, bitwise=True)


def test_selecting_for_some_emotions_gets_past_one_that_was_never_labelled_correctly():
    clips = [clip for clip in heard_clips(60) if not (EMOTIONS[clip.emotion] == "happy" and clip.kept)]
    stats = statistics_of(clips, per_clip=True)
    with pytest.raises(StatisticsError, match=r"'happy': 0 of \d+ clips are .* leave it out .*esn select --emotions"):
        select(stats, "mad", count=2)
    esns = select(stats, "mad", count=2, emotions=("neutral", "angry"))
    assert esns.emotions == ("neutral", "angry")
    assert esns.parameters["emotions"] == ["neutral", "angry"]
    mean = of_emotions(stats, ("neutral", "angry")).rates(scope=esns.parameters["scope"]).mean
    best = np.argsort(-(mean[0] - mean[1]), kind="stable")[:2]
    assert esns.indices("neutral").tolist() == sorted(best.tolist())
    assert select_alike(stats, esns).to_frame().equals(esns.to_frame())
    assert score_alike(stats, esns).score.shape[0] == 2


def test_all_emotions_without_enough_clips_are_named_at_once():
    clips = [clip for clip in heard_clips(60) if EMOTIONS[clip.emotion] == "angry" or not clip.kept]
    with pytest.raises(StatisticsError, match=r"emotion 'neutral': 0 of \d+ clips, 'happy': 0 of \d+ clips are"):
        select(statistics_of(clips), "mad", count=2)
    only = [clip for clip in heard_clips(60) if EMOTIONS[clip.emotion] == "angry"]
    with pytest.raises(StatisticsError, match=r"'neutral': 0 clips, 'happy': 0 clips, 1 needed; collect more, leave"):
        select(statistics_of(only), "mad", count=2, filter="none")


@pytest.mark.parametrize(
    ("emotions", "says"),
    [
        (("angry", "bored"), "no statistics of emotion 'bored'; these are of neutral, happy, angry"),
        (("angry", "angry"), "once each"),
        ((), "got none"),
    ],
)
def test_emotions_that_are_not_there_are_refused(emotions: tuple[str, ...], says: str):
    with pytest.raises(StatisticsError, match=says):
        of_emotions(statistics_of(heard_clips(20)), emotions)
