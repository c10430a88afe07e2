"""Figures of smol-audio's card: what is computed from answers, held against numbers by hand and plain loops."""

import argparse
from typing import Any

import numpy as np
import pytest
import torch
from grown import smol_audio
from smol_audio.aims import summed
from smol_audio.beside import Outcomes
from smol_audio.clips import mean_recall

import esn_interp as esn
from esn_interp.models.labels import label_tokens
from esn_interp.tasks.recognition import Recognition

# Two emotions, three speakers, each speaker with one clip of each.
TRUTH = np.array([0, 1, 0, 1, 0, 1])
SPEAKERS = ["a", "a", "b", "b", "c", "c"]


def test_mean_recall_counts_every_emotion_alike() -> None:
    truth = np.array(["sad", "sad", "sad", "angry"])
    found = mean_recall(np.array([True, True, False, True]), truth, ["a", "b", "c", "a"])
    assert found["value"] == pytest.approx((2 / 3 + 1) / 2)
    assert (found["clips"], found["speakers"]) == (4, 3)
    assert 0 <= found["low"] < found["value"] < found["high"] <= 1


def test_silencing_and_turning_up_by_hand() -> None:
    right = TRUTH.copy()
    only_first_wrong, all_wrong = np.array([1, 1, 0, 1, 0, 1]), 1 - TRUTH
    answers: dict[Any, np.ndarray] = {("none",): right}
    for at, found in ((0, all_wrong), (1, only_first_wrong)):
        answers["silenced", 0.1, at, -1] = found
        answers["silenced", 0.1, at, 0], answers["silenced", 0.1, at, 1] = right, only_first_wrong
        answers["up", 1.0, at, -1] = np.full(6, at)
        answers["up", 1.0, at, 0], answers["up", 1.0, at, 1] = right, right
    outcomes = Outcomes(answers, TRUTH, SPEAKERS, 2)
    silenced = outcomes.silenced(0.1)
    assert silenced["own"] == pytest.approx([-1, 0])
    assert silenced["others"] == pytest.approx([-1, -1 / 3])
    assert silenced["random"] == pytest.approx([-1 / 6, 0])  # of two draws one loses the first clip, of emotion 0
    assert silenced["mean_own"]["value"] == pytest.approx(-0.5)
    assert silenced["own_minus_others"]["value"] == pytest.approx(-0.5 + 2 / 3)
    assert silenced["own_minus_random"]["value"] == pytest.approx(-0.5 + 1 / 12)
    turned = outcomes.turned_up(1.0)
    assert (turned["found"], turned["random"]) == ([1.0, 1.0], [0.0, 0.0])
    assert outcomes.unedited_flips()["found"] == [0.0, 0.0]


def test_sums_over_a_labels_tokens_are_those_that_means_are_made_of() -> None:
    lm = smol_audio()
    clips = esn.corpus("toy-studio").split()[-1].limit(3)
    asked = Recognition(tuple(clips.emotions))
    encoded = lm.encode([clip.waveform() for clip in clips], asked.prompt)
    with torch.no_grad():
        sums = summed(lm, encoded, asked.emotions)
    lengths = np.array([len(tokens) for tokens in label_tokens(lm.processor.tokenizer, asked.emotions)])
    assert lengths.max() > 1
    means = torch.from_numpy(sums / lengths).log_softmax(-1).numpy()
    np.testing.assert_allclose(means, lm.scores(encoded, asked.emotions), atol=2e-4)


def test_the_tool_says_all_where_a_number_of_clips_is_asked_for() -> None:
    from evaluate_smol_audio import several
    from smol_audio.clips import part_of

    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=several)
    assert parser.parse_args(["--clips", "all"]).clips is None
    clips = esn.corpus("toy-studio")
    assert len(part_of(clips, None)) == len(clips)
    assert len(part_of(clips, 10)) == 10


def test_what_is_not_known_is_null() -> None:
    from evaluate_smol_audio import known

    content = {"a": [float("nan"), 1.5], "b": {"c": float("inf")}, "d": "x"}
    assert known(content) == {"a": [None, 1.5], "b": {"c": None}, "d": "x"}
