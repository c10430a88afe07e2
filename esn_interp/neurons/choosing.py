"""Statistics of some of the emotions: the others count neither for nor against a neuron."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from esn_interp.errors import StatisticsError
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.statistics import GateStatistics


def of_emotions(stats: GateStatistics, emotions: Sequence[str]) -> GateStatistics:
    """The statistics of these emotions, in this order, as if clips of others had not been collected.

    The question that was asked still offered the others.

    Raises
    ------
    StatisticsError
        When an emotion is named twice, or there are no statistics of it.
    """
    chosen = tuple(emotions)
    if unknown := [emotion for emotion in chosen if emotion not in stats.emotions]:
        raise StatisticsError(
            f"no statistics of emotion {unknown[0]!r}; these are of {', '.join(stats.emotions)}"
        )
    if not chosen or len(set(chosen)) != len(chosen):
        had = ", ".join(chosen) or "none"
        raise StatisticsError(f"name the emotions once each, of {', '.join(stats.emotions)}; got {had}")
    if chosen == stats.emotions:
        return stats
    rows = np.array([stats.emotions.index(emotion) for emotion in chosen])
    groups = np.concatenate([rows, rows + len(stats.emotions)])
    return replace(
        stats,
        emotions=chosen,
        clips=stats.clips[groups],
        tokens={scope: values[groups] for scope, values in stats.tokens.items()},
        sums={name: values[groups] for name, values in stats.sums.items()},
        per_clip=None if stats.per_clip is None else _single(stats.per_clip, rows),
    )


def _single(single: PerClip, rows: np.ndarray) -> PerClip:
    """The clips of the emotions at these rows, their emotions numbered anew."""
    number = {int(row): at for at, row in enumerate(rows)}
    part = single.take(np.flatnonzero(np.isin(single.emotion, rows)))
    return replace(part, emotion=np.array([number[row] for row in part.emotion.tolist()], dtype=np.int32))
