"""Label-agnostic injection: steering towards what is there, when the clip's label is not known.

[ESN-SER] names the three ways; the details are our choice. All of them are the gain
``1 + alpha * min(1, sum over e of w[e] * [n in set e])`` of a neuron ``n``, and differ in the weights ``w`` that
a first, unedited pass gives each emotion:

- `two_pass`: 1 for the emotion that the first pass predicts, 0 for the others;
- `mix`: the probabilities of the first pass;
- `union`: 1 for every emotion, so that it needs no first pass; a neuron in several sets counts once.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64

from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin

METHODS = ("two_pass", "mix", "union")


def two_pass_weights(probabilities: Float[np.ndarray, "clip emotion"]) -> Float64[np.ndarray, "clip emotion"]:
    """1 for the most probable emotion of each clip (among equals, the first), 0 for the others."""
    return np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]


def clip_gains(
    neurons: NeuronSet,
    weights: Float[np.ndarray, "clip emotion"],
    alpha: float | int,
    *,
    emotions: Sequence[str] | None = None,
) -> Float32[np.ndarray, "clip gate"]:
    """The gain of every gate of the model (flat index) for every clip.

    Raises
    ------
    EditError
        When alpha is below -1 or not finite, or weights are outside [0, 1].
    """
    columns = tuple(neurons.emotions if emotions is None else emotions)
    if weights.ndim != 2 or weights.shape[1] != len(columns):
        raise EditError(f"weights {weights.shape} are not clips by the {len(columns)} emotions")
    # Probabilities come from exponentials, which may overshoot 1 by rounding.
    if not ((weights >= 0) & (weights <= 1 + 1e-4)).all():
        raise EditError("weights of emotions are numbers from 0 to 1, such as probabilities")
    if not (np.isfinite(alpha) and alpha >= -1):
        raise EditError(f"alpha is a finite number from -1 upwards, not {alpha:g}")
    members = np.zeros((len(columns), neurons.n_gates), dtype=np.float32)
    for row, emotion in enumerate(columns):
        if emotion in neurons.emotions:
            members[row, neurons.indices(emotion)] = 1.0
    return 1.0 + np.float32(alpha) * np.minimum(weights.astype(np.float32) @ members, np.float32(1.0))


def edits_of(
    gains: Float32[np.ndarray, "clip gate"], origin: Origin, positions: Iterable[str] = EVERYWHERE
) -> list[Edit]:
    """One edit for every layer in which some gate of some clip changes; none when nothing does."""
    where, edits = frozenset(positions), list[Edit]()
    for layer, columns in enumerate(origin.layers):
        here = gains[:, columns]
        changed = np.flatnonzero((here != 1).any(axis=0))
        if len(changed):
            edits.append(Edit(layer, changed, gain=here[:, changed], positions=where, whose=origin, site=origin.site))
    return edits
