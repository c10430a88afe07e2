"""Colours can be told apart, also by readers of each kind of colour blindness, and stand out on white."""

from itertools import combinations

import numpy as np
import pytest
from colour_vision import SEEN_BY, contrast_on_white, distance, on_scale

from esn_interp.drawing import theme
from esn_interp.drawing.greys import luminance

OFTEN = ("neutral", "happy", "angry", "sad", "fearful", "disgusted", "surprised", "calm", "bored", "proud")
PALETTE = {**theme.emotion_colors(OFTEN), "control": theme.CONTROL, "ink": theme.INK, "fit": theme.FIT}


def test_the_measures_are_those_of_their_sources():
    assert contrast_on_white("#000000") == pytest.approx(21)
    assert contrast_on_white("#767676") == pytest.approx(4.54, abs=0.01)  # the example of WCAG 2.2
    assert distance("#ffffff", "#000000") == pytest.approx(100, abs=0.01)
    # red and green of one brightness: far apart for most, near for deuteranopes
    assert distance("#d55e00", "#8a8a00") > 3 * distance("#d55e00", "#8a8a00", seen_by="deuteranopes")


def test_every_emotion_has_a_colour_of_its_own():
    assert len(set(PALETTE.values())) == len(OFTEN) + 3


@pytest.mark.parametrize("name", PALETTE)
def test_marks_stand_out_on_white(name: str):
    assert contrast_on_white(PALETTE[name]) >= 3
    assert contrast_on_white(PALETTE[name]) == pytest.approx(1.05 / (luminance(PALETTE[name]) + 0.05), rel=1e-3)


@pytest.mark.parametrize("readers", SEEN_BY)
def test_any_two_colours_can_be_told_apart(readers: str):
    near = {
        (one, other): round(apart, 1)
        for one, other in combinations(PALETTE, 2)
        if (apart := distance(PALETTE[one], PALETTE[other], seen_by=readers)) < 10
    }
    assert near == {}


@pytest.mark.parametrize("readers", SEEN_BY)
def test_losses_and_gains_can_be_told_apart(readers: str):
    assert on_scale(0, theme.EFFECTS, -1, 1) == "#ffffff"
    for size in (0.3, 0.6, 1.0):
        low, high = (on_scale(value, theme.EFFECTS, -1, 1) for value in (-size, size))
        assert distance(low, high, seen_by=readers) > 10


def test_scales_go_one_way_only():
    for scale in (theme.COUNTS, theme.EFFECTS[4:], theme.EFFECTS[4::-1]):
        assert (np.diff([luminance(color) for _, color in scale]) < 0).all()
