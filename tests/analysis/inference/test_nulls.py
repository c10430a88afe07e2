"""Permuted labels where labels say nothing, and where something is planted: `python -m benchmarks.nulls` in small."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.nulls import SCENES, Scene, p_values

REPETITIONS, LEVEL, RISK = 60, 0.05, 1e-4


def rejected(scene: Scene) -> dict[str, int]:
    """How many of the studies each test finds something in, at a level that 19 permutations just resolve."""
    found = [p_values(replace(scene, permutations=19), seed) for seed in range(REPETITIONS)]
    return {name: int(np.sum([one[name] <= LEVEL + 1e-12 for one in found])) for name in found[0]}


MOST = int(stats.binom.ppf(1 - RISK, REPETITIONS, LEVEL))
"""A test that keeps its level rejects more often once in ten thousand."""


def test_tests_over_speakers_reject_labels_that_are_noise_and_permuted_labels_do_not():
    found = rejected(Scene("few loud gates", "mad", 1.0, shuffled=True))
    assert found["signs"] > MOST
    assert found["selection"] <= MOST
    assert found["omnibus"] <= MOST


@pytest.mark.parametrize("selector", ["mad", "cohen"])
def test_clips_that_say_nothing_are_rejected_no_more_often_than_promised(selector):
    found = rejected(Scene("a second way", selector, 0.0, shuffled=False))
    assert max(found["selection"], found["omnibus"]) <= MOST


def test_what_is_planted_is_found():
    found = rejected(Scene("a second way", "mad", 1.0, shuffled=False))
    assert stats.binomtest(found["omnibus"], REPETITIONS, 0.8, alternative="less").pvalue > RISK
    assert found["omnibus"] > MOST


def test_scenes_are_of_both_kinds_for_every_selector():
    for selector in {scene.selector for scene in SCENES}:
        mine = [scene.nothing for scene in SCENES if scene.selector == selector]
        assert any(mine)
        assert not all(mine)
