"""What a dose can be: a gain, a number of neurons, the tokens where they are steered, or the layers they lie in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.edits import distinct_alphas, steer
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import select_alike
from esn_interp.neurons.statistics import GateStatistics

ALPHAS = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
THIRDS = ("early", "middle", "late")
SCOPES_TRIED = ("audio", "text", "last", "all")
"""Where edits can act while an answer is scored; ``all`` is every position."""

Bands = int | Sequence[tuple[int, int]]
"""A number of layer bands of like size, or the first and the last layer of each."""


@dataclass(frozen=True)
class Dose:
    """These neurons, their gates multiplied by ``1 + alpha`` at these positions.

    ``value`` is where the dose stands on its axis: the gain, the fraction of gates, or, where doses have no
    order, its number.
    """

    label: str
    value: float
    neurons: NeuronSet
    alpha: float
    positions: frozenset[str] = EVERYWHERE

    def edits(self, neurons: NeuronSet) -> list[Edit]:
        """The dose given to one emotion's neurons, or to the random ones in their place."""
        return steer(neurons, self.alpha, positions=self.positions)


@dataclass(frozen=True)
class DoseAxis:
    """Doses that differ in one thing, ``name``: ``alpha``, ``top``, ``scope`` or ``band``.

    ``alpha`` and ``top`` have more and less of something (``ordered``), so that a trend and a sigmoid mean
    something there; token scopes and layer bands have not.
    """

    name: str
    doses: tuple[Dose, ...]

    @property
    def ordered(self) -> bool:
        """Whether the doses are amounts."""
        return self.name in ("alpha", "top")

    @property
    def groups(self) -> list[list[int]]:
        """Positions of the doses that share their neurons: those can be tried on one hearing of a clip."""
        groups: dict[int, list[int]] = {}
        for at, dose in enumerate(self.doses):
            groups.setdefault(id(dose.neurons), []).append(at)
        return list(groups.values())


def dose_axis(
    esns: NeuronSet,
    *,
    alphas: Sequence[float] | None,
    tops: Sequence[float] | None,
    scopes: Sequence[str] | None,
    bands: Bands | None,
    alpha: float,
    stats: GateStatistics | None,
    positions: frozenset[str],
) -> DoseAxis:
    """The one axis that is given; gains by default.

    Raises
    ------
    EditError
        When several are given, or a dose is out of its range.
    StatisticsError
        See `over_tops`.
    """
    given = {"alphas": alphas, "tops": tops, "scopes": scopes, "bands": bands}
    named = [name for name, value in given.items() if value is not None]
    if len(named) > 1:
        raise EditError(f"doses differ in one thing at a time: give one of {', '.join(named)}")
    if not (np.isfinite(alpha) and alpha >= -1 and alpha != 0):
        raise EditError(f"alpha is a finite number from -1 upwards that changes something, not {alpha:g}")
    if tops is not None:
        return over_tops(esns, stats, tops, alpha, positions)
    if scopes is not None:
        if positions != EVERYWHERE:
            raise EditError("scopes say where edits act: leave positions out")
        return over_scopes(esns, scopes, alpha)
    if bands is not None:
        return over_bands(esns, bands, alpha, positions)
    return over_alphas(esns, ALPHAS if alphas is None else alphas, positions)


def over_alphas(esns: NeuronSet, alphas: Sequence[float], positions: Iterable[str] = EVERYWHERE) -> DoseAxis:
    """Gains, sorted and each once; from -1 (silenced) through 0 (no edit) upwards."""
    where = frozenset(positions)
    gains = distinct_alphas(alphas).tolist()
    return DoseAxis("alpha", tuple(Dose(f"{gain:g}", gain, esns, gain, where) for gain in gains))


