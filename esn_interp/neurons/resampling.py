"""Statistics of a part of the clips, from what each clip added to them: no clip is run again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int, Int64

from esn_interp.errors import StatisticsError
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.catalogue import SELECTORS
from esn_interp.neurons.choosing import of_emotions
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.scores import Scores
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clip_keys import keys_of_ids

FEW_SPEAKERS = 6
"""A bootstrap over fewer speakers is told to be rough."""

_ATTEMPTS = 20
"""How often a resample may be drawn anew, on average, before there is no hope."""


def subset(
    stats: GateStatistics,
    clips: Sequence[str] | Int[np.ndarray, " chosen"],
    *,
    per_clip: bool = True,
) -> GateStatistics:
    """The statistics that a collection of these clips alone would have given, to the bit.

    They are added by the code that adds a run, from the sums of single clips, in the order given; sums of
    floating-point numbers depend on that order in their last bits.

    Parameters
    ----------
    clips
        Ids, taken in the order in which the clips were run, such as
        ``clips.where(sex="female").column("id")``; or rows of ``stats.per_clip``, in any order and also
        repeatedly, which counts a clip several times (a bootstrap).
    per_clip
        Keep the sums of the single clips in the result.

    Raises
    ------
    StatisticsError
        When the statistics keep no single clips, or an id is not among them.
    """
    single = require_single_clips(stats)
    rows = clips if isinstance(clips, np.ndarray) else single.rows(clips)
    digest = hashlib.sha256(stats.origin.corpus_fingerprint.encode())
    digest.update(json.dumps([single.ids[row] for row in rows]).encode())
    taken = keys_of_ids(stats.origin.found_on, [single.ids[row] for row in rows])
    origin = replace(stats.origin, corpus_fingerprint=digest.hexdigest()[:12], found_on=taken)
    accumulator = Accumulator(origin, stats.emotions, per_clip=per_clip, scopes=stats.scopes)
    accumulator.add(single, rows)
    return accumulator.statistics(prompt=stats.prompt, seed=stats.seed, success=stats.success, asking=stats.asking)


def require_single_clips(stats: GateStatistics) -> PerClip:
    """The sums of single clips (StatisticsError where they were not kept)."""
    if stats.per_clip is None:
        raise StatisticsError(
            f"these statistics of {stats.corpus} hold no single clips; collect them with per_clip=True"
            " (esn collect --per-clip)"
        )
    return stats.per_clip


def select_alike(stats: GateStatistics, neurons: NeuronSet, *, top: float | None = None) -> NeuronSet:
    """What the selection that made ``neurons`` selects from these statistics; ``top`` replaces its size.

    Raises
    ------
    StatisticsError
        When ``neurons`` were not made by `select`, or an emotion has no clip that passed the filter.
    """
    _require_selector(neurons)
    told = {name: value for name, value in neurons.parameters.items() if name not in ("seen", "kept", "asking")}
    if top is not None:
        told = {name: value for name, value in told.items() if name not in ("count", "threshold")}
        told["top"] = top
    return select(stats, neurons.selector, **told)


def score_alike(stats: GateStatistics, neurons: NeuronSet) -> Scores:
    """The scores of all gates by which ``neurons`` were selected, from these statistics (errors as above)."""
    selector = SELECTORS[_require_selector(neurons)]
    told = {name: neurons.parameters[name] for name in ("scope", "pooling", "filter")}
    settings = {name: neurons.parameters[name] for name in selector.options}
    emotions = neurons.parameters.get("emotions")
    part = stats if emotions is None else of_emotions(stats, emotions)
    return selector.score(part.rates(**told), **settings)


def resampled_sets(
    stats: GateStatistics, sets: Sequence[NeuronSet], *, resamples: int, rng: np.random.Generator
) -> tuple[list[list[NeuronSet]], tuple[str, ...]]:
    """The sets that the same selections give on bootstrap samples of the clips, and what a reader must know.

    A sample that leaves an emotion without clips is drawn anew.

    Raises
    ------
    StatisticsError
        When no single clips are kept, the sets are of another model or not made by `select`, or nearly every
        sample lacks an emotion.
    """
    single = require_single_clips(stats)
    for one in sets:
        one.check(stats.origin)
        _require_selector(one)
    drawn, refusals = list[list[NeuronSet]](), 0
    while len(drawn) < resamples:
        part = subset(stats, bootstrap_clips(single, rng), per_clip=False)
        try:
            drawn.append([select_alike(part, one) for one in sets])
        except StatisticsError:
            refusals += 1
            if refusals > _ATTEMPTS * resamples:
                raise
    notes: list[str] = []
    if refusals:
        notes.append(f"{refusals} resamples were drawn anew: an emotion had no clip that passed the filter")
    if not by_speaker(single):
        notes.append(
            f"{stats.corpus}: no two known speakers, so clips were resampled; the ranges are too narrow"
        )
    elif (speakers := len(set(single.speakers))) < FEW_SPEAKERS:
        notes.append(f"{stats.corpus}: resampled over {speakers} speakers only, the ranges are rough")
    return drawn, tuple(notes)


def made_by_selection(neurons: NeuronSet) -> bool:
    """Whether one selector made this set from statistics; not so joined sets, random ones, and those of one's own."""
    made_otherwise = {"like", "operator"} & set(neurons.parameters)
    return neurons.selector in SELECTORS and "filter" in neurons.parameters and not made_otherwise


def _require_selector(neurons: NeuronSet) -> str:
    if not made_by_selection(neurons):
        raise StatisticsError(
            f"the neurons of {neurons.corpus} were made by {neurons.selector!r}, not by one selector, so they"
            f" can't be selected again; use a set of {', '.join(SELECTORS)}"
        )
    return neurons.selector


def deal_clips(
    single: PerClip, among: Bool[np.ndarray, " clip"], rng: np.random.Generator
) -> Int64[np.ndarray, " chosen"]:
    """The rows of the clips in ``among`` in a random order, speaker after speaker where speakers are known.

    A speaker's clips stay together, so that the first few clips come from few speakers, as those of a small
    corpus do. Where speakers are not known, or there is one only, single clips are shuffled.
    """
    rows = rng.permutation(np.flatnonzero(among))
    speaker = np.unique(np.array(single.speakers, dtype=np.str_), return_inverse=True)[1]
    place = rng.permutation(int(speaker.max(initial=0)) + 1)
    return rows[np.argsort(place[speaker[rows]], kind="stable")] if by_speaker(single) else rows


def bootstrap_clips(single: PerClip, rng: np.random.Generator) -> Int64[np.ndarray, " drawn"]:
    """Rows of a bootstrap sample: speakers drawn with replacement, each with all their clips.

    Where speakers are not known, or there is one only, single clips are drawn.
    """
    if not by_speaker(single):
        return np.sort(rng.integers(len(single), size=len(single)))
    names = np.array(single.speakers, dtype=np.str_)
    drawn = rng.choice(np.unique(names), size=len(np.unique(names)))
    return np.concatenate([np.flatnonzero(names == name) for name in drawn])


def by_speaker(single: PerClip) -> bool:
    """Whether every clip has a speaker and there are two or more."""
    return all(single.speakers) and len(set(single.speakers)) > 1
