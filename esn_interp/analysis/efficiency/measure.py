"""How many clips it takes to find the neurons: sets from few clips against the set from all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from esn_interp.analysis.efficiency.few_clips import measure_effects
from esn_interp.analysis.efficiency.result import Efficiency
from esn_interp.analysis.guards import NONE, check_apart
from esn_interp.analysis.inference.enrichment import SharedCount
from esn_interp.analysis.inference.significance import quotient
from esn_interp.analysis.overlap.pair import jaccard
from esn_interp.analysis.result import told
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.resampling import by_speaker, deal_clips, require_single_clips, subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

SIZES = (2, 5, 10, 20, 50, 100)




def efficiency(
    stats: GateStatistics,
    selector: str = "mad",
    *,
    sizes: Sequence[int] = SIZES,
    resamples: int = 20,
    lm: Listener | None = None,
    clips: Clips | None = None,
    effect_resamples: int = 3,
    draws: int = 3,
    batch_size: int = 32,
    allow_identification_clips: bool = False,
    seed: int = 0,
    progress: bool = True,
    **selection: Any,
) -> Efficiency:
    """Select neurons from ever fewer of the clips, and see how much of the set stays.

    Nothing is run again: the statistics of the drawn clips follow from those kept of every clip, exactly.
    Clips are dealt speaker after speaker where speakers are known, and a larger number continues a smaller
    one, as a corpus grows.

    Parameters
    ----------
    stats
        Collected with ``per_clip=True``.
    sizes
        Clips per emotion, of those that the selection admits (by default: that the model labels correctly).
        Numbers that some emotion does not have are left out.
    selection
        What `select` takes: ``top=``, ``count=`` or ``threshold=``, and ``scope=``, ``filter=`` and so on.
    lm, clips
        A model, and evaluation clips: measure what ablating the sets does to recall, too. These are the only
        passes through the model.
    effect_resamples
        For how many of the resamples.
    draws
        Layer-matched random sets that are ablated as the control.

    Raises
    ------
    StatisticsError
        When no single clips are kept, no number of clips can be drawn, or one of ``lm`` and ``clips`` is
        missing.
    """
    if (lm is None) != (clips is None):
        raise StatisticsError("to measure effects, give both lm= and clips=")
    reservations = NONE
    if clips is not None:
        reservations = check_apart(clips, stats.origin, allow_identification_clips=allow_identification_clips)
    if resamples < 1:
        raise StatisticsError(f"resamples is a number of at least 1, not {resamples}")
    single, full = require_single_clips(stats), select(stats, selector, seed=seed, **selection)
    among = single.kept if selection.get("filter", "correct") == "correct" else np.ones_like(single.kept)
    available = np.bincount(single.emotion[among], minlength=len(stats.emotions))
    wanted = np.unique(np.asarray(sizes, dtype=np.int64))
    possible = wanted[(wanted >= 1) & (wanted <= available.min())]
    if not len(possible):
        fewest = stats.emotions[int(available.argmin())]
        told = ", ".join(map(str, sizes)) or "none"
        raise StatisticsError(
            f"of the numbers of clips {told}, none can be drawn: {fewest} has {available.min()} clips; collect"
            " more, or give smaller sizes"
        )

    def found(rows: Int64[np.ndarray, " chosen"]) -> NeuronSet:
        # In the order in which they were run, so that the sums are those of a collection, to the bit.
        return select(subset(stats, np.sort(rows), per_clip=False), selector, seed=seed, **selection)

    shape = (len(possible), resamples, len(stats.emotions))
    own, agreement, speakers = np.empty(shape), np.full(shape, np.nan), np.empty(shape[:2])
    chance, sets = np.zeros((shape[0], shape[2])), list[list[NeuronSet]]()
    for resample, rng in enumerate(np.random.default_rng(seed).spawn(resamples)):
        rows = deal_clips(single, among, rng)
        # In the order in which they were dealt: the same speakers for all emotions.
        dealt = [rows[single.emotion[rows] == emotion] for emotion in range(len(stats.emotions))]
        growing: list[NeuronSet] = []
        for at, size in enumerate(possible.tolist()):
            rows = np.concatenate([one[:size] for one in dealt])
            few = found(rows)
            own[at, resample] = jaccard(few, full).diagonal()
            speakers[at, resample] = len({single.speakers[row] for row in rows})
            chance[at] += _chance(few, full) / resamples
            if 2 * size <= available.min():
                other = found(np.concatenate([one[-size:] for one in dealt]))
                agreement[at, resample] = jaccard(few, other).diagonal()
            growing.append(few)
        sets.append(growing)
    effects = None
    if lm is not None and clips is not None:
        chosen = [[growing[at] for growing in sets[:effect_resamples]] for at in range(len(possible))]
        effects = measure_effects(
            lm,
            clips,
            [*chosen, [full]],
            draws=draws,
            seed=seed,
            batch_size=batch_size,
            progress=progress,
        )
    return Efficiency(
        model=stats.model,
        fingerprint=stats.origin.fingerprint,
        corpus=stats.corpus,
        corpus_fingerprint=stats.origin.corpus_fingerprint,
        selector=selector,
        selection=dict(full.parameters),
        unit="speaker" if by_speaker(single) else "clip",
        seed=seed,
        emotions=stats.emotions,
        available=tuple(available.tolist()),
        neurons=tuple(full.counts().sum(axis=1).tolist()),
        sizes=possible,
        speakers=speakers.mean(axis=1),
        jaccard=own,
        agreement=agreement,
        chance=chance,
        effects=effects,
        notes=(
            *reservations.notes,
            *_notes(single, wanted, possible, available, full),
            *(effects.notes if effects else ()),
        ),
    )


def _chance(a: NeuronSet, b: NeuronSet) -> Float64[np.ndarray, " emotion"]:
    """Jaccard index of independent sets with as many in each layer: expected shared over expected joint."""
    widths, both = np.array(a.widths), zip(a.counts(), b.counts(), strict=True)
    shared = np.array([SharedCount(widths, one, two).expected for one, two in both])
    return quotient(shared, a.counts().sum(axis=1) + b.counts().sum(axis=1) - shared)


def _notes(
    single: PerClip,
    wanted: Int64[np.ndarray, " asked"],
    possible: Int64[np.ndarray, " size"],
    available: Int64[np.ndarray, " emotion"],
    full: NeuronSet,
) -> tuple[str, ...]:
    left_out = [str(size) for size in wanted.tolist() if size not in possible]
    return told(
        f"left out {', '.join(left_out)} clips per emotion: one has {available.min()} only" if left_out else None,
        None
        if by_speaker(single)
        else "no two known speakers: clips were drawn one by one, which makes sets look too stable",
        f"no neurons for {', '.join(full.empty)}: no overlap there" if full.empty else None,
    )
