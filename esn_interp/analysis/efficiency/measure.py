"""How many clips it takes to find the neurons: sets from few clips against the set from all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.efficiency.few_clips import Effects, measure_effects
from esn_interp.analysis.inference.enrichment import SharedCount
from esn_interp.analysis.inference.significance import nan_mean
from esn_interp.analysis.overlap.pair import jaccard
from esn_interp.analysis.result import Result
from esn_interp.errors import StatisticsError
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.resampling import by_speaker, deal_clips, require_single_clips, subset
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go

SIZES = (2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, eq=False)
class Efficiency(Result):
    """Stability of the neuron set over the number of clips per emotion that it is found on.

    ``jaccard`` compares the set from so many clips with the set from all clips: the clips are part of all, so
    it reaches 1 by construction. ``agreement`` compares two sets from so many clips each that have no clip in
    common (NaN where there are not enough for two): what two studies of that size would agree on.
    ``chance`` is the Jaccard index of independent sets with as many neurons in each layer, roughly (expected
    shared over expected joint members).

    ``unit`` is ``speaker`` where clips were drawn speaker after speaker, so that few clips come from few
    speakers (``speakers`` is their mean number), else ``clip``. ``available`` counts the clips of each
    emotion that may be drawn. ``effects`` is what ablating the sets does, where a model was given.
    """

    kind: ClassVar[str] = "efficiency"

    model: str
    fingerprint: str
    corpus: str
    corpus_fingerprint: str
    selector: str
    selection: dict[str, Any]
    unit: str
    seed: int
    emotions: tuple[str, ...]
    available: tuple[int, ...]
    neurons: tuple[int, ...]
    sizes: Int64[np.ndarray, " size"]
    speakers: Float64[np.ndarray, " size"]
    jaccard: Float64[np.ndarray, "size resample emotion"]
    agreement: Float64[np.ndarray, "size resample emotion"]
    chance: Float64[np.ndarray, "size emotion"]
    effects: Effects | None
    notes: tuple[str, ...]

    @property
    def resamples(self) -> int:
        """How often clips of each number were drawn."""
        return self.jaccard.shape[1]

    def spread(
        self, values: Float64[np.ndarray, "size resample emotion"]
    ) -> tuple[Float64[np.ndarray, " size"], Float64[np.ndarray, " size"], Float64[np.ndarray, " size"]]:
        """Mean over the emotions: its mean over the resamples, and its 2.5 and 97.5 % quantiles; NaN where
        nothing is known."""
        means = nan_mean(values)
        known = ~np.isnan(means).all(axis=1)
        bounds = np.full((2, len(means)), np.nan)
        bounds[:, known] = np.nanquantile(means[known], [0.025, 0.975], axis=1)
        return nan_mean(means), bounds[0], bounds[1]

    def to_frame(self) -> pd.DataFrame:
        """One row per number of clips, resample and emotion."""
        size, resample, emotion = (index.ravel() for index in np.indices(self.jaccard.shape))
        return pd.DataFrame(
            {
                "clips": self.sizes[size],
                "resample": resample,
                "emotion": [self.emotions[row] for row in emotion],
                "speakers": self.speakers[size],
                "jaccard": self.jaccard.ravel(),
                "agreement": self.agreement.ravel(),
                "chance": self.chance[size, emotion],
            }
        )

    def summary(self) -> str:
        """The result in one sentence: stability at the smallest and the largest number of clips."""
        mean, low, high = self.spread(self.jaccard)
        told = " and ".join(
            f"{self.sizes[at]} clips per emotion by {mean[at]:.2f} [{low[at]:.2f}, {high[at]:.2f}]"
            for at in dict.fromkeys((0, len(self.sizes) - 1))
        )
        effect = f" {self.effects.summary()}" if self.effects is not None else ""
        return (
            f"Sets found on {told} overlap with the set from all {min(self.available)} to"
            f" {max(self.available)} clips (Jaccard, {self.resamples} resamples by {self.unit}).{effect}"
        )

    def plot(self) -> "go.Figure":
        """Stability, and the effect where it was measured, over the number of clips."""
        from esn_interp.analysis.efficiency.figure import efficiency_curve

        return efficiency_curve(self)


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
        dealt = _by_emotion(deal_clips(single, among, rng), single, emotions=len(stats.emotions))
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
            *_notes(single, wanted, possible, available, full),
            *(effects.notes if effects is not None else ()),
        ),
    )


def _by_emotion(
    dealt: Int64[np.ndarray, " dealt"], single: PerClip, *, emotions: int
) -> list[Int64[np.ndarray, " chosen"]]:
    """The rows of each emotion, in the order in which they were dealt: the same speakers for all emotions."""
    return [dealt[single.emotion[dealt] == emotion] for emotion in range(emotions)]


def _chance(a: NeuronSet, b: NeuronSet) -> Float64[np.ndarray, " emotion"]:
    """Jaccard index of independent sets with as many in each layer: expected shared over expected joint."""
    widths, both = np.array(a.widths), zip(a.counts(), b.counts(), strict=True)
    shared = np.array([SharedCount(widths, one, two).expected for one, two in both])
    joint = a.counts().sum(axis=1) + b.counts().sum(axis=1) - shared
    return np.divide(shared, joint, out=np.full(len(shared), np.nan), where=joint > 0)


def _notes(
    single: PerClip,
    wanted: Int64[np.ndarray, " asked"],
    possible: Int64[np.ndarray, " size"],
    available: Int64[np.ndarray, " emotion"],
    full: NeuronSet,
) -> tuple[str, ...]:
    notes: list[str] = []
    if left_out := [str(size) for size in wanted.tolist() if size not in possible]:
        notes.append(f"left out {', '.join(left_out)} clips per emotion: one has {available.min()} only")
    if not by_speaker(single):
        notes.append("no two known speakers: clips were drawn one by one, which makes sets look too stable")
    if empty := [emotion for emotion in full.emotions if not len(full[emotion])]:
        notes.append(f"no neurons for {', '.join(empty)}: no overlap there")
    return tuple(notes)
