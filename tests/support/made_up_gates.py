"""Made-up gates of made-up clips, and the statistics that the package makes of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.statistics import GateStatistics

EMOTIONS = ("neutral", "happy", "angry")
COUNTED = {"firings", "tokens", "clips"}
WIDTHS = (5, 3, 4)
PADDING = -1


@dataclass(frozen=True)
class HeardClip:
    """What a run of a model over one clip would show: gates by layer, and where each token stands."""

    id: str
    emotion: int
    kept: bool
    gates: list[np.ndarray]  # [token, neuron] by layer
    scopes: np.ndarray  # [token]: 0 audio, 1 text, 2 last


def heard_clip(
    seed: int,
    *,
    emotions: int = len(EMOTIONS),
    widths: Sequence[int] = WIDTHS,
    dtype: type[np.floating] = np.float32,
) -> HeardClip:
    rng = np.random.default_rng([7, seed])
    audio, before, after = rng.integers(1, 9), rng.integers(0, 3), rng.integers(1, 4)
    scopes = np.array([1] * before + [0] * audio + [1] * after + [2], dtype=np.int8)
    gates = [rng.normal(0.1, 1, (len(scopes), width)).astype(dtype) for width in widths]
    return HeardClip(f"clip-{seed}", int(rng.integers(emotions)), bool(rng.random() < 0.7), gates, scopes)


def heard_clips(n: int, **options) -> list[HeardClip]:
    return [heard_clip(seed, **options) for seed in range(n)]


def origin(
    *, widths: Sequence[int] = WIDTHS, corpus: str = "made-up", clips: str = "f0", **changes
) -> Origin:
    fields = {"model": "tiny", "fingerprint": "abc", "component": "thinker"} | changes
    return Origin(**fields, widths=tuple(widths), corpus=corpus, corpus_fingerprint=clips)


def fold_batch(accumulator: Accumulator, clips: Sequence[HeardClip], *, padding: float = np.nan) -> None:
    """Run one left-padded batch past the accumulator; what stands in padding is ``padding``."""
    longest = max(len(clip.scopes) for clip in clips)
    scopes = np.full((len(clips), longest), PADDING, dtype=np.int8)
    for row, clip in enumerate(clips):
        scopes[row, longest - len(clip.scopes) :] = clip.scopes
    tap = accumulator.tap(scopes)
    for layer in range(len(clips[0].gates)):
        first = clips[0].gates[layer]
        batch = np.full((len(clips), longest, first.shape[1]), padding, dtype=first.dtype)
        for row, clip in enumerate(clips):
            batch[row, longest - len(clip.scopes) :] = clip.gates[layer]
        tap(0, layer, torch.from_numpy(batch))
    accumulator.fold(
        tap,
        emotion=np.array([clip.emotion for clip in clips]),
        kept=np.array([clip.kept for clip in clips]),
        ids=[clip.id for clip in clips],
    )


def statistics_of(
    clips: Sequence[HeardClip],
    *,
    batch_size: int = 4,
    fingerprint: str = "f0",
    corpus: str = "made-up",
    emotions: Sequence[str] = EMOTIONS,
    widths: Sequence[int] = WIDTHS,
    per_clip: bool = False,
    prompt: str = "How?",
) -> GateStatistics:
    accumulator = Accumulator(
        origin(widths=widths, corpus=corpus, clips=fingerprint), emotions, per_clip=per_clip
    )
    for start in range(0, len(clips), batch_size):
        fold_batch(accumulator, clips[start : start + batch_size])
    return accumulator.statistics(prompt=prompt)


def statistics_from_counts(
    firings: np.ndarray, tokens: np.ndarray, widths: Sequence[int], emotions: Sequence[str]
) -> GateStatistics:
    """Statistics in which, over audio tokens of kept clips, ``firings`` [emotion, gate] are as given.

    Each emotion has one clip; the other scopes have one silent token each.
    """
    from esn_interp.neurons.layout import SCOPES, sum_types

    n, gates = firings.shape
    sums = {name: np.zeros((2 * n, gates), dtype) for name, dtype in sum_types(SCOPES).items()}
    sums["audio/firings"][:n] = firings
    sums["audio/rate_sum"][:n] = firings / tokens[:, None]
    sums["all/rate_sum"][:n] = firings / (tokens[:, None] + 2)
    kept = np.r_[np.ones(n, np.int64), np.zeros(n, np.int64)]
    counts = {"audio": np.r_[tokens, np.zeros(n, np.int64)].astype(np.int64), "text": kept, "last": kept}
    return GateStatistics(origin(widths=widths), tuple(emotions), "How?", kept.copy(), counts, sums)


def statistics_from_rates(
    frequency: np.ndarray, mean: np.ndarray, widths: Sequence[int], emotions: Sequence[str]
) -> GateStatistics:
    """Statistics of one kept clip per emotion, with these rates and means [emotion, gate] in every scope."""
    from esn_interp.neurons.layout import ALL, SCOPES, sum_types

    n, gates = frequency.shape
    sums = {name: np.zeros((2 * n, gates), dtype) for name, dtype in sum_types(SCOPES).items()}
    for scope in (*SCOPES, ALL):
        sums[f"{scope}/rate_sum"][:n] = frequency
        sums[f"{scope}/mean_sum"][:n] = mean
    for scope in SCOPES:
        sums[f"{scope}/sum_abs"][:n] = np.abs(mean)
    kept = np.r_[np.ones(n, np.int64), np.zeros(n, np.int64)]
    return GateStatistics(
        origin(widths=widths), tuple(emotions), "How?", kept, dict.fromkeys(SCOPES, kept), sums
    )


def is_count(name: str) -> bool:
    """Counts are whole numbers, and exact; everything else is a sum."""
    return not COUNTED.isdisjoint(name.split("/"))


def assert_same(ours: GateStatistics, other: GateStatistics, *, bitwise: bool = False) -> None:
    """Counts are exact; sums to 1e-12 of the magnitudes that were added, or to the bit."""
    one, two = ours.arrays(), other.arrays()
    assert one.keys() == two.keys()
    for name in one:
        assert one[name].dtype == two[name].dtype, name
        if bitwise or is_count(name):
            assert one[name].tobytes() == two[name].tobytes(), name
        else:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-12, atol=1e-12, err_msg=name)
