"""Permuted labels where labels say nothing, and where something is planted: `python -m benchmarks.nulls` in small."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from benchmarks.nulls import SCENES, Scene, p_values

LEVEL, RISK = 0.05, 1e-4
of_some = pytest.mark.parametrize("studies", [20, pytest.param(60, marks=pytest.mark.long)])


def rejected(scene: Scene, studies: int) -> dict[str, int]:
    """How many of the studies each test finds something in, at a level that 19 permutations just resolve."""
    found = [p_values(replace(scene, permutations=19), seed) for seed in range(studies)]
    return {name: int(np.sum([one[name] <= LEVEL + 1e-12 for one in found])) for name in found[0]}


def most(studies: int) -> int:
    """A test that keeps its level rejects in more of them once in ten thousand."""
    return int(stats.binom.ppf(1 - RISK, studies, LEVEL))


@of_some
def test_tests_over_speakers_reject_labels_that_are_noise_and_permuted_labels_do_not(studies: int):
    found = rejected(Scene("few loud gates", "mad", 1.0, shuffled=True), studies)
    assert found["signs"] > most(studies)
    assert max(found["selection"], found["omnibus"]) <= most(studies)


@of_some
@pytest.mark.parametrize("selector", ["mad", "cohen"])
def test_clips_that_say_nothing_are_rejected_no_more_often_than_promised(selector: str, studies: int):
    found = rejected(Scene("a second way", selector, 0.0, shuffled=False), studies)
    assert max(found["selection"], found["omnibus"]) <= most(studies)


@of_some
def test_what_is_planted_is_found(studies: int):
    found = rejected(Scene("a second way", "mad", 1.0, shuffled=False), studies)
    assert stats.binomtest(found["omnibus"], studies, 0.8, alternative="less").pvalue > RISK
    assert found["omnibus"] > most(studies)


def test_scenes_are_of_both_kinds_for_every_selector():
    for selector in {scene.selector for scene in SCENES}:
        mine = [scene.nothing for scene in SCENES if scene.selector == selector]
        assert any(mine)
        assert not all(mine)
