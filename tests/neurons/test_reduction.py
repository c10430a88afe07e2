"""Every way to reduce gates, and to add clips up, against plain loops."""

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import origin

from esn_interp.neurons import kernels, reduction
from esn_interp.neurons.reduction import KINDS, LayerSums, reduce_gates, reduce_routed
from esn_interp.neurons.segments import Segments
from esn_interp.neurons.totals import Groups, Totals

SCOPES = 3


def made_up(
    seed: int, dtype: torch.dtype, *, experts: int = 0
) -> tuple[torch.Tensor, np.ndarray, torch.Tensor]:
    """Gates with NaN wherever nothing counts, and scopes in no order: a clip without tokens is among them."""
    rng = np.random.default_rng(seed)
    clips, tokens, width = int(rng.integers(1, 6)), int(rng.integers(1, 30)), int(rng.integers(1, 9))
    codes = rng.integers(-1, SCOPES + 1, (clips, tokens))
    codes[0] = -1
    shape = (clips, tokens, 2, width) if experts else (clips, tokens, width)
    gate = torch.from_numpy(rng.normal(0.1, 1, shape)).to(dtype)
    gate[torch.from_numpy((codes < 0) | (codes >= SCOPES))] = torch.nan
    chosen = torch.from_numpy(np.stack([rng.permutation(max(experts, 2))[:2] for _ in range(clips * tokens)]))
    return gate, codes, chosen.view(clips, tokens, 2)


def looped(
    gate: torch.Tensor, codes: np.ndarray, chosen: torch.Tensor, experts: int
) -> dict[str, np.ndarray]:
    """Gate by gate, in Python's own arithmetic."""
    width = gate.shape[-1]
    shape = (len(gate), SCOPES, max(experts, 1) * width)
    sums = {name: np.zeros(shape) for name in ("firings", *KINDS, "routed")}
    for clip, token in zip(*np.nonzero((codes >= 0) & (codes < SCOPES)), strict=True):
        scope = codes[clip, token]
        for choice in range(2) if experts else (0,):
            row = gate[clip, token, choice] if experts else gate[clip, token]
            first = int(chosen[clip, token, choice]) * width if experts else 0
            for unit, value in enumerate(row.double().tolist()):
                place = clip, scope, first + unit
                sums["firings"][place] += value > 0
                sums["sum"][place] += value
                sums["sum_sq"][place] += value * value
                sums["sum_abs"][place] += abs(value)
                sums["routed"][place] += 1
    return sums


def assert_equal(found: LayerSums, expected: dict[str, np.ndarray], dtype: torch.dtype) -> None:
    np.testing.assert_array_equal(found.firings.numpy(), expected["firings"])
    assert found.sums.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    eps = 1e-13 if dtype == torch.float64 else 30 * 2.0**-24
    for kind, name in enumerate(KINDS):
        added = expected["sum_sq" if name == "sum_sq" else "sum_abs"]
        assert (np.abs(found.sums[kind].numpy() - expected[name]) <= eps * added).all(), name
    if found.routed is not None:
        np.testing.assert_array_equal(found.routed.numpy(), expected["routed"])


DTYPES = st.sampled_from([torch.float64, torch.float32, torch.bfloat16, torch.float16])


@given(st.integers(0, 10**6), DTYPES)
@settings(max_examples=40, deadline=None)
def test_gates_are_reduced_by_clip_and_scope(seed: int, dtype: torch.dtype):
    gate, codes, chosen = made_up(seed, dtype)
    before = gate.clone()
    segments = Segments(codes, scopes=SCOPES)
    expected = looped(gate, codes, chosen, 0)
    assert_equal(reduce_gates(gate, segments), expected, dtype)
    shape = (segments.clips, SCOPES, gate.shape[-1])
    firings, sums = reduction._by_product(gate, segments)
    assert_equal(LayerSums(firings.view(shape), sums.view(3, *shape)), expected, dtype)
    assert torch.equal(gate.nan_to_num(7), before.nan_to_num(7))
    np.testing.assert_array_equal(segments.tokens, expected["routed"][:, :, 0])


@given(st.integers(0, 10**6), DTYPES)
@settings(max_examples=25, deadline=None)
def test_gates_of_mixtures_are_reduced_by_expert_as_well(seed: int, dtype: torch.dtype):
    gate, codes, chosen = made_up(seed, dtype, experts=4)
    found = reduce_routed(gate, chosen, Segments(codes, scopes=SCOPES), count=4)
    assert_equal(found, looped(gate, codes, chosen, 4), dtype)


def test_a_clips_sums_do_not_depend_on_its_batch():
    rng = np.random.default_rng(3)
    codes = np.where(np.arange(40) < 25, 0, 1)
    codes[-1] = 2
    gate = torch.from_numpy(rng.normal(size=(1, 40, 77))).float()
    alone = reduce_gates(gate, Segments(codes[None], scopes=SCOPES))
    for pad in (1, 2, 3, 16):
        padded = torch.cat([torch.full((1, pad, 77), torch.nan), gate], dim=1)
        batch = torch.cat([torch.randn_like(padded), padded])
        both = np.stack([np.zeros(40 + pad, np.int64), np.r_[np.full(pad, -1), codes]])
        among = reduce_gates(batch, Segments(both, scopes=SCOPES))
        assert torch.equal(among.firings[1], alone.firings[0])
        assert torch.equal(among.sums[:, 1], alone.sums[:, 0])


