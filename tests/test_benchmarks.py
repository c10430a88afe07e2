"""The benchmarks compare like with like: nothing is timed before all ways agree, and ratios are within one round."""

from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import models
from benchmarks.loops import Loops
from benchmarks.peers import Hooks, Ours, Plain
from benchmarks.peers.nnsight_plain import PlainNNsight
from benchmarks.planted_scopes import measure
from benchmarks.runs import Runs
from benchmarks.shared import Disagreement, Timed, agree, require_change, side_by_side

TINY = models.GEOMETRIES["tiny"]


def test_nothing_is_timed_when_two_ways_differ():
    calls = []

    def right():
        calls.append("right")
        return {"counts": np.array([1, 2]), "sums": torch.tensor([1.0, 2.0])}

    def wrong():
        calls.append("wrong")
        return {"counts": np.array([1, 3]), "sums": lambda: np.array([1.0, 2.0])}

    with pytest.raises(Disagreement, match="wrong and right differ in counts"):
        side_by_side({"right": right, "wrong": wrong}, base="right", rounds=3)
    assert calls == ["right", "wrong"]


def test_numbers_may_differ_by_rounding_only_and_words_not_at_all():
    def apart(ours, theirs):
        return agree({"a": {"x": ours}, "b": {"x": theirs}}, relative=1e-4, absolute=0)

    assert apart([1.0, 2.0], [1.0, 2.0001]) == {"x": pytest.approx(5e-5)}
    assert apart(["yes"], ["yes"]) == {"x": 0}
    # Counts that need not be exact: one of twenty thousand.
    assert apart([20_000, 1], [20_000.0, 2.0]) == {"x": pytest.approx(5e-5)}
    for ours, theirs in (([1.0], [1.001]), (["yes"], ["no"]), ([1, 2], [1, 3]), ([1], [1, 1]), ([9, 1], [9.0, 2.0])):
        with pytest.raises(Disagreement):
            apart(ours, theirs)
    with pytest.raises(Disagreement, match="only a gives x"):
        agree({"a": {"x": [1]}, "b": {}}, relative=0, absolute=0)
    with pytest.raises(Disagreement, match="too little"):
        require_change([1.0, 2.0], [1.0, 2.0], least=0)


def test_every_way_runs_once_a_round_and_the_order_moves_on():
    calls: list[str] = []
    ways = {name: lambda name=name: calls.append(name) or {} for name in "abc"}
    found = side_by_side(ways, base="b", rounds=3)
    assert "".join(calls) == "abc" + "abc" + "bca" + "cab" + "abc"  # checked, warmed up, three rounds
    assert found["ways"]["b"]["ratio"] == 1
    assert set(found["ways"]) == set("abc")


def test_a_ratio_is_the_median_over_rounds_of_the_ratio_within_each():
    wall, base = np.array([2.0, 30.0, 3.0, 8.0, 5.0]), np.array([1.0, 10.0, 2.0, 2.0, 1.0])
    facts = Timed(wall=wall, cpu=base, base_wall=base, base_cpu=base).facts("wall")
    assert facts == {"seconds": 5, "ratio": 3, "low": 2, "high": 4}
    assert Timed(wall, base, base, base).facts("cpu")["ratio"] == 1


@pytest.mark.slow
def test_all_ways_agree_and_every_section_measures_all_of_them():
    make = partial(models.make_qwen2_audio, TINY)
    ours, tools = Ours(make()), [Plain(make()), Hooks(make()), PlainNNsight(make())]
    runs = Runs(make, ours, tools, clips=2, rounds=1)
    loops = Loops(ours, tools, rounds=1)
    for found, compared in (
        (runs.statistics(), {"scores", "firings", "sum", "sum_sq", "sum_abs"}),
        (runs.ablation(), {"edited scores"}),
        (runs.generation(), {"edited words"}),
        (loops.sweep(clips=3, conditions=2, batch=2), {"scores"}),
        (loops.collection(clips=4, batch=2), {"firings", "sum", "sum_sq", "sum_abs"}),
    ):
        assert set(found["agreement"]) == compared
        assert {"esn_interp", found["base"]} < set(found["ways"])
        assert max(found["agreement"].values()) < 1e-5


def test_what_the_instruction_tells_counts_only_in_scopes_that_have_its_tokens():
    found = measure(range(1), clips=6, widths=(80, 80))
    tells, rests = found["instruction tells"], found["instruction rests"]
    for selector, by_scope in tells.items():
        assert {scope for scope in by_scope if by_scope[scope] != rests[selector][scope]} <= {"all"}
    assert any(tells[selector]["all"] != rests[selector]["all"] for selector in tells)
    assert tells["cohen"]["audio"]["mean"] > 2 * 20 / 160
