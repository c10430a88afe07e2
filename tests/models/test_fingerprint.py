"""Weights are told apart by a sample of them, whatever their size."""

import hashlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import esn_interp as esn
from esn_interp.errors import ModelError, StatisticsError
from esn_interp.models.fingerprint import (
    compute_device,
    earlier_fingerprints,
    require_finite,
    sample_positions,
    weights_fingerprint,
)
from esn_interp.neurons.origin import Origin

EMBEDDING_OF_A_7B_MODEL = 152_064 * 3584
ONE_PROJECTION = 67_895_296  # 18,944 x 3,584: its last position, as a float32, is its size


class Weights(nn.Module):
    def __init__(self, *shapes: tuple[int, ...], device: str = "cpu") -> None:
        super().__init__()
        self.all = nn.ParameterList(
            nn.Parameter(torch.zeros(shape, dtype=torch.bfloat16, device=device), requires_grad=False)
            for shape in shapes
        )


@pytest.mark.parametrize(
    ("model", "golden"), [("toy-omni", "570f393d13f5eba5"), ("toy-emodb", "8f7e6c7054efef12")]
)
def test_the_bundled_models_are_called_what_their_files_are(model: str, golden: str):
    lm = esn.load(model)
    assert lm.fingerprint == golden
    assert lm.earlier_fingerprints == ()


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 1000, 2**24 - 1])
def test_positions_of_small_tensors_are_those_of_the_first_scheme(count: int):
    first = torch.linspace(0, count - 1, min(64, count)).round().long()
    assert sample_positions(count).tolist() == first.tolist()


@pytest.mark.parametrize(
    "count",
    [2**24, 2**24 + 1, 2**26 + 1, ONE_PROJECTION, EMBEDDING_OF_A_7B_MODEL, 2**31 + 11, 2**40 + 1],
)
def test_positions_of_large_tensors_are_exact(count: int):
    positions = sample_positions(count).tolist()
    assert (positions[0], positions[-1], len(set(positions))) == (0, count - 1, 64)
    # Of the exact place, a whole position is at most half a step away.
    assert all(abs(2 * (63 * found - at * (count - 1))) <= 64 for at, found in enumerate(positions))


def test_positions_do_not_depend_on_the_default_precision():
    expected = sample_positions(10_000).tolist()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert sample_positions(10_000).tolist() == expected
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_tensor_beyond_float32_is_sampled_to_its_very_last_element():
    model = Weights((18_944, 3584))
    before = weights_fingerprint(model)
    assert before.startswith("2-")
    assert before == weights_fingerprint(model)
    model.all[0][-1, -1] = 1
    assert weights_fingerprint(model) != before
    assert earlier_fingerprints(model) == ()  # the first scheme had no name for it: it looked behind the end


def test_files_of_the_first_scheme_are_recognised_by_it():
    model = Weights((2**24 + 3,), (7, 3))  # its last position is a float32
    model.all[0].copy_(torch.arange(2**24 + 3) % 251)
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(f"{name}{tuple(parameter.shape)}".encode())
        flat = parameter.reshape(-1)
        index = torch.linspace(0, flat.numel() - 1, min(64, flat.numel())).round().long()
        digest.update(flat[index].float().numpy().tobytes())
    earlier, now = digest.hexdigest()[:16], weights_fingerprint(model)
    assert earlier_fingerprints(model) == (earlier,)
    assert now not in (earlier, f"2-{earlier}")

    lm = SimpleNamespace(
        name="big",
        fingerprint=now,
        earlier_fingerprints=earlier_fingerprints(model),
        component="thinker",
        widths=(3,),
    )
    Origin("big", earlier, "thinker", (3,), "c", "f").check(lm, "the statistics")
    Origin("big", now, "thinker", (3,), "c", "f").check(lm, "the statistics")
    with pytest.raises(StatisticsError, match="weights 0123"):
        Origin("big", "0123", "thinker", (3,), "c", "f").check(lm, "the statistics")


def test_on_the_meta_device_only_names_and_shapes_count():
    model = Weights((2**16, 2**15 + 1), device="meta")
    assert model.all[0].numel() > 2**31
    assert weights_fingerprint(model) == weights_fingerprint(Weights((2**16, 2**15 + 1), device="meta"))
    assert weights_fingerprint(model) != weights_fingerprint(Weights((2**15 + 1, 2**16), device="meta"))
    assert np.issubdtype(sample_positions(model.all[0].numel()).numpy().dtype, np.int64)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float8_e4m3fn])
def test_weights_that_are_no_numbers_are_refused_in_any_precision(dtype: torch.dtype):
    model = nn.Module()
    model.held = nn.Parameter(torch.tensor([1.0, 2.0]).to(dtype), requires_grad=False)
    model.counted = nn.Parameter(torch.tensor([1, 2]), requires_grad=False)
    require_finite(model, "toy")
    model.held.data = torch.tensor([1.0, float("nan")]).to(dtype)
    with pytest.raises(ModelError, match="toy: the weight held holds values that are no finite numbers"):
        require_finite(model, "toy")


def test_inputs_go_where_offloaded_weights_will_be():
    model = nn.Sequential(nn.Linear(2, 2, device="meta"), nn.Linear(2, 2))
    assert compute_device(model) == torch.device("cpu")
    model[0]._hf_hook = SimpleNamespace(hooks=(SimpleNamespace(), SimpleNamespace(execution_device="meta")))
    assert compute_device(model) == torch.device("meta")
    assert compute_device(nn.Linear(2, 2, device="meta")) == torch.device("cpu")
