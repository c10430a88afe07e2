"""How statistics and neuron sets show themselves: a line of text, and in a notebook a small table."""

from typing import TYPE_CHECKING

from esn_interp.drawing.notebook import sentence, table
from esn_interp.drawing.numbers import count, percent

if TYPE_CHECKING:
    from esn_interp.neurons.neuron_set import NeuronSet
    from esn_interp.neurons.statistics import GateStatistics


def statistics_line(statistics: "GateStatistics") -> str:
    """Statistics as a line of text."""
    clips = ", ".join(f"{emotion} {statistics.kept[emotion]} of {n}" for emotion, n in statistics.seen.items())
    gates = f"{statistics.n_gates:,} gates"
    return f"GateStatistics({statistics.model} on {statistics.corpus}: {clips} clips kept; {gates})"


def statistics_table(statistics: "GateStatistics") -> str:
    """Statistics in a notebook: a row for each emotion."""
    seen = statistics.seen
    told = (
        f"{statistics.model} on {statistics.corpus}: {count(statistics.n_gates, 'gate')} over"
        f" {count(sum(seen.values()), 'clip')},"
        f" of which {sum(statistics.kept.values()):,} are {statistics.success}."
    )
    rows = [
        (emotion, f"{statistics.kept[emotion]:,}", f"{n:,}", percent(statistics.kept[emotion] / n if n else None))
        for emotion, n in seen.items()
    ]
    skipped = f"{count(len(statistics.skipped), 'clip')} could not be used." if statistics.skipped else ""
    return sentence(told) + table(("emotion", "kept", "seen", "share"), rows) + sentence(skipped)


def neurons_line(neurons: "NeuronSet") -> str:
    """A neuron set as a line of text."""
    sizes = zip(neurons.emotions, neurons.counts().sum(axis=1), strict=True)
    members = ", ".join(f"{emotion} {n}" for emotion, n in sizes)
    return f"NeuronSet({neurons.selector}, {neurons.model} on {neurons.corpus}: {members} of {neurons.n_gates:,} gates)"


def neurons_table(neurons: "NeuronSet") -> str:
    """A neuron set in a notebook: a row for each emotion."""
    told = (
        f"{count(len(neurons.indices()), 'neuron')} of {neurons.n_gates:,} gates of {neurons.model}, selected by"
        f" {neurons.selector} on {neurons.corpus}."
    )
    rows = [_row(neurons, emotion) for emotion in neurons.emotions]
    return sentence(told) + table(("emotion", "neurons", "of all gates", "most in", "strongest"), rows)


def _row(neurons: "NeuronSet", emotion: str) -> tuple[str, ...]:
    """An emotion, how many neurons it has, the layer that holds most, and the one with the highest score."""
    one = neurons[emotion]
    if not len(one):
        return emotion, "0", "–", "–", "–"
    best = int(one.score.argmax())
    layer = int(one.counts()[0].argmax())
    strongest = f"layer {one.layer[best]}, neuron {one.neuron[best]}"
    return emotion, f"{len(one):,}", f"{len(one) / neurons.n_gates:.2%}", f"layer {layer}", strongest
