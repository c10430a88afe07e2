"""Redundancy: do the neurons of an emotion add up, stand in for each other, or act in line?"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from einops import rearrange
from jaxtyping import Float64, Int64

from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.inference.estimates import BySet
from esn_interp.analysis.inference.significance import CHANGE, nan_mean
from esn_interp.analysis.redundancy.joint import Bench, Silenced, Tally
from esn_interp.analysis.redundancy.result import Redundancy
from esn_interp.analysis.result import Origins, standing_notes
from esn_interp.analysis.trials import options
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

_PARTS = 3  # the whole, and the two that it is made of


def redundancy(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    splits: int = 4,
    draws: int = 4,
    validation: Clips | None = None,
    greedy: int = 4,
    positions: Iterable[str] = EVERYWHERE,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Redundancy:
    """Silence each emotion's neurons one more at a time, in halves, and together with another emotion's.

    Everything about an emotion is measured on its own clips, all of them, as the change of its log-odds: unlike
    the recall it adds up, and has no floor at 0.

    Parameters
    ----------
    splits
        Random divisions of each set into halves.
    draws
        Layer-matched random sets that everything is repeated with; 0 for no control.
    validation, greedy
        Clips of other speakers, on which that many neurons are chosen one after the other: the truly greedy
        order, at a run for every neuron of the set and step. Without them there is no greedy curve.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    StatisticsError
        When the neurons come from another model, all sets are empty, a number is out of range, or a validation
        clip is among ``clips``.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    if not len(esns):
        raise StatisticsError(f"no neuron to silence: the sets of {', '.join(esns.emotions)} are all empty")
    if splits < 1 or draws < 0 or greedy < 1:
        raise StatisticsError(f"splits {splits}, draws {draws}, greedy {greedy}: give 1, 0 and 1 or more")
    if validation is not None and set(validation.column("id")) & set(clips.column("id")):
        raise StatisticsError(
            "validation clips are among the evaluated ones; the greedy curve would flatter itself"
        )
    where = frozenset(positions)
    bench = Bench(lm, esns.origin, options(clips, esns), where, batch_size, strict, progress)
    random, why = random_sets(esns, draws, seed=seed)
    groups = _Groups(esns, random, splits=splits, seed=seed)
    steps = min(greedy, max(groups.counts)) if validation is not None else 0
    sizes = _sizes(groups.counts, steps)
    order = np.full((len(esns.emotions), steps), -1, dtype=np.int64)
    n = len(esns.emotions)
    tally = Tally(
        clips.speakers,
        **{table: (len(sizes), n) for table in ("curve", "recall", "random", "greedy")},
        halves=(splits, _PARTS, n),
        random_halves=(len(random), _PARTS, n),
        pairs=(_PARTS, n, n),
        random_pairs=(len(random), _PARTS, n, n),
    )
    done: list[Silenced] = []
    for s, emotion in enumerate(esns.emotions):
        mine = _clips_of(clips, emotion)
        if not groups.counts[s] or not len(mine):
            continue
        if validation is not None and len(known := _clips_of(validation, emotion)):
            chosen = _greedily(bench, known, groups.ranked[s], steps, f"Choosing neurons of {emotion}")
            order[s, : len(chosen)] = chosen
        plan = list(groups.plan(s, sizes, order[s]))
        found = bench.silence(mine, [gates for *_, gates in plan], f"Silencing neurons of {emotion}")
        for (table, cell, _), change, right in zip(plan, found.log_odds, found.right, strict=True):
            tally.add(table, cell, change, found.speakers)
            if table == "curve":
                tally.add("recall", cell, right, found.speakers)
        done.append(found)
    if not done:
        raise CorpusError(f"corpus {clips.name}: no clip of an emotion that has neurons")
    notes = _notes(esns, clips, done, why, validation)
    pairs, control = tally.means("pairs"), tally.means("random_pairs")
    value, low, high = pairs.reduced(_interaction)
    return Redundancy(
        origins=origins,
        positions=tuple(scope for scope in SCOPES if scope in where),
        seed=seed,
        draws=len(random),
        splits=splits,
        emotions=bench.recognition.emotions,
        sets=tuple(esns.emotions),
        neurons=tuple(groups.counts),
        sizes=sizes,
        curve=BySet.of(tally.means("curve")),
        recall=BySet.of(tally.means("recall"), within=CHANGE),
        random=BySet.of(tally.means("random")),
        greedy=BySet.of(tally.means("greedy")),
        greedy_order=order,
        halves=BySet.computed(tally.means("halves"), _mean_of_halves),
        halves_share=BySet.computed(tally.means("halves"), _share_of_halves),
        random_halves=BySet.computed(tally.means("random_halves"), _mean_of_halves),
        pairs=value,
        pairs_low=low,
        pairs_high=high,
        pairs_mean=pairs.interval(lambda cells: _over_pairs(_interaction(cells))),
        random_pairs=_mean_of_draws(control.value),
        random_pairs_mean=control.interval(lambda cells: _over_pairs(_mean_of_draws(cells))),
        shared=groups.shared,
        clips=tuple(clip for one in done for clip in one.clips),
        speakers=tuple(speaker for one in done for speaker in one.speakers),
        skipped=tuple(bad for one in done for bad in one.skipped),
        notes=notes,
    )


