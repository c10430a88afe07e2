"""Random sets of neurons in a small network."""

import numpy as np
from made_up_gates import heard_clips, statistics_of

from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.origin import Origin
from esn_interp.neurons.statistics import GateStatistics

WIDTHS = (120, 80, 100)


def where(corpus: str = "a", **changes) -> Origin:
    fields = {"model": "m", "fingerprint": "f", "component": "c", "widths": WIDTHS}
    return Origin(**fields | changes, corpus=corpus, corpus_fingerprint=corpus)


def random_set(seed: int, per_layer: tuple[int, ...], emotions=("angry", "sad"), **origin) -> NeuronSet:
    """As many neurons in every layer, drawn independently for every emotion."""
    rng, home = np.random.default_rng(seed), where(**origin)
    return NeuronSet.from_indices(
        home,
        {
            emotion: np.concatenate(
                [
                    layer.start + rng.choice(layer.stop - layer.start, size=n, replace=False)
                    for layer, n in zip(home.layers, per_layer, strict=True)
                ]
            )
            for emotion in emotions
        },
    )


A = random_set(0, (30, 6, 4), corpus="studio")


B = random_set(1, (28, 5, 9), corpus="phone")


def statistics(part: int = 0) -> GateStatistics:
    clips = [clip for clip in heard_clips(120, widths=(30, 20)) if clip.kept][part::2]
    stats = statistics_of(
        clips, per_clip=True, widths=(30, 20), corpus=f"corpus-{part}", fingerprint=f"f{part}"
    )
    object.__setattr__(stats.per_clip, "speakers", tuple(f"s{n % 3}" for n in range(len(clips))))
    return stats
