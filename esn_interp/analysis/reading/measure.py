"""Selecting neurons while the model reads, comparing them with heard ones, and silencing each where the other works."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.analysis.inference.log_odds import log_odds
from esn_interp.analysis.inference.significance import Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.overlap.pair import Side, jaccard, pair_overlap
from esn_interp.analysis.reading.result import HEARD, NAMED, READ, Reading, Silenced
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.models.edits import Edit
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.controls import draw_like
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import require_single_clips
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import waveform
from esn_interp.tasks.listener import longest_clip
from esn_interp.tasks.reading import ReadingModel, Written, expressed, named, read
from esn_interp.tasks.recognition import Recognition


def reading(
    lm: Any,
    clips: Clips,
    esns: NeuronSet,
    *,
    sentences: Sequence[Written] | None = None,
    permutations: int = 199,
    silencing: bool = True,
    batch_size: int = 8,
    seed: int = 0,
) -> Reading:
    """Compare neurons of heard emotions with those of the same emotions on paper.

    The model is asked the question that it is asked about clips, with a sentence in the place of the clip. Neurons are
    selected from its gates as ``esns`` were from those of clips, only without the success filter: models that hear an
    emotion may not be able to answer the question about a text. Then each set is silenced while the model does the
    other thing, and while it does its own.

    Parameters
    ----------
    clips
        On which silencing is tried: speakers on whom ``esns`` were not found.
    esns
        Neurons found while the model heard, by `select`.
    sentences
        One of every emotion for each topic; by default forty of ours, in English, in five emotions.
    permutations
        How often the sentences' labels are permuted, within topics.
    silencing
        Whether to silence neurons, which takes most of the time.

    Raises
    ------
    StatisticsError
        When the neurons are another model's or not made by one selector, or the sentences lack some of their emotions.
    ModelError
        When the model can't be asked about a text.
    """
    if not isinstance(lm, ReadingModel):
        raise StatisticsError("this model can't be asked about a text")
    esns.check(lm)
    kinds = {READ: tuple(sentences) if sentences is not None else expressed()}
    if sentences is None:
        kinds[NAMED] = named()
    emotions = tuple(one for one in esns.emotions if one in {written.emotion for written in kinds[READ]})
    if len(emotions) < 2:
        raise StatisticsError(f"the sentences have fewer than two of the emotions {', '.join(esns.emotions)}")
    notes = [f"no sentences for {one}: left out" for one in esns.emotions if one not in emotions]
    heard = _of(esns, emotions)
    kinds = {kind: tuple(one for one in some if one.emotion in emotions) for kind, some in kinds.items()}
    pairs, sets, right, differences, drawn = [], dict[str, NeuronSet](), [], [], []
    for kind, some in kinds.items():
        stats, scores = read(lm, some, emotions, corpus=kind, batch_size=batch_size)
        sets[kind] = select_while_reading(stats, esns)
        pair = pair_overlap(Side.of(HEARD, heard, None), Side.of(kind, sets[kind], None))
        pairs.append(pair)
        truth = np.array([emotions.index(one.emotion) for one in some])
        answered = scores.argmax(axis=1) == truth
        right.append([answered[truth == at].mean() for at in range(len(emotions))])
        differences.append(_difference(pair.jaccard))
        null = relabelled(stats, esns, permutations=permutations, seed=seed)
        drawn.append([_difference(jaccard(heard, one)) for one in null])
    effects: list[Silenced] = []
    if silencing:
        pair_of_sets = {HEARD: heard, READ: sets[READ]}
        ours = clips.choose(emotions)
        effects += _silenced(lm, "hearing", _heard(lm, ours, emotions, batch_size), pair_of_sets, seed)
        effects += _silenced(lm, "reading", _read(lm, kinds[READ], emotions, batch_size), pair_of_sets, seed)
    return Reading(
        model=lm.name,
        fingerprint=lm.fingerprint,
        corpus=esns.corpus,
        emotions=emotions,
        selector=esns.selector,
        size=round(len(heard) / len(emotions)),
        sentences=len(kinds[READ]),
        topics=len({one.topic for one in kinds[READ]}),
        clips=len(clips) if silencing else 0,
        seed=seed,
        pairs=tuple(pairs),
        right=np.array(right, dtype=np.float64),
        difference=np.array(differences),
        drawn=np.array(drawn, dtype=np.float64),
        p_values=(1 + (np.array(drawn) >= np.array(differences)[:, None] - 1e-12).sum(axis=1)) / (1 + permutations),
        places=_places(heard, sets),
        effects=tuple(effects),
        notes=tuple(notes),
    )


def select_while_reading(stats: GateStatistics, esns: NeuronSet) -> NeuronSet:
    """What the selection of ``esns`` finds in statistics of sentences, whether they were answered right or not."""
    if esns.selector not in SELECTORS:
        raise StatisticsError(
            f"the neurons of {esns.corpus} were made by {esns.selector!r}, not by one selector, so none can be selected"
            " alike while the model reads"
        )
    told = {name: value for name, value in esns.parameters.items() if name not in ("seen", "kept", "filter")}
    return select(stats, esns.selector, **told, filter="none")


def relabelled(
    stats: GateStatistics, esns: NeuronSet, *, permutations: int, seed: int
) -> Iterator[NeuronSet]:
    """What is selected when the labels of the sentences are exchanged within their topics."""
    single = require_single_clips(stats)
    topic = np.unique(np.array(single.speakers), return_inverse=True)[1]
    rows, rng = np.arange(len(single)), np.random.default_rng(seed)
    for _ in range(permutations):
        labels = single.emotion.copy()
        for one in np.unique(topic):
            labels[topic == one] = rng.permutation(labels[topic == one])
        accumulator = Accumulator(stats.origin, stats.emotions, scopes=stats.scopes)
        accumulator.add(replace(single, emotion=labels), rows)
        yield select_while_reading(accumulator.statistics(prompt=stats.prompt), esns)


def _of(esns: NeuronSet, emotions: Sequence[str]) -> NeuronSet:
    """The neurons of these emotions, in this order."""
    indices = {emotion: esns.indices(emotion) for emotion in emotions}
    return NeuronSet.from_indices(esns.origin, indices, selector=esns.selector, parameters=esns.parameters)


def _difference(overlap: Float64[np.ndarray, "emotion emotion"]) -> float:
    """Mean of equal emotions minus that of different ones."""
    equal = np.eye(len(overlap), dtype=np.bool_)
    return float(nan_mean(overlap[equal]) - nan_mean(overlap[~equal]))


def _places(heard: NeuronSet, sets: Mapping[str, NeuronSet]) -> Int64[np.ndarray, "emotion place"]:
    """Heard neurons of each emotion by where else they are, in the order of `PLACES`."""
    rows: list[list[int]] = []
    for emotion in heard.emotions:
        mine = heard.indices(emotion)
        there = {kind: np.isin(mine, one.indices(emotion)) for kind, one in sets.items()}
        read = there[READ]
        by_name = there.get(NAMED, np.zeros_like(read))
        rows.append([int(part.sum()) for part in (read & by_name, read & ~by_name, ~read & by_name, ~read & ~by_name)])
    return np.array(rows, dtype=np.int64)


@dataclass(frozen=True)
class _Stimuli:
    """Some clips or sentences, ready to be run: the truth of each as a number, and what it is one of."""

    encoded: Any
    truth: Int64[np.ndarray, " stimulus"]
    clusters: tuple[str, ...]


def _heard(lm: Any, clips: Clips, emotions: Sequence[str], batch_size: int) -> Iterator[_Stimuli]:
    prompt = Recognition(tuple(emotions)).prompt
    for start in range(0, len(clips), batch_size):
        some = [clips[row] for row in range(start, min(start + batch_size, len(clips)))]
        waves = [waveform(clip, longest_clip(lm)) for clip in some]
        truth = np.array([emotions.index(clip.emotion) for clip in some], dtype=np.int64)
        yield _Stimuli(lm.encode(waves, prompt), truth, tuple(clip.speaker or clip.id for clip in some))


def _read(lm: Any, sentences: Sequence[Written], emotions: Sequence[str], batch_size: int) -> Iterator[_Stimuli]:
    prompt = Recognition(tuple(emotions)).prompt
    for start in range(0, len(sentences), batch_size):
        some = sentences[start : start + batch_size]
        truth = np.array([emotions.index(one.emotion) for one in some], dtype=np.int64)
        encoded = lm.encode(lm.prepare_text([one.sentence for one in some], prompt), prompt)
        yield _Stimuli(encoded, truth, tuple(one.topic for one in some))


def _silenced(
    lm: Any, doing: str, batches: Iterable[_Stimuli], sets: Mapping[str, NeuronSet], seed: int
) -> list[Silenced]:
    """What silencing each set does to the log-odds of the right answer, over all batches."""
    emotions = next(iter(sets.values())).emotions
    conditions: list[list[Edit]] = [[]]
    for one in sets.values():
        conditions += [deactivate(one[emotion]) for emotion in emotions]
        conditions += [deactivate(_random_like(one, emotion, seed)) for emotion in emotions]
    changes, truths, clusters = list[np.ndarray](), list[np.ndarray](), list[str]()
    for batch in batches:
        log_probs = lm.sweep(batch.encoded, emotions, conditions).log_probs
        odds = log_odds(log_probs, batch.truth)
        changes.append(odds[1:] - odds[0])
        truths.append(batch.truth)
        clusters += batch.clusters
    shape = (len(sets), 2, len(emotions), -1)
    change, truth = np.concatenate(changes, axis=1).reshape(shape), np.concatenate(truths)
    mine = np.arange(len(emotions))[:, None] == truth
    told: list[Silenced] = []
    for (name, _), (found, drawn) in zip(sets.items(), change, strict=True):
        own = np.where(mine, found, 0).sum(axis=0)
        others = np.where(mine, 0, found).sum(axis=0) / (len(emotions) - 1)
        random = np.where(mine, drawn, 0).sum(axis=0)
        parts = {"own": own, "others": others, "random": random, "contrast": own - others}
        told.append(Silenced(name, doing, **{part: _interval(value, clusters) for part, value in parts.items()}))
    return told


def _random_like(one: NeuronSet, emotion: str, seed: int) -> NeuronSet:
    drawn = draw_like(one.indices(emotion), one.origin, emotion=emotion, seed=seed)
    return NeuronSet.from_indices(one.origin, {emotion: drawn}, selector="random")


def _interval(outcome: Float64[np.ndarray, " stimulus"], clusters: Sequence[str]) -> Interval:
    means = SpeakerMeans.over_clips(outcome[None], np.ones((1, len(outcome)), dtype=np.bool_), clusters)
    value, low, high = means.reduced(lambda cells: cells)
    return Interval(float(value[0]), float(low[0]), float(high[0]), len(set(clusters)))