class _Groups:
    """The groups of neurons that are silenced, from the sets and their random likes."""

    def __init__(self, esns: NeuronSet, random: Sequence[NeuronSet], *, splits: int, seed: int) -> None:
        self.esns, self.random, self.splits, self.seed = esns, random, splits, seed
        self.ranked = [_ranked(esns[emotion]) for emotion in esns.emotions]
        self.counts = [len(ranked) for ranked in self.ranked]
        self.shared: Int64[np.ndarray, "set other"] = np.array(
            [[len(np.intersect1d(mine, other)) for other in self.ranked] for mine in self.ranked],
            dtype=np.int64,
        )

    def plan(
        self, s: int, sizes: Int64[np.ndarray, " size"], greedy: Int64[np.ndarray, " step"]
    ) -> Iterator[tuple[str, tuple[int, ...], Int64[np.ndarray, " _gate"]]]:
        """All that is tried on the clips of one set's emotion, each with the table and the cell of its outcome."""
        emotion, mine = self.esns.emotions[s], self.ranked[s]
        rng = np.random.default_rng([self.seed, s])
        # A random set has its neurons sorted by layer; shuffled, its first k are a sample of its layers.
        drawn = [rng.permutation(one.indices(emotion)) for one in self.random]
        for k, size in enumerate(sizes.tolist()):
            if size <= len(mine):
                yield "curve", (k, s), mine[:size]
                yield from (("random", (k, s), one[:size]) for one in drawn)
            if size <= (greedy >= 0).sum():
                yield "greedy", (k, s), greedy[:size]
        if len(mine) > 1:
            for table, wholes in (("halves", [mine] * self.splits), ("random_halves", drawn)):
                for at, whole in enumerate(wholes):
                    for part, gates in enumerate(_parts(*np.array_split(rng.permutation(whole), 2))):
                        yield table, (at, part, s), gates
        for t, other in enumerate(self.ranked):
            if t != s and len(other):
                yield from (("pairs", (part, s, t), gates) for part, gates in enumerate(_parts(mine, other)))
                for d, one in enumerate(drawn):
                    lent = self.random[d].indices(self.esns.emotions[t])
                    for part, gates in enumerate(_parts(one, lent)):
                        yield "random_pairs", (d, part, s, t), gates


def _parts(
    first: Int64[np.ndarray, " mine"], second: Int64[np.ndarray, " other"]
) -> tuple[Int64[np.ndarray, " _gate"], ...]:
    """The whole, and the two that it is made of."""
    return np.union1d(first, second), first, second


def _clips_of(clips: Clips, emotion: str) -> Clips:
    return clips.take(np.flatnonzero(np.array(clips.column("emotion"), dtype=object) == emotion))


