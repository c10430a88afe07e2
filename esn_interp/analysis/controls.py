"""The neurons that an effect is compared with: random ones, drawn in two ways, and those that always fire."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics

NO_CONTROL = "no random control was drawn"

RANDOM, DECILE, LAP = "random", "decile", "lap"


class Control(NamedTuple):
    """What a control is called in a sentence, and what it has in common with the neurons compared with it."""

    title: str
    matched: tuple[str, ...]


CONTROLS = {
    RANDOM: Control("random neurons of the same layers", ("layer",)),
    DECILE: Control("random neurons of the same layers and activity", ("layer", "decile of mean abs(g)")),
    LAP: Control("the neurons that fire most", ("number of neurons",)),
}


def parse_controls(
    controls: str | Iterable[str], stats: GateStatistics | None
) -> tuple[str | None, tuple[str, ...]]:
    """The way in which random sets are drawn (None: not at all), and the controls that are not drawn.

    Raises
    ------
    StatisticsError
        On an unknown control, two ways of drawing, or a control that needs statistics and has none.
    """
    names = tuple(dict.fromkeys([controls] if isinstance(controls, str) else controls))
    if unknown := [name for name in names if name not in CONTROLS]:
        raise StatisticsError(f"unknown control {unknown[0]!r}; choose from {', '.join(CONTROLS)}")
    drawn = [name for name in names if name in (RANDOM, DECILE)]
    if len(drawn) > 1:
        raise StatisticsError(
            "random neurons are drawn in one way: choose random (same layers) or decile (same activity too)"
        )
    if stats is None and (needing := [name for name in names if name != RANDOM]):
        raise StatisticsError(
            f"the control {needing[0]!r} needs the statistics that say how active neurons are: pass stats="
            " (esn: --stats)"
        )
    return (drawn[0] if drawn else None), tuple(name for name in names if name not in drawn)


def random_sets(
    esns: NeuronSet, draws: int, *, seed: int, matched_on: GateStatistics | None = None
) -> tuple[list[NeuronSet], str]:
    """Random neurons of the same layers, drawn so often; or none, and why there is no control.

    That is so where the sets leave too few neurons to draw from. ``matched_on`` are statistics by which they match
    the deciles of activity too, see `NeuronSet.random_like`.
    """
    if matched_on is not None:
        matched_on.check(esns.origin)
    states = np.random.SeedSequence(seed).generate_state(draws).tolist() if draws else []
    try:
        return [esns.random_like(state, statistics=matched_on) for state in states], "" if draws else NO_CONTROL
    except StatisticsError as error:
        return [], f"no random control: {error}"


def always_on(stats: GateStatistics, like: NeuronSet) -> NeuronSet:
    """The neurons that fire most on each emotion's clips, as many as ``like`` has for it.

    Firing frequency is the selector `lap` [ESN-SER], here over all positions and all clips, whether labelled
    correctly or not. What fires most is mostly what always fires: such neurons are busy, yet say nothing of
    the emotion.

    Raises
    ------
    StatisticsError
        When the statistics are of another model, or lack an emotion or its clips.
    """
    stats.check(like.origin)
    rates = stats.rates(scope="all", filter="none")
    frequency = {emotion: rates.frequency[rates.row(emotion)] for emotion in like.emotions}
    chosen = {
        emotion: np.argsort(-values, kind="stable")[: len(like.indices(emotion))]
        for emotion, values in frequency.items()
    }
    return NeuronSet.from_indices(
        stats.origin,
        chosen,
        scores={emotion: frequency[emotion][index] for emotion, index in chosen.items()},
        selector="lap",
        parameters={"like": like.selector, "filter": "none", "scope": "all", "pooling": "clip"},
    )
