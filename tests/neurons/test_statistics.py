"""Gate statistics, against a plain loop that stores everything.

Most gates here are float64, as are their sums then, so that any mistake shows; what float32 does to them has a test of
its own.
"""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_gates import (
    EMOTIONS,
    WIDTHS,
    HeardClip,
    assert_same,
    fold_batch,
    heard_clip,
    heard_clips,
    is_count,
    origin,
    statistics_of,
)
from safetensors import safe_open

from esn_interp.errors import EsnError, StatisticsError
from esn_interp.files import load_tensors, save_tensors
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.statistics import GateStatistics, merge

SCOPES = {"audio": [0], "text": [1], "last": [2], "all": [0, 1, 2]}


def stored_everything(clips: list[HeardClip]) -> dict[str, np.ndarray]:
    """Every array of the file, from activations that are kept whole, in Python's own arithmetic."""
    groups: dict[int, list[HeardClip]] = defaultdict(list)
    for clip in clips:
        groups[clip.emotion if clip.kept else clip.emotion + len(EMOTIONS)].append(clip)
    n = 2 * len(EMOTIONS)
    out: dict[str, list] = {"clips": [len(groups[g]) for g in range(n)]}
    for scope, codes in SCOPES.items():
        picked = {g: [np.isin(clip.scopes, codes) for clip in groups[g]] for g in range(n)}
        if scope != "all":
            out[f"{scope}/tokens"] = [sum(int(where.sum()) for where in picked[g]) for g in range(n)]
        for layer, width in enumerate(WIDTHS):
            table = defaultdict(lambda: np.zeros((n, width)))  # noqa: B023
            for g in range(n):
                for neuron in range(width):
                    per_clip = [
                        [float(x) for x in clip.gates[layer][where, neuron]]
                        for clip, where in zip(groups[g], picked[g], strict=True)
                    ]
                    tokens = [x for clip in per_clip for x in clip]
                    rates = [sum(x > 0 for x in clip) / len(clip) for clip in per_clip]
                    means = [sum(clip) / len(clip) for clip in per_clip]
                    if scope != "all":
                        table["firings"][g, neuron] = sum(x > 0 for x in tokens)
                        table["sum"][g, neuron] = sum(tokens)
                        table["sum_sq"][g, neuron] = sum(x * x for x in tokens)
                        table["sum_abs"][g, neuron] = sum(abs(x) for x in tokens)
                    table["rate_sum"][g, neuron] = sum(rates)
                    table["rate_sum_sq"][g, neuron] = sum(x * x for x in rates)
                    table["mean_sum"][g, neuron] = sum(means)
                    table["mean_sum_sq"][g, neuron] = sum(x * x for x in means)
            for name, values in table.items():
                out[f"{scope}/{name}/{layer:02d}"] = values
    return {name: np.asarray(values) for name, values in out.items()}


def precise_clips(n: int) -> list[HeardClip]:
    return heard_clips(n, dtype=np.float64)


def test_every_array_equals_that_of_a_loop_that_stores_everything():
    clips = precise_clips(23)
    expected, found = stored_everything(clips), statistics_of(clips).arrays()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        if is_count(name):
            assert found[name].dtype == np.int64
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        else:
            assert found[name].dtype == np.float64
            np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batches_of_any_size_give_the_same_to_the_bit(batch_size: int):
    clips = heard_clips(20)
    assert_same(
        statistics_of(clips, batch_size=batch_size), statistics_of(clips, batch_size=20), bitwise=True
    )


