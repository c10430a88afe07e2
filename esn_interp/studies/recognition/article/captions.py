"""Two sentences under each figure: how to read it, and what it shows here, from the numbers of the study."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from esn_interp.drawing.numbers import count, listed, percent, points
from esn_interp.neurons.neuron_set import NeuronSet


def captions(study: Mapping[str, Any], neurons: NeuronSet) -> dict[str, dict[str, str]]:
    """Captions of the neuron map, the ablation matrix and the dose-response curve."""
    return {
        "map": {
            "read": "Each band is a decoder layer, the last before the answer on top; each mark is a "
            "selected neuron at its place in the layer, in the colour of its emotion. The numbers on the "
            "right count them: the darker, the more of an emotion’s neurons lie in that layer.",
            "shows": _map(study, neurons),
        },
        "ablation": {
            "read": "Each row silences the neurons of one emotion, each column is the recall of one "
            "emotion: a loss on the outlined diagonal and nothing elsewhere means that the neurons belong "
            "to their emotion. Below it stands the same for random neurons of the same layers, which "
            "should change nothing.",
            "shows": _ablation(study),
        },
        "dose": {
            "read": "Further to the right, the neurons of the target emotion are turned up further. Above, "
            "the height is the share of clips of other emotions that are then heard as the target, with "
            "random neurons of the same layers as the control; below, the share of the target’s own clips.",
            "shows": _dose(study),
        },
    }


def _map(study: Mapping[str, Any], neurons: NeuronSet) -> str:
    per_layer = np.asarray(neurons.counts()).sum(axis=0)
    widths = np.asarray(study["model"]["widths"], dtype=float)
    share, even = per_layer / per_layer.sum(), widths / widths.sum()
    layer = int(np.argmax(share - even))
    indices = np.concatenate([np.unique(neurons.indices(emotion)) for emotion in neurons.emotions])
    _, times = np.unique(indices, return_counts=True)
    shared = int((times > 1).sum())
    if share[layer] - even[layer] > 0.5 * even[layer]:
        spread = (
            f"Layer {layer} holds {percent(float(share[layer]))} of them, where an even spread would give "
            f"{percent(float(even[layer]))}."
        )
    else:
        spread = (
            f"They are spread almost evenly: no layer holds more than {percent(float(share.max()))} of them, "
            f"against {percent(float(even.max()))} if they fell anywhere."
        )
    between = (
        f"{count(shared, 'neuron')} of {len(times):,} {'serves' if shared == 1 else 'serve'} more than one "
        "emotion."
        if shared
        else "No neuron serves two emotions."
    )
    return f"{spread} {between}"


def _ablation(study: Mapping[str, Any]) -> str:
    rows = study["ablation"]["emotions"]
    worst = min(rows, key=lambda row: row["self"])
    least = max(rows, key=lambda row: row["self"])
    hit = [row["emotion"] for row in rows if row["self_high"] is not None and row["self_high"] < 0]
    if len(hit) == len(rows):
        which = (
            "Every emotion loses recall with its own neurons silenced, beyond differences between speakers"
        )
    elif hit:
        loses = "loses" if len(hit) == 1 else "lose"
        which = f"{listed(hit).capitalize()} {loses} recall beyond differences between speakers"
    else:
        which = "No emotion loses recall beyond differences between speakers"
    elsewhere = f"Elsewhere the largest loss is {points(study['ablation']['largest_cross_loss'])}."
    if points(worst["self"]) == points(least["self"]):
        return f"{which}: each changes by {points(worst['self'])}. {elsewhere}"
    return (
        f"{which}: most for {worst['emotion']} ({points(worst['self'])}), least for {least['emotion']} "
        f"({points(least['self'])}). {elsewhere}"
    )


def _dose(study: Mapping[str, Any]) -> str:
    steering, alpha = study["steering"], study["settings"]["alpha"]
    at = steering["alphas"].index(alpha)
    flips = {emotion: rates[at] for emotion, rates in steering["flip"].items()}
    easiest, hardest = max(flips, key=lambda e: flips[e]), min(flips, key=lambda e: flips[e])
    low, high = percent(flips[hardest]), percent(flips[easiest])
    runs = (
        f"is {low} for every emotion" if low == high else f"runs from {low} ({hardest}) to {high} ({easiest})"
    )
    return (
        f"At α = {alpha:g} the share {runs}. With random neurons it is "
        f"{percent(study['summary']['steer_random_flip_rate'])} at most, averaged over the emotions, "
        "whatever the gain."
    )
