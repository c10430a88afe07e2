"""Gates of one clip over its time: above the recording's outline, on one axis of seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from esn_interp.drawing.over_time import outline, over_time, spectrogram
from esn_interp.errors import ModelError
from esn_interp.models.gate_activations import GateActivations
from esn_interp.speech.audio import SAMPLE_RATE

MOST = 8
"""Lines that can still be told apart."""
SOUNDS = ("waveform", "spectrogram")
"""What can be drawn of the recording."""


def chosen(acts: GateActivations, neurons: Any) -> list[tuple[int, int]]:
    """Layer and number of the gates to be drawn: a neuron set's first, pairs, or those that vary most in the recording.

    Raises
    ------
    ModelError
        When there is no such gate.
    """
    if neurons is None:
        heard = acts.where("audio")
        spread = [layer[heard].std(axis=0) if heard.any() else layer.std(axis=0) for layer in acts.layers]
        best = [(float(one.max()), at, int(one.argmax())) for at, one in enumerate(spread)]
        return [(layer, neuron) for _, layer, neuron in sorted(best, reverse=True)[:4]]
    if hasattr(neurons, "in_layer"):
        order = np.argsort(-np.asarray(getattr(neurons, "score", np.zeros(len(neurons.layer)))), kind="stable")
        pairs = [(int(neurons.layer[at]), int(neurons.in_layer[at])) for at in order]
    else:
        pairs = [(int(layer), int(neuron)) for layer, neuron in neurons]
    for layer, neuron in pairs:
        if not (0 <= layer < len(acts) and 0 <= neuron < acts[layer].shape[1]):
            raise ModelError(f"no neuron {neuron} at layer {layer}; there are {len(acts)} layers")
    return list(dict.fromkeys(pairs))[:MOST]


def draw(
    acts: GateActivations, neurons: Sequence[tuple[int, int]] | Any = None, *, sound: str = "waveform"
) -> go.Figure:
    """Each gate's value at every token, above the recording; hover tells second, token and value."""
    if sound not in SOUNDS:
        raise ModelError(f"sound={sound!r}: choose {' or '.join(SOUNDS)}")
    pairs = chosen(acts, neurons)
    said = f"“{acts.transcript}”" if acts.transcript else "no transcript known"
    return over_time(
        outline(acts.waveform),
        acts.duration,
        {f"layer {layer}, neuron {neuron}": acts[layer][:, neuron] for layer, neuron in pairs},
        seconds=acts.seconds,
        scopes=acts.scopes,
        tokens=acts.tokens,
        title="Gates over the recording",
        subtitle=said,
        spectrum=spectrogram(acts.waveform, SAMPLE_RATE) if sound == "spectrogram" else None,
        height=300 if sound == "waveform" else 360,
    )