def test_clips_are_added_in_their_order_whatever_the_batches():
    rng = np.random.default_rng(4)
    gates = origin(widths=(6, 5))
    clips = 9
    layers = [
        LayerSums(
            torch.from_numpy(rng.integers(0, 50, (clips, SCOPES, width)).astype(np.int32)),
            torch.from_numpy(rng.normal(size=(3, clips, SCOPES, width)).astype(np.float32)),
        )
        for width in gates.widths
    ]
    groups = Groups(rng.integers(0, 4, clips).astype(np.int64), rng.integers(1, 60, (clips, SCOPES)))

    def total(*bounds: int) -> dict[str, np.ndarray]:
        totals = Totals(gates, 4, ("audio", "text", "last"))
        for start, stop in pairwise(bounds):
            part = [LayerSums(one.firings[start:stop], one.sums[:, start:stop]) for one in layers]
            finite = totals.fold(part, Groups(groups.group[start:stop], groups.tokens[start:stop]))
            assert finite.tolist() == [True] * (stop - start)
        return totals.arrays()

    whole = total(0, 9)
    for bounds in ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0, 4, 9)):
        parts = total(*bounds)
        assert whole.keys() == parts.keys()
        assert all(parts[name].tobytes() == whole[name].tobytes() for name in whole)
    expected = np.zeros((4, 11))
    for clip in range(clips):
        fired = np.concatenate([layer.firings[clip].numpy().astype(np.int64) for layer in layers], axis=1)
        expected[groups.group[clip]] += fired.sum(axis=0) / groups.tokens[clip].sum()
    np.testing.assert_allclose(whole["all/rate_sum"], expected, rtol=2.0**-24)  # each rate is rounded once


def test_without_a_card_nothing_is_compiled():
    assert not kernels.works(torch.device("cpu"))
    assert not kernels.usable(torch.zeros(2, 3))


_INTERPRETED = """
import beartype, torch, numpy as np
from esn_interp.neurons import kernels
from esn_interp.neurons.reduction import reduce_gates, reduce_routed
from esn_interp.neurons.segments import Segments
from esn_interp.neurons.totals import Groups, clip_sums

rng = np.random.default_rng(0)
for dtype in (torch.float32, torch.bfloat16):
    codes = rng.integers(-1, 4, (5, 14))
    codes[0] = -1
    segments = Segments(codes, scopes=3)
    gate = torch.from_numpy(rng.normal(size=(5, 14, 260))).to(dtype)
    gate[torch.from_numpy(codes < 0)] = torch.nan
    experts = torch.from_numpy(rng.integers(0, 4, (5, 14, 2)))
    mixed = torch.from_numpy(rng.normal(size=(5, 14, 2, 30))).to(dtype)
    dense, routed = reduce_gates(gate, segments), reduce_routed(mixed, experts, segments, count=4)
    for flat, rows, plain in (
        (gate.flatten(0, 1), segments.on(gate.device), dense),
        (mixed.flatten(0, 2), segments.routed(experts, 4)[1], routed),
    ):
        firings, sums = kernels.reduce_rows(flat, rows)
        assert torch.equal(firings.view_as(plain.firings), plain.firings)
        assert torch.allclose(sums.view_as(plain.sums), plain.sums, rtol=1e-5, atol=1e-5)
    groups = Groups(np.array([3, 0, 3, 5, 0]), segments.tokens)
    clips, present, tokens = groups.on(gate.device)
    for plain, names in ((dense, 3), (routed, 10)):
        width = plain.firings.shape[-1]
        counts = torch.randint(0, 9, (6, names, width))
        totals = torch.randn(6, 25, width, dtype=torch.float64)
        expected = counts.clone(), totals.clone()
        for row, (count, total) in enumerate(zip(*clip_sums(plain, tokens, plain.routed))):
            expected[0][groups.group[row]] += count
            expected[1][groups.group[row]] += total
        finite = torch.ones(5, dtype=torch.int32)
        arguments = (plain.firings, plain.sums, plain.routed, tokens, clips, present, finite)
        kernels.fold(counts, totals, *arguments)
        assert torch.equal(counts, expected[0])
        assert torch.equal(totals, expected[1])
        assert finite.tolist() == [1] * 5
        plain.sums[1, 2, 0, 5], plain.sums[1, 4, 1, 7] = torch.inf, torch.nan
        kernels.fold(counts, totals, *arguments)
        assert finite.tolist() == [1, 1, 0, 1, 0]
print("equal")
"""


def test_the_kernels_say_what_plain_torch_says():
    """In Triton's interpreter, which runs them on the CPU."""
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = os.environ | {"TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    code = [sys.executable, "-W", "ignore", "-c", _INTERPRETED]
    ran = subprocess.run(
        code, env=environment, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    assert ran.stdout.strip() == "equal", ran.stderr
