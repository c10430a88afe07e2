"""Which clips figures of smol-audio are made of, in what batches, and what is told of outcomes on them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from esn_interp.analysis.inference.significance import RATE, Interval, SpeakerMeans, nan_mean

MODEL = "smol-audio"


def part_of(clips: Any, count: int | None) -> Any:
    """So many clips, balanced over the emotions; None for all."""
    return clips if count is None else clips.limit(count)


def in_batches(clips: Any, size: int) -> Iterator[list[Any]]:
    for start in range(0, len(clips), size):
        yield [clips[row] for row in range(start, min(start + size, len(clips)))]


def told(interval: Interval) -> dict[str, float]:
    return {"value": interval.value, "low": interval.low, "high": interval.high}


def mean_over(outcome: Sequence[float] | Sequence[bool], clips: Any, *, within: Any = None) -> dict[str, Any]:
    """Mean over clips with its 95 % interval over speakers."""
    values = np.asarray(outcome, dtype=np.float64)[None]
    means = SpeakerMeans.over_clips(values, np.ones(values.shape, dtype=np.bool_), list(clips.column("speaker")))
    found = means.interval(lambda cells: cells[..., 0], **({} if within is None else {"within": within}))
    return {**told(found), "clips": len(clips), "speakers": found.speakers}


def mean_recall(right: np.ndarray, truth: np.ndarray, speakers: Sequence[str]) -> dict[str, Any]:
    """Mean over the emotions of the share of their clips that is right, with its 95 % interval over speakers."""
    among = np.stack([truth == emotion for emotion in np.unique(truth)])
    outcome = np.broadcast_to(np.asarray(right, dtype=np.float64), among.shape)
    found = SpeakerMeans.over_clips(outcome, among, list(speakers)).interval(nan_mean, within=RATE)
    return {**told(found), "clips": len(right), "speakers": found.speakers}
