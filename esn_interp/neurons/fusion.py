"""Neurons of several corpora together: what each corpus scores on its own, joined; or all of them as one."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.scores import Scores
from esn_interp.neurons.selectors import Size, select, take
from esn_interp.neurons.statistics import GateStatistics, merge

PENALTY = 0.3
"""Standard deviations over corpora that are taken off the mean z-score. (arXiv 2608.08772, read in a digest.)"""

POOLED = "pooled"


def by_overlap(scores: Float64[np.ndarray, "corpus emotion gate"]) -> Float64[np.ndarray, "emotion gate"]:
    """Minus the worst rank over the corpora: the first k are those that are among the first of every corpus."""
    order = np.argsort(-scores, axis=-1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(scores.shape[-1]), scores.shape), axis=-1)
    return -rank.max(axis=0).astype(np.float64)


def by_z_score(scores: Float64[np.ndarray, "corpus emotion gate"]) -> Float64[np.ndarray, "emotion gate"]:
    """Mean over the corpora of the z-score within each, minus 0.3 standard deviations over the corpora."""
    spread = scores.std(axis=-1, keepdims=True)
    z = (scores - scores.mean(axis=-1, keepdims=True)) / np.where(spread > 0, spread, 1.0)
    return z.mean(axis=0) - PENALTY * z.std(axis=0)


FUSIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"overlap": by_overlap, "zscore": by_z_score}
"""Ways to join scores; ``pooled`` joins clips instead."""


def fuse(
    statistics: Sequence[GateStatistics] | Mapping[str, GateStatistics],
    selector: str = "mad",
    *,
    how: str = "zscore",
    top: float | None = None,
    count: int | None = None,
    scope: str | None = None,
    pooling: str | None = None,
    filter: str = "correct",
    seed: int = 0,
) -> NeuronSet:
    """The gates that speak most for each emotion in all of several corpora.

    Parameters
    ----------
    statistics
        One a corpus, of the same model and emotions.
    how
        ``overlap``: among the first of every corpus; ``zscore``: by the mean z-score within corpora, less 0.3 standard
        deviations over them; ``pooled``: all clips as those of one corpus. By the first two a gate must be eligible in
        every corpus.
    top, count, scope, pooling, filter, seed
        As of `select`.

    Raises
    ------
    StatisticsError
        When there are fewer than two corpora, they differ in model or emotions, or the way is unknown or is not for
        this selector.
    """
    parts = list(statistics.values()) if isinstance(statistics, Mapping) else list(statistics)
    if len(parts) < 2:
        raise StatisticsError(f"corpora are fused by two or more; there {'is one' if parts else 'are none'}")
    if how != POOLED and how not in FUSIONS:
        raise StatisticsError(f"unknown fusion {how!r}; choose from {', '.join((*FUSIONS, POOLED))}")
    if selector not in SELECTORS:
        raise StatisticsError(f"unknown selector {selector!r}; choose from {', '.join(SELECTORS)}")
    size, chosen = Size(top, count), SELECTORS[selector]
    scope = parts[0].usual_scope if scope is None else scope
    if how == POOLED:
        return select(
            merge(parts), selector, top=top, count=count, scope=scope, pooling=pooling, filter=filter, seed=seed
        )
    first = parts[0]
    for other in parts[1:]:
        first.origin.check(other.origin, f"the statistics of {other.corpus}")
        if other.emotions != first.emotions:
            raise StatisticsError(
                f"{first.corpus} has the emotions {', '.join(first.emotions)}, {other.corpus}"
                f" {', '.join(other.emotions)}: collect the same, with emotions="
            )
    pooling = pooling or chosen.pooling
    options = {"seed": seed} if "seed" in chosen.options else {}
    each = [chosen.score(part.rates(scope=scope, pooling=pooling, filter=filter), **options) for part in parts]
    if any(one.cut == "model" for one in each):
        raise StatisticsError(f"{selector} ranks gates over the whole model, not by emotion; fuse it by {POOLED}")
    joined = FUSIONS[how](np.stack([one.score for one in each]))
    return take(
        Scores(joined, np.logical_and.reduce([one.eligible for one in each])),
        size,
        first.origin.join(part.origin for part in parts[1:]),
        first.emotions,
        per_layer=False,
        selector=f"{selector}, {how}",
        parameters={
            **{"fusion": how, "scope": scope, "pooling": pooling, "filter": filter},
            **({"asking": dict(first.asking)} if first.asking else {}),
            "corpora": [part.corpus for part in parts],
        },
    )
