"""From neuron sets to edits: what silencing, steering and shifting neurons mean.

Each verb gives one `Edit` a layer, over the neurons of all emotions in the set, each neuron once; take
``esns["angry"]`` for one emotion's. With ``g`` a gate after its activation, every edit is
``max(floor, a * g + b)``. Where no label is known, `two_pass`, `mix` and `union` steer towards what is there, see
`esn_interp.interventions.injection`. [ESN-SER] Zhao, Schuller, Sisman, arXiv 2601.03115; [ESN-EVC] arXiv 2603.17231.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Float64

from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.injection import clip_gains, edits_of, two_pass_weights
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.models.sites import SITES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.rates import Rates
from esn_interp.neurons.resampling import require_single_clips
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


def distinct_alphas(alphas: Sequence[float]) -> Float64[np.ndarray, " alpha"]:
    """Gains to be tried, sorted and each once.

    Raises
    ------
    EditError
        When there is none, one is below -1 or not finite, or all are 0, which changes nothing.
    """
    distinct = np.unique(np.asarray(alphas, dtype=np.float64))
    if not len(distinct) or not np.isfinite(distinct).all() or distinct[0] < -1:
        given = ", ".join(f"{alpha:g}" for alpha in alphas) or "none"
        raise EditError(f"alphas are one or more finite numbers from -1 upwards, not {given}")
    if not distinct.any():
        raise EditError("alpha 0 changes nothing: gates are multiplied by 1 + alpha; give another beside it, such as 1")
    return distinct


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


def resample_ablate(
    neurons: NeuronSet, stats: GateStatistics, donor: str, *, positions: Iterable[str] = EVERYWHERE
) -> list[Edit]:
    """Write what the neurons did on another clip: a = 0, b = the donor's mean gate. (Details our choice.)

    Spans of two clips differ in length, so each scope gets the donor's mean over that scope; generated tokens
    get what the donor had at its last position, where the answer begins.

    Parameters
    ----------
    stats
        Statistics that keep per-clip values.
    donor
        Id of a clip in them.

    Raises
    ------
    StatisticsError
        When the statistics keep no per-clip values, have no such clip, or are of another model.
    """
    stats.check(neurons.origin)
    clips = require_single_clips(stats)
    if donor not in clips.ids:
        raise StatisticsError(f"no clip {donor!r} in the statistics of {stats.corpus}")
    row, where = clips.ids.index(donor), frozenset(positions)
    edits: list[Edit] = []
    for scope in stats.scopes:
        acting = where & ({scope, "generated"} if scope == "last" else {scope})
        if acting:
            mean = clips.sums[f"{scope}/sum"][row] / clips.tokens[scope][row]
            edits += _edits(neurons, acting, gain=0.0, shift=mean)
    return edits


def at_random(edits: Iterable[Edit], widths: Sequence[int], *, seed: int) -> list[Edit]:
    """The same edits on random neurons of the same layers: the control for edits of any kind.

    In every layer as many other neurons as the edits name there are drawn without replacement from those that
    they do not name. Edits of the same neuron go to the same other neuron.

    Raises
    ------
    StatisticsError
        When the edits name more than half of a layer, so that there are not enough others to draw.
    EditError
        When an edit is of the stream, or along a direction: there is no other neuron to take its place.
    """
    edits = list(edits)
    if any(edit.along is not None or not SITES[edit.site].neurons for edit in edits):
        raise EditError("a random control is of neurons; edits of the stream or along a direction have none")
    edits, rng = list(edits), np.random.default_rng(seed)
    moved: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for layer in sorted({edit.layer for edit in edits}):
        named = np.unique(np.concatenate([edit.neurons for edit in edits if edit.layer == layer]))
        others = np.setdiff1d(np.arange(widths[layer]), named)
        if len(named) > len(others):
            raise StatisticsError(
                f"layer {layer}: the edits name {len(named)} of {widths[layer]} neurons, too many for a random"
                " control that avoids them; edit fewer"
            )
        moved[layer] = named, rng.choice(others, size=len(named), replace=False)

    def other(edit: Edit) -> np.ndarray:
        named, drawn = moved[edit.layer]
        return drawn[np.searchsorted(named, edit.neurons)]

    return [replace(edit, neurons=other(edit)) for edit in edits]


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


def two_pass(
    neurons: NeuronSet,
    probabilities: Float[np.ndarray, "clip emotion"],
    alpha: float | int,
    *,
    emotions: Sequence[str] | None = None,
    positions: Iterable[str] = EVERYWHERE,
) -> list[Edit]:
    """Steer each clip of a batch with the neurons of the emotion that pass 1 predicts for it.

    Parameters
    ----------
    probabilities
        What pass 1 says of each clip of the batch.
    emotions
        What its columns stand for; those of the neurons by default. A clip that is predicted to have an
        emotion without neurons is left as it is.

    Raises
    ------
    EditError
        When alpha is below -1 or not finite, or the probabilities are none.
    """
    weights = two_pass_weights(probabilities)
    return edits_of(clip_gains(neurons, weights, alpha, emotions=emotions), neurons.origin, positions)


def mix(
    neurons: NeuronSet,
    probabilities: Float[np.ndarray, "clip emotion"],
    alpha: float | int,
    *,
    emotions: Sequence[str] | None = None,
    positions: Iterable[str] = EVERYWHERE,
) -> list[Edit]:
    """Steer each clip of a batch with all neurons, each as far as pass 1 believes in its emotion.

    See `two_pass` for the parameters.
    """
    return edits_of(clip_gains(neurons, probabilities, alpha, emotions=emotions), neurons.origin, positions)


def union(neurons: NeuronSet, alpha: float | int, *, positions: Iterable[str] = EVERYWHERE) -> list[Edit]:
    """Steer every clip with the neurons of all emotions alike, each neuron once."""
    return steer(neurons, alpha, positions=positions)


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
                whose=neurons.origin,
                site=neurons.site,
            )
        )
    return edits
