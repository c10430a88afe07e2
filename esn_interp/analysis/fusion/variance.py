"""Where the differences between clips come from: corpora, languages, speakers, or the clips themselves."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics

SOURCES = ("language", "corpus", "speaker", "clip")
"""From the widest to the narrowest; each counts what the wider ones leave."""


def variance_shares(
    statistics: Mapping[str, GateStatistics], languages: Mapping[str, str], neurons: NeuronSet, *, scope: str = "last"
) -> Float64[np.ndarray, "emotion source"]:
    """Shares of the variance of clip means of each emotion's own gates, on clips of that emotion; mean over the gates.

    Sums of squares of nested groups: means of languages around the grand mean, of corpora around their language's, of
    speakers around their corpus's, clips around their speaker's; every clip counts once. With one corpus a language,
    what is between corpora is counted as between languages. NaN for an emotion without gates or clips.

    Raises
    ------
    StatisticsError
        When statistics keep no single clips, or a corpus has no language.
    """
    if missing := [name for name in statistics if name not in languages]:
        raise StatisticsError(f"corpus {missing[0]}: say its language, to tell corpora and languages apart")
    shares = np.full((len(neurons.emotions), len(SOURCES)), np.nan)
    for row, emotion in enumerate(neurons.emotions):
        index = neurons[emotion].indices()
        values: list[Float64[np.ndarray, "clip gate"]] = []
        groups: list[tuple[str, str, str]] = []
        for name, stats in statistics.items():
            if stats.per_clip is None:
                raise StatisticsError(f"the statistics of {name} keep no single clips; collect with per_clip=True")
            if emotion not in stats.emotions:
                continue
            mine = np.flatnonzero(stats.per_clip.emotion == stats.emotions.index(emotion))
            values.append(stats.per_clip.mean(scope)[mine][:, index])
            speakers = (stats.per_clip.speakers[at] for at in mine)
            groups += [(languages[name], name, f"{name}/{speaker}") for speaker in speakers]
        if len(index) and groups:
            shares[row] = nested_shares(np.concatenate(values), groups)
    return shares


def nested_shares(
    values: Float64[np.ndarray, "clip gate"], groups: Sequence[tuple[str, ...]]
) -> Float64[np.ndarray, " source"]:
    """Shares of the total sum of squares between groups of each level within those of the level above, and within."""
    around = np.broadcast_to(values.mean(axis=0), values.shape)
    total = ((values - around) ** 2).sum(axis=0)
    parts: list[Float64[np.ndarray, " gate"]] = []
    for level in range(len(groups[0])):
        means = _means(values, np.unique([group[level] for group in groups], return_inverse=True)[1])
        parts.append(((means - around) ** 2).sum(axis=0))
        around = means
    parts.append(((values - around) ** 2).sum(axis=0))
    varied = total > 0
    if not varied.any():
        return np.full(len(parts), np.nan)
    return np.array([np.mean(part[varied] / total[varied]) for part in parts])


def _means(
    values: Float64[np.ndarray, "clip gate"], group: Int64[np.ndarray, " clip"]
) -> Float64[np.ndarray, "clip gate"]:
    total = np.zeros((int(group.max()) + 1, values.shape[1]))
    np.add.at(total, group, values)
    return (total / np.bincount(group)[:, None])[group]
