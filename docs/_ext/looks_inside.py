"""Figures of looks into one clip, and of one neuron, for the gallery."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

if TYPE_CHECKING:
    from figures import World


def figure(name: str, world: "World") -> go.Figure:
    """One of them, by its name."""
    import esn_interp as esn
    from esn_interp.analysis import inside

    lm, labels = world.lm, world.neurons.emotions
    clip = world.validation.where(emotion="happy")[7]
    twin = world.validation.where(emotion="angry", speaker=clip.speaker, sentence=clip.sentence)[0]
    best = world.neurons["angry"].to_frame().nlargest(1, "score").iloc[0]
    place = (int(best.layer), int(best.neuron))
    looks: dict[str, Callable[[], Any]] = {
        "lens": lambda: inside.lens(lm, clip, labels),
        "direct": lambda: inside.direct_attribution(lm, clip, labels),
        "writes": lambda: inside.writes(lm, *place, labels),
        "attention": lambda: inside.attention_over_recording(lm, clip),
        "patching": lambda: inside.patching_map(lm, clip, twin, labels),
        "acoustics": lambda: inside.acoustics(lm, world.some.limit(20), *place),
        "neuron": lambda: esn.neuron(lm, world.statistics, *place, examples=0, limit=5),
    }
    if name == "gates":
        return lm.gates(twin).plot([place, (0, 3), (7, 40)], sound="spectrogram")
    return looks[name]().plot()