@pytest.mark.parametrize("padding", [np.nan, np.inf, 1e30, -5.0])
def test_padding_never_counts(padding: float):
    clips = sorted(heard_clips(6), key=lambda clip: len(clip.scopes))
    alone, padded = (Accumulator(origin(), EMOTIONS) for _ in range(2))
    for clip in clips:
        fold_batch(alone, [clip])
    fold_batch(padded, clips, padding=padding)
    assert_same(alone.statistics(), padded.statistics(), bitwise=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_clips_sums_are_at_least_float32(dtype: torch.dtype):
    """A sum of n tokens is off by less than n roundings of what was added; counts are exact, and so is the rest."""
    rng = np.random.default_rng(5)
    scopes = np.array([1] * 20 + [0] * 700 + [1] * 30 + [2], dtype=np.int8)
    gates = [torch.from_numpy(rng.normal(0.1, 2, (len(scopes), width))).to(dtype) for width in WIDTHS]
    accumulator = Accumulator(origin(), EMOTIONS)
    tap = accumulator.tap(scopes[None])
    for layer, gate in enumerate(gates):
        tap(0, layer, gate[None])
    accumulator.fold(tap, emotion=np.array([0]), kept=np.array([True]), ids=["a"])
    found = accumulator.statistics().arrays()
    expected = stored_everything([HeardClip("a", 0, True, [gate.double().numpy() for gate in gates], scopes)])
    for name, values in expected.items():
        scope, kind, *layer = name.split("/") if "/" in name else ("", name)
        if is_count(name):
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        elif kind in ("sum", "sum_abs", "sum_sq"):
            tokens = np.isin(scopes, SCOPES[scope]).sum()
            added = expected[f"{scope}/{'sum_sq' if kind == 'sum_sq' else 'sum_abs'}/{layer[0]}"]
            assert (np.abs(found[name] - values) <= (tokens + 1) * 2.0**-24 * added).all(), name
        else:
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-5, err_msg=name)


def test_generated_tokens_are_left_out():
    clip = heard_clip(0)
    accumulator = Accumulator(origin(), EMOTIONS)
    tap = accumulator.tap(clip.scopes[None])
    for step in (0, 1, 2):
        for layer, gates in enumerate(clip.gates):
            tap(step, layer, torch.from_numpy(gates if step == 0 else gates[:1] + 100)[None])
    accumulator.fold(tap, emotion=np.array([clip.emotion]), kept=np.array([clip.kept]), ids=["a"])
    assert_same(accumulator.statistics(prompt="How?"), statistics_of([clip]), bitwise=True)


class TestRefusedRuns:
    def fold(self, accumulator: Accumulator, tap) -> None:
        accumulator.fold(tap, emotion=np.array([0]), kept=np.array([True]), ids=["clip-0"])

    def test_a_gate_that_is_not_finite(self):
        clip = heard_clip(0)
        clip.gates[1][2, 0] = np.nan
        with pytest.raises(StatisticsError, match=r"clip-0.*not finite"):
            statistics_of([clip])

    def test_a_clip_without_audio_tokens(self):
        clip = heard_clip(0)
        clip.scopes[clip.scopes == 0] = 1
        with pytest.raises(StatisticsError, match=r"clip-0.*no audio token"):
            statistics_of([clip])

    def test_gates_of_another_shape(self):
        tap = Accumulator(origin(), EMOTIONS).tap(np.array([[0, 1, 2]]))
        with pytest.raises(StatisticsError, match=r"layer 1 .*\[1, 4\].*\[1, 3\]"):
            tap(0, 1, torch.zeros(1, 4, 3))

    def test_a_run_that_left_layers_out(self):
        accumulator = Accumulator(origin(), EMOTIONS)
        tap = accumulator.tap(np.array([[0, 1, 2]]))
        tap(0, 0, torch.zeros(1, 3, WIDTHS[0]))
        with pytest.raises(StatisticsError, match="no gates for some layers"):
            self.fold(accumulator, tap)


# ------------------------------------------------------------------ files


@given(st.integers(0, 9), st.booleans())
@settings(max_examples=15, deadline=None)
def test_a_saved_file_reads_back_to_the_bit(tmp_path_factory: pytest.TempPathFactory, n: int, per_clip: bool):
    stats = statistics_of(heard_clips(n), per_clip=per_clip and n > 0)
    path = tmp_path_factory.mktemp("stats") / "s.safetensors"
    stats.save(path)
    loaded = GateStatistics.load(path)
    assert_same(loaded, stats, bitwise=True)
    assert (loaded.origin, loaded.emotions, loaded.prompt) == (stats.origin, stats.emotions, stats.prompt)
    assert (loaded.seen, loaded.kept, loaded.skipped) == (stats.seen, stats.kept, stats.skipped)


