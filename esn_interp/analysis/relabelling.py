"""The null of analyses that edit neurons: what the same selection would have done, had the labels said nothing."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.relabelling import Relabelled, relabelled_sets, why_no_null
from esn_interp.neurons.statistics import GateStatistics

OF_EFFECTS, OF_SETS = 20, 99
"""Permutations where each is run through a model, and where sets alone are compared."""


class Null(NamedTuple):
    """Sets selected by permuted labels, and what a reader must know of them: why there are none, where that is so."""

    relabelled: Relabelled | None
    notes: tuple[str, ...]

    @property
    def sets(self) -> tuple[NeuronSet, ...]:
        """One set a permutation."""
        return () if self.relabelled is None else self.relabelled.sets

    @property
    def about(self) -> Mapping[str, Any]:
        """How labels were permuted, as `SelectionNull` keeps it."""
        return {} if self.relabelled is None else self.relabelled.about


def permuted_selection(
    stats: GateStatistics | None, esns: NeuronSet, *, relabellings: int | None, seed: int, default: int = OF_EFFECTS
) -> Null:
    """The sets that the selection of ``esns`` gives from permuted labels.

    Where it can't be done and ``relabellings`` is None, there are none and a note says why; where a number was asked
    for, that is an error. With 0 there are none, without a word.

    Raises
    ------
    StatisticsError
        When they are asked for and can't be made, or their number is below 0.
    """
    if relabellings == 0:
        return Null(None, ())
    why = why_no_null(stats, esns)
    if why and relabellings is not None:
        raise StatisticsError(why)
    if why or stats is None:
        return Null(None, (why,))
    found = relabelled_sets(stats, esns, permutations=default if relabellings is None else relabellings, seed=seed)
    return Null(found, () if found.note is None else (found.note,))
