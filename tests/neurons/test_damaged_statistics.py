"""Statistics whose numbers can't be are refused when they are read, and never selected from."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_gates import heard_clips, statistics_from_counts, statistics_of

from esn_interp.errors import StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.neurons.statistics import GateStatistics


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("last/sum/01", np.nan, "not finite"),
        ("audio/sum_sq/00", np.inf, "not finite"),
        ("audio/sum_sq/00", -1e-9, "below 0"),
        ("text/sum_abs/02", -1.0, "below 0"),
        ("all/rate_sum/00", -0.5, "below 0"),
        ("text/firings/00", -1, "below 0"),
        ("audio/tokens", -7, "below 0"),
        ("clips", -1, "below 0"),
    ],
)
def test_values_that_no_sum_can_be_are_named(tmp_path: Path, name: str, value: float, told: str) -> None:
    path = tmp_path / "s.safetensors"
    statistics_of(heard_clips(3)).save(path)
    arrays, header = load_tensors(path, kind="statistics", version=3)
    damaged = arrays[name].copy()
    damaged.flat[-1] = value
    save_tensors(path, arrays | {name: damaged}, header)
    with pytest.raises(StatisticsError, match=rf"s\.safetensors: array {name} holds values .*{told}; .* damaged"):
        GateStatistics.load(path)


def test_sums_of_gates_may_be_negative(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    statistics_of(heard_clips(3)).save(path)
    arrays, header = load_tensors(path, kind="statistics", version=3)
    negative = {name: -np.abs(array) for name, array in arrays.items() if "/sum/" in name or "/mean_sum/" in name}
    assert negative
    save_tensors(path, arrays | negative, header)
    assert (GateStatistics.load(path).sums["last/sum"] <= 0).all()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"widths": []}, r"entry 'widths' is \[\]: every layer has some number of gates"),
        ({"widths": [5, -3, 4]}, "entry 'widths' is .*every layer has some number"),
        ({"experts": [0, 2, 0]}, "entry 'experts' is .* does not divide the gates of 3 layers"),
        ({"site": "knee"}, "entry 'site' is 'knee', not one of "),
        ({"corpus_identity": "hearsay"}, "entry 'corpus_identity' is 'hearsay'"),
        ({"emotions": []}, "entry 'emotions' .*there must be some, each named once"),
        ({"emotions": ["happy", "sad", "happy"]}, "entry 'emotions' .*each named once"),
        ({"skipped": [["clip-1"]]}, "entry 'skipped' holds something else than pairs"),
        ({"per_clip": {"speakers": ["a"]}}, "entry 'speakers' has 1 values for 3 clips"),
        ({"per_clip": {"sentences": ["a", "b"]}}, "entry 'sentences' has 2 values for 3 clips"),
        ({"per_clip": {"side": {"file": "x"}}}, "entry 'side' is .*without a file and its key"),
    ],
)
def test_a_header_that_can_not_be_is_named(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    path = tmp_path / "s.safetensors"
    statistics_of(heard_clips(3), per_clip=True).save(path)
    arrays, header = load_tensors(path, kind="statistics", version=3)
    inner = {"per_clip": header["per_clip"] | changes["per_clip"]} if "per_clip" in changes else changes
    save_tensors(path, arrays, header | inner)
    with pytest.raises(StatisticsError, match=told):
        GateStatistics.load(path)


def test_statistics_of_no_clip_have_no_magnitude() -> None:
    empty = statistics_from_counts(np.zeros((2, 4)), np.array([3, 2]), (4,), ("happy", "sad"))
    nothing = replace(empty, tokens={scope: 0 * tokens for scope, tokens in empty.tokens.items()})
    with pytest.raises(StatisticsError, match="no clip was run, so the gates have no magnitude"):
        nothing.magnitude()
