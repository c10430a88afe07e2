"""Interchange patching: a set's gates are given the values that they had in another run."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from esn_interp.errors import EditError
from esn_interp.models.edits import EVERYWHERE, Edit
from esn_interp.models.recording import PROMPT_SCOPES, Recording
from esn_interp.neurons.neuron_set import NeuronSet


def recorded_neurons(*sets: NeuronSet) -> dict[int, np.ndarray]:
    """The neurons of several sets by layer, each once: what a `Recorder` is asked to keep for them."""
    layers = np.concatenate([one.layer for one in sets])
    neurons = np.concatenate([one.in_layer for one in sets]).astype(np.int64)
    return {layer: np.unique(neurons[layers == layer]) for layer in np.unique(layers).tolist()}


def patch(neurons: NeuronSet, donor: Recording, *, positions: Iterable[str] = EVERYWHERE) -> list[Edit]:
    """Patch: a = 0, b = the gates of another run, one edit a layer; generated tokens stay as they are.

    Parameters
    ----------
    donor
        The other run's gates, seated on the tokens of the run to be patched: see `Recording.seated`.

    Raises
    ------
    EditError
        When the set is empty, or the recording lacks some of its neurons.
    """
    if not len(neurons):
        raise EditError(f"no neuron to patch: the set of {', '.join(neurons.emotions)} is empty")
    where = frozenset(positions) & frozenset(PROMPT_SCOPES)
    common: Any = {"gain": 0.0, "positions": where, "whose": neurons.origin, "site": neurons.site}
    chosen = donor.of(recorded_neurons(neurons))
    return [
        Edit(layer, index, shift=chosen.gates[layer], **common)
        for layer, index in chosen.neurons.items()
    ]
