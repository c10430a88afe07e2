"""Packed arrays come back as they were."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esn_interp.packing import pack, unpack

TYPES = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.bool_, np.uint8])


@given(st.integers(0, 10**6), TYPES, st.integers(0, 3000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_bit_comes_back(seed: int, dtype: type[np.generic], size: int, transposed: bool):
    rng = np.random.default_rng(seed)
    array = (rng.normal(size=(2, size)) * 10.0 ** rng.integers(-3, 9)).astype(dtype)
    arrays = {"one": array.T if transposed else array, "same": array.copy(), "zeros": np.zeros((7, size), dtype)}
    packed, told = pack(arrays)
    back = unpack(packed, told)
    assert back.keys() == arrays.keys()
    for name, value in arrays.items():
        assert (back[name].dtype, back[name].shape) == (value.dtype, value.shape)
        assert back[name].tobytes() == np.ascontiguousarray(value).tobytes()
    if size > 1024 and not transposed:
        assert told["same"][2] == "one"
        assert "same" not in packed


def test_numbers_that_are_not_numbers_come_back():
    array = np.full(2000, np.nan)
    array[::3], array[::7] = np.inf, -0.0
    assert unpack(*pack({"a": array}))["a"].tobytes() == array.tobytes()


def test_broken_content_is_told():
    packed, told = pack({"a": np.arange(3000.0)})
    with pytest.raises(ValueError, match="a is missing"):
        unpack({}, told)
    for content in (packed["a"][:-9], np.zeros(50, np.uint8)):
        with pytest.raises(ValueError, match=r"\S"):
            unpack({"a": content}, told)
    with pytest.raises(ValueError, match=r"\S"):
        unpack(packed, {"a": ["<f8", [4000], "a"]})