def _ranked(one: NeuronSet) -> Int64[np.ndarray, " neuron"]:
    """Flat indices of one emotion's neurons, the highest score first; ties by (layer, neuron)."""
    return one.flat[np.argsort(-one.score, kind="stable")].astype(np.int64)


def _sizes(counts: Sequence[int], steps: int) -> Int64[np.ndarray, " size"]:
    """Powers of two, the sizes of the sets, and every size that the greedy choice reaches."""
    powers = [2**power for power in range(max(counts).bit_length())]
    wanted = {*powers, *(count for count in counts if count), *range(1, steps + 1)}
    return np.array(sorted(wanted), dtype=np.int64)


def _greedily(
    bench: Bench, clips: Clips, candidates: Int64[np.ndarray, " neuron"], steps: int, description: str
) -> Int64[np.ndarray, " step"]:
    """Neurons in the order in which each lowers the log-odds most, together with those before it."""
    chosen = np.zeros(0, dtype=np.int64)
    for _ in range(min(steps, len(candidates))):
        left = candidates[~np.isin(candidates, chosen)]
        tried = bench.silence(clips, [np.append(chosen, gate) for gate in left], description)
        # Among equals the first, which is the one of the higher score.
        chosen = np.append(chosen, left[int(np.argmin(tried.log_odds.mean(axis=1)))])
    return chosen


def _interaction(
    cells: Float64[np.ndarray, "*batch part set other"],
) -> Float64[np.ndarray, "*batch set other"]:
    """Effect of the whole minus the effects of its two parts."""
    return cells[..., 0, :, :] - cells[..., 1, :, :] - cells[..., 2, :, :]


def _mean_of_draws(cells: Float64[np.ndarray, "*batch draw part set other"]) -> np.ndarray:
    return nan_mean(rearrange(_interaction(cells), "... draw set other -> ... set other draw"))


def _mean_of_halves(cells: Float64[np.ndarray, "*batch split part set"]) -> Float64[np.ndarray, "*batch set"]:
    return _mean_of_draws(cells[..., None])[..., 0]


def _share_of_halves(
    cells: Float64[np.ndarray, "*batch split part set"],
) -> Float64[np.ndarray, "*batch set"]:
    """Non-additivity as a share of what the whole does; NaN where that is nothing."""
    whole = nan_mean(rearrange(cells[..., 0, :], "... split set -> ... set split"))
    return np.divide(_mean_of_halves(cells), whole, out=np.full(whole.shape, np.nan), where=whole != 0)


def _over_pairs(cells: Float64[np.ndarray, "*batch set other"]) -> np.ndarray:
    return nan_mean(rearrange(cells, "... set other -> ... (set other)"))


def _notes(
    esns: NeuronSet, clips: Clips, done: Sequence[Silenced], why: str, validation: Clips | None
) -> tuple[str, ...]:
    missing = [emotion for emotion in esns.emotions if emotion not in clips.emotions]
    single = [emotion for emotion in esns.emotions if len(esns[emotion]) == 1]
    known = esns.emotions if validation is None else validation.emotions
    unseen = [emotion for emotion in esns.emotions if emotion not in known]
    unmoved, tried = sum(one.unmoved for one in done), sum(len(one.log_odds) for one in done)
    return standing_notes(
        len({speaker for one in done for speaker in one.speakers}),
        [bad for one in done for bad in one.skipped],
        f"no neurons for {', '.join(esns.empty)}: nothing was silenced there" if esns.empty else None,
        f"no clip is {', '.join(missing)}: their sets are only tried together with others" if missing else None,
        f"{', '.join(single)}: one neuron has no halves" if single else None,
        f"no validation clip is {', '.join(unseen)}: no greedy order there" if unseen else None,
        f"{unmoved} of {tried} groups of neurons changed nothing, in no digit of any score, when they were silenced"
        if unmoved
        else None,
        why,
    )
