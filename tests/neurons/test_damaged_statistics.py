"""Statistics whose numbers can't be are refused when they are read, and never selected from."""

from pathlib import Path

import numpy as np
import pytest
from made_up_gates import heard_clips, statistics_of

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
