"""From statistics to neurons: a selector scores every gate for every emotion, and one shared step cuts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.choosing import of_emotions
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.scores import Scores
from esn_interp.neurons.statistics import GateStatistics


@dataclass(frozen=True)
class Size:
    """How many gates are selected: exactly one of a fraction of all, a count, and a least score."""

    top: float | None = None
    count: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in vars(self).items() if value is not None}
        if len(given) != 1:
            had = " and ".join(given) or "none"
            raise StatisticsError(f"give one of top (a fraction of all gates), count, threshold; got {had}")
        if self.top is not None and not 0 < self.top <= 1:
            raise StatisticsError(f"top is a fraction of all gates in (0, 1], not {self.top:g}; 0.01 is 1 %")
        if self.count is not None and self.count < 1:
            raise StatisticsError(f"count is a number of gates of at least 1, not {self.count}")
        if self.threshold is not None and not np.isfinite(self.threshold):
            raise StatisticsError(f"threshold is a finite score, not {self.threshold}")

    def most(self, gates: int) -> int:
        """How many of so many gates may be selected. Fractions are rounded half to even, as in [LAPE]."""
        if self.count is not None and self.count > gates:
            raise StatisticsError(f"count {self.count} is more than the {gates:,} gates that there are")
        if self.top is not None:
            return max(1, round(self.top * gates))
        return self.count or gates


def select(
    stats: GateStatistics,
    selector: str = "mad",
    *,
    top: float | None = None,
    count: int | None = None,
    threshold: float | None = None,
    scope: str | None = None,
    pooling: str | None = None,
    filter: str = "correct",
    per_layer: bool = False,
    min_clips: int = 1,
    emotions: Sequence[str] | None = None,
    seed: int = 0,
    **options: float,
) -> NeuronSet:
    """The gates that speak most for each emotion.

    Parameters
    ----------
    selector
        A name of `SELECTORS`, such as ``mad``.
    top, count, threshold
        Exactly one of them. ``top`` is a fraction in (0, 1] of all gates and ``count`` a number of gates,
        both per emotion (``lape``: over all emotions together); ``threshold`` is the least score. Fewer are
        selected when fewer are eligible; ties are broken by (layer, neuron).
    scope, pooling, filter, min_clips
        Which tokens and clips count, and how: see `GateStatistics.rates`. Of a prompt, the instruction's tokens
        don't count unless a scope says so. Pooling is by clip unless said
        otherwise; for ``lape`` it is by token, as published.
    emotions
        Those to select neurons for; clips of the others then count neither for nor against a neuron. All by default.
    per_layer
        Cut within each layer instead of over the whole model.
    seed
        Of the ``random`` selector; the others draw nothing.
    options
        Parameters of the selector, such as ``tau_rate`` of ``lape``.

    Raises
    ------
    StatisticsError
        On an unknown selector, scope, pooling, filter or option, a size out of range, or an emotion without
        enough clips that passed the filter.
    """
    if selector not in SELECTORS:
        raise StatisticsError(f"unknown selector {selector!r}; choose from {', '.join(SELECTORS)}")
    chosen, size = SELECTORS[selector], Size(top, count, threshold)
    pooling = pooling or chosen.pooling
    if unknown := sorted(set(options) - set(chosen.options)):
        known = ", ".join(chosen.options) or "none"
        raise StatisticsError(f"selector {selector!r} has no option {unknown[0]!r}; it has {known}")
    settings = {**chosen.options, **({"seed": seed} if "seed" in chosen.options else {}), **options}
    stats = stats if emotions is None else of_emotions(stats, emotions)
    scope = stats.usual_scope if scope is None else scope
    rates = stats.rates(scope=scope, pooling=pooling, filter=filter, min_clips=min_clips)
    scores = chosen.score(rates, **settings)
    return take(
        scores,
        size,
        stats.origin,
        stats.emotions,
        per_layer=per_layer,
        selector=selector,
        parameters={
            "scope": scope,
            "pooling": pooling,
            "filter": filter,
            **settings,
            **({} if emotions is None else {"emotions": list(stats.emotions)}),
            **({"asking": dict(stats.asking)} if stats.asking else {}),
            "seen": stats.seen,
            "kept": stats.kept,
        },
    )


def take(
    scores: Scores,
    size: Size,
    origin: Origin,
    emotions: Sequence[str],
    *,
    per_layer: bool,
    selector: str,
    parameters: Mapping[str, Any],
) -> NeuronSet:
    """The shared step behind every selector: from scores to the neurons of highest score, with their labels."""
    members = cut(scores, size, origin.layers if per_layer else (slice(0, origin.n_gates),))
    rows = dict(enumerate(emotions))
    given = {name: value for name, value in vars(size).items() if value is not None}
    return NeuronSet.from_indices(
        origin,
        {emotion: np.flatnonzero(members[row]) for row, emotion in rows.items()},
        scores={emotion: scores.score[row, members[row]] for row, emotion in rows.items()},
        selector=selector,
        parameters={**given, "per_layer": per_layer, **parameters},
    )


def cut(scores: Scores, size: Size, blocks: tuple[slice, ...]) -> Bool[np.ndarray, "emotion gate"]:
    """Which gates are selected for which emotion; each block of gates is cut by itself."""
    members = np.zeros_like(scores.eligible)
    for block in blocks:
        score, eligible = scores.score[:, block], scores.eligible[:, block]
        most = size.most(score.shape[1])
        if scores.cut == "model":
            best = score.max(axis=0)
            selected = _first(best, best > -np.inf, most, size.threshold)
            members[:, block][:, selected] = eligible[:, selected]
        else:
            for row in range(len(score)):
                members[row, block][_first(score[row], eligible[row], most, size.threshold)] = True
    return members


def _first(
    score: Float64[np.ndarray, " gate"],
    eligible: Bool[np.ndarray, " gate"],
    most: int,
    threshold: float | None,
) -> Int64[np.ndarray, " selected"]:
    """The eligible gates of highest score; a stable sort breaks ties by flat index, so by (layer, neuron)."""
    candidates = np.flatnonzero(eligible & (score >= threshold) if threshold is not None else eligible)
    return candidates[np.argsort(-score[candidates], kind="stable")[:most]]
