"""What holds arrays prints one line that says their shape."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from esn_interp.drawing.brief import brief
from esn_interp.models.edits import Edit


@dataclass(frozen=True)
class Thing:
    value: Any
    hidden: Any = field(default=None, repr=False)

    __repr__ = brief


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.zeros((5, 1024)), "[5, 1024] float64"),
        (torch.zeros(2, 3, dtype=torch.bfloat16), "[2, 3] bfloat16"),
        (np.float32(0.5), "0.5"),
        (np.array(7), "7"),
        (("a", "b", "c"), "3 of them"),
        ([np.zeros(4)], "[[4] float64]"),
        ({"audio": np.zeros(3, int)}, "{'audio': [3] int64}"),
        ((), "[]"),
        ("all", "'all'"),
        ("a" * 500, f"'{'a' * 59}…'"),
        (None, "None"),
        (b"OggS" * 500, "bytes"),
    ],
)
def test_every_kind_of_value_is_short(value: Any, told: str):
    assert repr(Thing(value, hidden=np.zeros(3))) == f"Thing(value={told})"


def test_an_edit_of_many_neurons_is_one_line():
    edit = Edit(3, np.arange(500), gain=2.0)
    assert repr(edit).startswith("Edit(layer=3, neurons=[500] int64, gain=")
    assert "\n" not in repr(edit)
