"""Pages about the strongest neurons of each emotion, for the map of a report to lead to."""

import warnings
from typing import Any

import numpy as np

from esn_interp.analysis.neuron.measure import neuron
from esn_interp.analysis.neuron.result import NeuronPages
from esn_interp.errors import StatisticsError
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.sites import GATE
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.collection import CollectWarning, collect


def strongest_pages(
    lm: AudioLM, clips: Clips, esns: NeuronSet, *, most: int = 1, limit: int = 25, seed: int = 0
) -> NeuronPages:
    """All that is known of the neurons with the highest scores, ``most`` of each emotion.

    Parameters
    ----------
    clips
        What is heard on the pages; ``limit`` of them, balanced over the emotions.

    Raises
    ------
    StatisticsError
        When the neurons are another model's, or of another site than the gate.
    """
    esns.check(lm)
    if esns.site != GATE:
        raise StatisticsError(f"pages are of the site gate; these neurons are of {esns.site}")
    some = clips.limit(limit, seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollectWarning)  # few clips are what pages are made from
        stats = collect(lm, some, per_clip=True, progress=False, seed=seed)
    places = dict.fromkeys(place for emotion in esns.emotions for place in strongest(esns[emotion], most))
    how: dict[str, Any] = {"examples": 2, "controls": 3, "limit": limit, "seed": seed}
    return NeuronPages(
        tuple(neuron(lm, stats, *place, clips=some, sets={esns.selector: esns}, **how) for place in places)
    )


def strongest(esns: NeuronSet, most: int) -> list[tuple[int, int]]:
    """Layer and number of the members with the highest scores; of equals, the first."""
    order = np.argsort(-esns.score, kind="stable")[:most]
    return [(int(esns.layer[at]), int(esns.in_layer[at])) for at in order]