def test_the_file_holds_what_the_format_says(tmp_path: Path):
    clips = heard_clips(9)
    stats = statistics_of(clips)
    stats.save(tmp_path / "s.safetensors")
    with safe_open(tmp_path / "s.safetensors", framework="numpy") as file:
        header = json.loads(file.metadata()["esn"])
        names = set(file.keys())
        firings, sums = file.get_tensor("audio/firings/02"), file.get_tensor("last/sum_sq/00")
    token = {
        f"{s}/{k}/{n:02d}"
        for s in ("audio", "text", "last")
        for k in ("firings", "sum", "sum_sq", "sum_abs")
        for n in range(3)
    }
    clip = {
        f"{s}/{k}/{n:02d}"
        for s in SCOPES
        for k in ("rate_sum", "rate_sum_sq", "mean_sum", "mean_sum_sq")
        for n in range(3)
    }
    assert names == token | clip | {"clips", "audio/tokens", "text/tokens", "last/tokens"}
    assert firings.dtype == np.int64
    assert firings.shape == (6, 4)
    assert sums.dtype == np.float64
    assert sums.shape == (6, 5)
    assert header["kind"] == "statistics"
    assert header["version"] == 3
    assert header["widths"] == list(WIDTHS)
    assert header["emotions"] == list(EMOTIONS)
    assert header["groups"][:4] == ["neutral/kept", "happy/kept", "angry/kept", "neutral/dropped"]
    assert header["seen"] == {e: sum(c.emotion == i for c in clips) for i, e in enumerate(EMOTIONS)}
    assert header["kept"] == {
        e: sum(c.emotion == i and c.kept for c in clips) for i, e in enumerate(EMOTIONS)
    }
    assert header.keys() >= {
        "model",
        "fingerprint",
        "corpus",
        "corpus_fingerprint",
        "component",
        "scopes",
        "filter",
    }
    assert header.keys() >= {"experts", "skipped", "esn_interp", "seed", "time"}


def test_files_that_do_not_fit_are_refused(tmp_path: Path):
    path = tmp_path / "s.safetensors"
    statistics_of(heard_clips(3)).save(path)
    arrays, header = load_tensors(path, kind="statistics", version=3)
    save_tensors(path, arrays, header | {"version": 4})
    with pytest.raises(EsnError, match="version 4 of 'statistics', this esn_interp reads version 1 and 2 and 3"):
        GateStatistics.load(path)
    save_tensors(path, arrays, header | {"kind": "neurons"})
    with pytest.raises(EsnError, match="kind 'neurons', expected 'statistics'"):
        GateStatistics.load(path)
    save_tensors(path, arrays, header | {"widths": [5, 3, 8]})
    with pytest.raises(StatisticsError, match=r"firings/02 is int64 \[6, 4\]; expected int64 \[6, 8\]"):
        GateStatistics.load(path)
    save_tensors(path, {name: array for name, array in arrays.items() if name != "last/sum/01"}, header)
    with pytest.raises(StatisticsError, match="last/sum/01 is missing"):
        GateStatistics.load(path)
    save_tensors(path, arrays | {"clips": arrays["clips"].astype(np.int32)}, header)
    with pytest.raises(StatisticsError, match="clips is int32"):
        GateStatistics.load(path)


@pytest.mark.parametrize("version", [1, 2])
def test_files_of_earlier_releases_are_read(tmp_path: Path, version: int):
    """They held every array plain; the first kept rounded rates of single clips, which can't be added up."""
    path, per_clip = tmp_path / "s.safetensors", version == 2
    stats = statistics_of(heard_clips(30, widths=(90, 3, 4), dtype=np.float64), widths=(90, 3, 4), per_clip=per_clip)
    header = stats.header() | {"version": version}
    if version == 1:
        header["per_clip"] = ["clip-0"]
    save_tensors(path, stats.arrays(), header)
    loaded = GateStatistics.load(path)
    assert_same(loaded, stats, bitwise=True)
    assert (loaded.per_clip is None) == (version == 1)


