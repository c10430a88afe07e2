"""What editing one neuron by itself does to the answers, beside other neurons of its layer."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inference.significance import SpeakerMeans
from esn_interp.analysis.neuron.result import Effect
from esn_interp.models.audio_lm import AudioLM
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import Recognition

_TOGETHER = 16


def effect_of(
    lm: AudioLM,
    stats: GateStatistics,
    clips: Clips,
    layer: int,
    neuron: int,
    *,
    gains: Sequence[float],
    controls: int,
    seed: int,
) -> Effect:
    """The changes of all log-odds when one gate is multiplied by 0 and by these gains, and when others are."""
    recognition = Recognition(stats.emotions)
    asked = np.array([0.0, *gains])
    others = like(stats, layer, neuron, controls, seed=seed)
    edited = [neuron, *others]
    conditions = [[], *([Edit(layer, np.array([one]), gain=float(gain))] for one in edited for gain in asked)]
    odds: list[np.ndarray] = []
    answers: list[np.ndarray] = []
    for start in range(0, len(clips), _TOGETHER):
        some = clips[start : start + _TOGETHER]
        encoded = lm.encode([clip.waveform() for clip in some], recognition.prompt)
        scores = lm.sweep(encoded, recognition.labels, conditions).log_probs
        scores = np.stack([recognition.by_emotion(one) for one in scores])
        targets = range(len(stats.emotions))
        odds.append(np.stack([log_odds(scores, np.full(len(some), target)) for target in targets], axis=1))
        answers.append(scores.argmax(axis=2))
    together, answered = np.concatenate(odds, axis=2), np.concatenate(answers, axis=1)
    # condition: neuron by gain, own first
    change = (together[1:] - together[0]).reshape(len(edited), len(asked), len(stats.emotions), len(clips))
    speakers = tuple(clip.speaker or "unknown" for clip in clips)
    own = SpeakerMeans.over_clips(change[0], np.ones(len(clips), dtype=bool), speakers)
    low, high = own.bounds()
    return Effect(
        gains=asked,
        change=_double(own.value),
        low=_double(low),
        high=_double(high),
        flipped=(answered[1 : 1 + len(asked)] != answered[0]).mean(axis=1),
        control_neurons=np.array(others, dtype=np.int64),
        controls=_double(change[1:].mean(axis=3)),
        clips=len(clips),
    )


def like(stats: GateStatistics, layer: int, neuron: int, count: int, *, seed: int) -> list[int]:
    """Other neurons of the layer that are about as active, each once."""
    flat = np.array([int(stats.origin.offsets[layer]) + neuron])
    one = NeuronSet.from_indices(stats.origin, {"one": flat})
    found: dict[int, None] = {}
    for draw in range(20 * count):
        if len(found) < count:
            found[int(one.random_like(seed + draw, statistics=stats).in_layer[0])] = None
    return list(found)


def _double(values: object) -> Float64[np.ndarray, "..."]:
    return np.asarray(values, dtype=np.float64)
