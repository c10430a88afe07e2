"""Interchange patching: a set's gates are given the values that they had in another run."""

from collections.abc import Iterable

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
    edits: list[Edit] = []
    for layer, chosen in recorded_neurons(neurons).items():
        kept = donor.neurons.get(layer, np.zeros(0, np.int64))
        if not np.isin(chosen, kept).all():
            raise EditError(f"layer {layer}: the recording lacks neurons of the set; record them as well")
        columns = np.searchsorted(kept, chosen)
        edits.append(Edit(layer, chosen, gain=0.0, shift=donor.gates[layer][..., columns], positions=where))
    return edits