def test_large_statistics_are_packed_without_losing_a_bit(tmp_path: Path):
    path, widths = tmp_path / "s.safetensors", (900, 3, 1400)
    clips = heard_clips(40, widths=widths)
    stats = statistics_of(clips, widths=widths, per_clip=True)
    stats.save(path)
    assert_same(GateStatistics.load(path), stats, bitwise=True)
    plain = sum(array.nbytes for array in stats.arrays().values())
    assert path.stat().st_size < 0.6 * plain
    with safe_open(path, framework="numpy") as file:
        header, names = json.loads(file.metadata()["esn"]), set(file.keys())
        assert file.get_tensor("audio/sum/01").dtype == np.float64  # small ones stay plain
        assert file.get_tensor("audio/sum/00").dtype == np.uint8
    # The last position is one token, so that a clip's mean is its sum there: bytes that are equal are kept once.
    assert header["packed"]["last/mean_sum/00"] == ["<f8", [6, 900], "last/sum/00"]
    assert "last/mean_sum/00" not in names
    shards = [statistics_of(clips[at::2], widths=widths, fingerprint=f"f{at}") for at in (0, 1)]
    for at, shard in enumerate(shards):
        shard.save(tmp_path / f"{at}.safetensors")
    read = [GateStatistics.load(tmp_path / f"{at}.safetensors") for at in (0, 1)]
    assert_same(merge(read), merge(shards), bitwise=True)


def test_another_model_is_refused_by_name():
    class Other:
        name, fingerprint, component, widths = "other-7B", "def", "thinker", WIDTHS

    stats = statistics_of(heard_clips(2))
    with pytest.raises(
        StatisticsError, match=r"come from tiny \(weights abc.*not from other-7B \(weights def"
    ):
        stats.check(Other())
    Other.fingerprint = "abc"
    stats.check(Other())
    Other.widths = (5, 3)
    with pytest.raises(StatisticsError, match=r"3 layers with 12 gates.*2 layers with 8 gates"):
        stats.check(Other())


# ------------------------------------------------------------------ single clips


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_single_clips_keep_their_own_sums(tmp_path: Path, dtype: type[np.floating]):
    clips = heard_clips(7, dtype=dtype)
    statistics_of(clips, per_clip=True, batch_size=3).save(tmp_path / "s.safetensors")
    arrays, header = load_tensors(tmp_path / "s.safetensors", kind="statistics", version=3)
    assert header["per_clip"] == {"ids": [clip.id for clip in clips], "speakers": [""] * 7}
    np.testing.assert_array_equal(arrays["per_clip/emotion"], [clip.emotion for clip in clips])
    np.testing.assert_array_equal(arrays["per_clip/kept"], [clip.kept for clip in clips])
    for scope, code in (("audio", 0), ("text", 1), ("last", 2)):
        for layer in range(len(WIDTHS)):
            firings, total = (arrays[f"per_clip/{scope}/{kind}/{layer:02d}"] for kind in ("firings", "sum"))
            assert (firings.dtype, total.dtype) == (np.int32, dtype)
            for row, clip in enumerate(clips):
                here = clip.gates[layer][clip.scopes == code].astype(np.float64)
                np.testing.assert_array_equal(firings[row], (here > 0).sum(axis=0))
                atol = 2 * len(here) * np.finfo(dtype).eps
                np.testing.assert_allclose(total[row], here.sum(axis=0), rtol=1e-12, atol=atol)


@pytest.mark.parametrize("scope", list(SCOPES))
def test_rates_and_means_of_single_clips(scope: str):
    clips = precise_clips(5)
    single = statistics_of(clips, per_clip=True).per_clip
    for row, clip in enumerate(clips):
        here = np.concatenate(clip.gates, axis=1)[np.isin(clip.scopes, SCOPES[scope])].astype(np.float64)
        np.testing.assert_allclose(single.rate(scope)[row], (here > 0).mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(single.mean(scope)[row], here.mean(axis=0), rtol=1e-9, atol=1e-12)


def test_single_clips_are_joined_in_a_merge():
    clips = heard_clips(6)
    a, b = (statistics_of(clips[at::2], fingerprint=f"f{at}", per_clip=True) for at in (0, 1))
    merged = (b + a).per_clip
    assert merged is not None
    assert merged.ids == tuple(clip.id for clip in (*clips[0::2], *clips[1::2]))
    assert merged.sums["last/sum_sq"].shape == (6, sum(WIDTHS))
