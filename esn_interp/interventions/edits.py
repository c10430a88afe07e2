"""From neuron sets to edits: what silencing, steering and shifting neurons mean.

Each verb gives one `Edit` a layer, over the neurons of all emotions in the set, each neuron once; take
``esns["angry"]`` for one emotion's. With ``g`` a gate after its activation, every edit is
``max(floor, a * g + b)``. [ESN-SER] Zhao, Schuller, Sisman, arXiv 2601.03115; [ESN-EVC] arXiv 2603.17231.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.rates import Rates
from esn_interp.neurons.statistics import GateStatistics


def deactivate(neurons: NeuronSet, *, positions: Iterable[str] = EVERYWHERE) -> list[Edit]:
    """Silence: a = 0, b = 0. [ESN-SER]"""
    return _edits(neurons, positions, gain=0.0)


def steer(neurons: NeuronSet, alpha: float, *, positions: Iterable[str] = EVERYWHERE) -> list[Edit]:
    """Gain steering: a = 1 + alpha [ESN-SER, ESN-EVC]. Alpha above 0 amplifies, in [-1, 0) it damps.

    Raises
    ------
    EditError
        When alpha is below -1, which would turn the neurons around, or is not finite.
    """
    if not (np.isfinite(alpha) and alpha >= -1):
        raise EditError(
            f"alpha {alpha:g} is out of range: -1 silences, 0 changes nothing, more than 0 amplifies"
        )
    return _edits(neurons, positions, gain=1.0 + alpha)


def mean_ablate(
    neurons: NeuronSet,
    stats: GateStatistics,
    *,
    positions: Iterable[str] = EVERYWHERE,
    scope: str = "all",
    pooling: str = "clip",
) -> list[Edit]:
    """Write what a neuron does whatever the emotion: a = 0, b = unweighted mean over the emotions of mu.

    ``scope`` and ``pooling`` say what mu is a mean of, see `GateStatistics.rates`.
    """
    rates = _rates(neurons, stats, scope, pooling)
    return _edits(neurons, positions, gain=0.0, shift=rates.grand_mean)


def floor(
    neurons: NeuronSet,
    stats: GateStatistics,
    emotion: str,
    *,
    positions: Iterable[str] = EVERYWHERE,
    scope: str = "all",
    pooling: str = "clip",
) -> list[Edit]:
    """Floor steering: no neuron falls below mu of the target emotion. What is higher stays as it is."""
    rates = _rates(neurons, stats, scope, pooling)
    return _edits(neurons, positions, floor=rates.mean[rates.row(emotion)])


def shift(
    neurons: NeuronSet,
    stats: GateStatistics,
    emotion: str,
    beta: float,
    *,
    positions: Iterable[str] = EVERYWHERE,
    scope: str = "all",
    pooling: str = "clip",
) -> list[Edit]:
    """Additive steering: b = beta * (mu of the target emotion - unweighted mean over the emotions of mu).

    Raises
    ------
    EditError
        When beta is not finite.
    """
    if not np.isfinite(beta):
        raise EditError(f"beta is a finite number, not {beta}")
    rates = _rates(neurons, stats, scope, pooling)
    return _edits(neurons, positions, shift=beta * (rates.mean[rates.row(emotion)] - rates.grand_mean))


def _rates(neurons: NeuronSet, stats: GateStatistics, scope: str, pooling: str) -> Rates:
    stats.check(neurons.origin)
    return stats.rates(scope=scope, pooling=pooling)


def _edits(
    neurons: NeuronSet,
    positions: Iterable[str],
    *,
    gain: float = 1.0,
    shift: float | Float64[np.ndarray, " gate"] = 0.0,
    floor: Float64[np.ndarray, " gate"] | None = None,
) -> list[Edit]:
    """One edit a layer; arrays hold a value for every gate of the model (flat index)."""
    if not len(neurons):
        raise EditError(f"no neuron to edit: the set of {', '.join(neurons.emotions)} is empty")
    index, where = neurons.indices(), frozenset(positions)
    layer, neuron = neurons.origin.locate(index)
    edits: list[Edit] = []
    for at in np.unique(layer).tolist():
        here = index[layer == at]
        edits.append(
            Edit(
                at,
                neuron[layer == at],
                gain=gain,
                shift=shift[here] if isinstance(shift, np.ndarray) else shift,
                floor=None if floor is None else floor[here],
                positions=where,
            )
        )
    return edits