def over_tops(
    esns: NeuronSet,
    stats: GateStatistics | None,
    tops: Sequence[float],
    alpha: float,
    positions: Iterable[str] = EVERYWHERE,
) -> DoseAxis:
    """Sets of several sizes: the fractions ``tops`` of all gates, selected as ``esns`` was.

    Raises
    ------
    StatisticsError
        Without statistics, with those of another model, without a size, with one outside (0, 1], or when the
        neurons were not made by a selector.
    """
    if stats is None:
        raise StatisticsError("sets of several sizes are selected from statistics: pass stats=")
    stats.check(esns.origin)
    fractions = np.unique(np.asarray(tops, dtype=np.float64)).tolist()
    if not fractions:
        raise StatisticsError("tops are one or more fractions of all gates in (0, 1], such as 0.01; got none")
    where = frozenset(positions)
    sets = [of_emotions(select_alike(stats, esns, top=top), esns.emotions) for top in fractions]
    return DoseAxis(
        "top",
        tuple(
            Dose(f"{100 * top:g} %", top, neurons, alpha, where)
            for top, neurons in zip(fractions, sets, strict=True)
        ),
    )


def over_scopes(esns: NeuronSet, scopes: Sequence[str], alpha: float) -> DoseAxis:
    """Token scopes: ``audio``, ``text``, ``last`` or ``all``, in the order given."""
    if not scopes or len(set(scopes)) != len(scopes) or not set(scopes) <= set(SCOPES_TRIED):
        given = ", ".join(scopes) or "none"
        raise EditError(f"scopes are some of {', '.join(SCOPES_TRIED)}, each once, not {given}")
    return DoseAxis(
        "scope",
        tuple(
            Dose(scope, at, esns, alpha, EVERYWHERE if scope == "all" else frozenset({scope}))
            for at, scope in enumerate(scopes)
        ),
    )


def over_bands(
    esns: NeuronSet, bands: Bands, alpha: float, positions: Iterable[str] = EVERYWHERE
) -> DoseAxis:
    """The part of the set that lies in each band of layers; ``bands=3`` is early, middle and late thirds."""
    layers = len(esns.widths)
    if isinstance(bands, int):
        if not 1 <= bands <= layers:
            raise EditError(f"{layers} layers make 1 to {layers} bands, not {bands}")
        edges = np.linspace(0, layers, bands + 1).round().astype(int).tolist()
        ranges = [(first, last - 1) for first, last in pairwise(edges)]
    else:
        ranges = list(bands)
    names = THIRDS if bands == len(THIRDS) else ("",) * len(ranges)
    for first, last in ranges:
        if not 0 <= first <= last < layers:
            raise EditError(f"band {first}-{last}: layers run from 0 to {layers - 1}, the first one first")
    if not ranges or len(set(ranges)) != len(ranges):
        raise EditError("bands are one or more ranges of layers, each once, such as 0-3")
    where = frozenset(positions)
    return DoseAxis(
        "band",
        tuple(
            Dose(f"{name} {first}–{last}".strip(), at, in_layers(esns, first, last), alpha, where)
            for at, (name, (first, last)) in enumerate(zip(names, ranges, strict=True))
        ),
    )


def in_layers(esns: NeuronSet, first: int, last: int) -> NeuronSet:
    """The members between two layers, both included."""
    return _members(esns, (esns.layer >= first) & (esns.layer <= last))


def of_emotions(esns: NeuronSet, emotions: Sequence[str]) -> NeuronSet:
    """The sets of these emotions, in this order.

    Raises
    ------
    StatisticsError
        When the set lacks one of them.
    """
    if missing := [emotion for emotion in emotions if emotion not in esns.emotions]:
        raise StatisticsError(
            f"no neurons were selected for {missing[0]}: there are {', '.join(esns.emotions)}"
        )
    row = {esns.emotions.index(emotion): at for at, emotion in enumerate(emotions)}
    kept = _members(esns, np.isin(esns.emotion, list(row)))
    renumbered = np.array([row[at] for at in kept.emotion.tolist()], dtype=np.int32)
    return replace(kept, emotions=tuple(emotions), emotion=renumbered)


def _members(esns: NeuronSet, which: np.ndarray) -> NeuronSet:
    columns = ("emotion", "layer", "expert", "neuron", "score")
    return replace(esns, **{name: getattr(esns, name)[which] for name in columns})
