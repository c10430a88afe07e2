"""Which selector, and how many neurons? Ablation under every selector and size, side by side."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int8, Int64

from esn_interp.analysis.ablation.measure import treatments
from esn_interp.analysis.inference.significance import RATE, Interval, SpeakerMeans, nan_mean
from esn_interp.analysis.recall_changes import Estimates, RecallChanges, change_of
from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.trials import Trials, run_trials
from esn_interp.errors import StatisticsError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go

SELECTORS = ("lap", "lape", "mad", "cas")
TOPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


@dataclass(frozen=True, eq=False)
class Effects:
    """Self and cross change and their difference, by selector and size; see `Ablation` for the terms."""

    self_change: Estimates
    cross_change: Estimates
    specificity: Estimates

    @classmethod
    def of(cls, changes: RecallChanges, kinds: slice, shape: tuple[int, int]) -> "Effects":
        """Those of some of the kinds, which are as many as selectors times sizes."""
        whole = (changes.self_change, changes.cross_change, changes.specificity)
        return cls(*(Estimates(*(v[kinds].reshape(shape) for v in (e.value, e.low, e.high))) for e in whole))


@dataclass(frozen=True, eq=False)
class SelectorComparison(Result):
    """Changes of recall under ablation for every selector and size, as signed fractions.

    ``own`` is what the selected neurons do, ``random`` what as many random neurons of the same layers do
    (the mean of ``draws`` sets, NaN where a selection leaves too few others), and ``own_minus_random`` the
    difference of the self changes, paired over speakers. ``neurons`` counts the neurons of each emotion; an
    emotion without any is left as it is, and counts as unchanged. ``predicted`` indexes ``emotions``.
    """

    kind: ClassVar[str] = "selector_comparison"

    origins: Origins
    how: str
    positions: tuple[str, ...]
    draws: int
    seed: int
    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    selectors: tuple[str, ...]
    tops: Float64[np.ndarray, " top"]
    neurons: Int64[np.ndarray, "selector top set"]
    baseline_uar: Interval
    own: Effects
    random: Effects
    own_minus_random: Estimates
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    predicted: Int8[np.ndarray, "selector top set clip"]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...]

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(set(self.speakers))

    @property
    def best(self) -> tuple[str, float]:
        """Selector and size of the lowest self minus cross change on these clips; of equals, the fewest."""
        selector, top = self._best(range(len(self.selectors)))
        return self.selectors[selector], float(self.tops[top])

    def _best(self, among: Sequence[int]) -> tuple[int, int]:
        values = self.own.specificity.value
        top, selector = min(
            ((t, s) for t in range(len(self.tops)) for s in among),
            key=lambda cell: np.nan_to_num(values[cell[1], cell[0]], nan=np.inf),
        )
        return selector, top

    def to_frame(self) -> pd.DataFrame:
        """One row per selector, size, kind of neurons (own, random) and quantity; ``count`` is per emotion."""
        rows = [
            {
                "selector": selector,
                "top": self.tops[t],
                "count": self.neurons[s, t].mean(),
                "neurons": kind,
                "quantity": name,
                "value": estimates.value[s, t],
                "low": estimates.low[s, t],
                "high": estimates.high[s, t],
            }
            for kind, effects in (("own", self.own), ("random", self.random))
            for name, estimates in vars(effects).items()
            for s, selector in enumerate(self.selectors)
            for t in range(len(self.tops))
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence: each selector at its best size, in percentage points of recall."""
        told: list[tuple[float, str]] = []
        for s, selector in enumerate(self.selectors):
            _, t = self._best([s])
            specificity = self.own.specificity.at(s, t, speakers=self.n_speakers)
            told.append(
                (specificity.value, f"{selector} {specificity.scaled(100):+.1f} at {self.tops[t]:.1%}")
            )
        listed = ", ".join(text for _, text in sorted(told, key=lambda pair: pair[0]))
        random = 100 * self.random.specificity.value
        control = (
            f"; random neurons of the same layers {np.nanmin(random):+.1f} to {np.nanmax(random):+.1f}"
            if np.isfinite(random).any()
            else ""
        )
        return (
            f"Self minus cross change of recall under ablation ({self.how}), in points, each selector at its best"
            f" size on these clips: {listed}{control} ({len(self.clips)} clips of {self.n_speakers} speakers)."
        )

    def plot(self) -> "go.Figure":
        """The changes over the size of the set, one curve a selector."""
        from esn_interp.analysis.selectors.figure import selector_curves

        return selector_curves(self)


def compare_selectors(
    lm: Listener,
    clips: Clips,
    stats: GateStatistics,
    *,
    selectors: Sequence[str] = SELECTORS,
    tops: Sequence[float] = TOPS,
    scope: str = "all",
    filter: str = "correct",
    how: str = "zero",
    draws: int = 3,
    positions: Iterable[str] = EVERYWHERE,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> SelectorComparison:
    """Select by each selector at each size, ablate each emotion's neurons, and measure every recall.

    All of it is one pass in which every batch is heard once. To choose, use validation voices: the best of a
    grid looks better than it is on the clips that it was the best on.

    Parameters
    ----------
    stats
        What the neurons are selected from; with ``how="mean"`` also what is written.
    tops
        Sizes, as fractions of all gates; see `select`. (For ``lape`` over all emotions together.)
    scope, filter
        Which tokens and clips the selectors count; see `GateStatistics.rates`.
    draws
        Random sets for each selector, size and emotion; fewer than for a single ablation, since there are so
        many. 0 for no control.

    Raises
    ------
    StatisticsError
        When there is no selector or no size, one is unknown or out of range, the statistics come from another
        model, or ``how`` is neither ``zero`` nor ``mean``.
    CorpusError
        When no clip can be used, or the emotions of clips and statistics do not fit.
    """
    stats.check(lm)
    names, sizes = tuple(dict.fromkeys(selectors)), np.unique(np.asarray(tops, dtype=np.float64))
    if not names or not len(sizes):
        raise StatisticsError("to compare selectors, give at least one selector and one size")
    if how == "resample":
        raise StatisticsError("selectors are compared by zero or mean ablation; resample with `ablation`")
    where = frozenset(positions)
    candidates = {
        f"{name}, top {top:g}": select(stats, name, top=float(top), scope=scope, filter=filter, seed=seed)
        for name in names
        for top in sizes
    }
    random, notes = _controls(candidates, draws, seed=seed)
    first, *_ = candidates
    trials = run_trials(
        lm,
        clips,
        candidates[first],
        treatments(how, stats, (), where),
        draws=0,
        draws_per_clip=None,
        others={name: one for name, one in (candidates | random).items() if name != first},
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Comparing selectors",
    )
    answers = np.concatenate([trials.log_probs.argmax(axis=-1)[None].astype(np.int8), trials.others])
    kinds = [change_of(trials, one) for one in answers[: len(candidates)]]
    drawn = dict(zip(random, answers[len(candidates) :], strict=True))
    kinds += [
        _pooled(trials, [v for k, v in drawn.items() if k.startswith(f"{name}, random")])
        for name in candidates
    ]
    changes, shape, n = RecallChanges.stack(trials, kinds), (len(names), len(sizes)), len(candidates)
    paired = changes.means.reduced(lambda cells: changes.self_of(cells[..., :n, :, :] - cells[..., n:, :, :]))
    right = trials.baseline.argmax(axis=1) == trials.truth
    recall = trials.means(np.repeat(right[None], len(trials.emotions), axis=0), trials.of_emotion.T)
    return SelectorComparison(
        origins=_origins(lm, clips, stats, names, sizes, scope=scope, filter=filter),
        how=how,
        positions=tuple(one for one in SCOPES if one in where),
        draws=draws,
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        selectors=names,
        tops=sizes,
        neurons=np.stack([one.counts().sum(axis=1) for one in candidates.values()]).reshape(*shape, -1),
        baseline_uar=recall.interval(nan_mean, within=RATE),
        own=Effects.of(changes, slice(0, n), shape),
        random=Effects.of(changes, slice(n, None), shape),
        own_minus_random=Estimates(*(part.reshape(shape) for part in paired)),
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=answers[:n, 0].reshape(*shape, len(trials.sets), -1),
        skipped=trials.skipped,
        notes=(*_clip_notes(trials, candidates[first]), *notes),
    )


def _controls(
    candidates: dict[str, NeuronSet], draws: int, *, seed: int
) -> tuple[dict[str, NeuronSet], list[str]]:
    """Random sets of each candidate by name, and what must be said of candidates that are not complete."""
    seeds = np.random.SeedSequence(seed).generate_state(draws) if draws else []
    random: dict[str, NeuronSet] = {}
    incomplete: dict[str, list[str]] = {}
    notes: list[str] = []
    for name, one in candidates.items():
        if any(not len(one[emotion]) for emotion in one.emotions):
            selector, top = name.split(", top ")
            incomplete.setdefault(selector, []).append(f"{float(top):.2g}")
        try:
            random |= {f"{name}, random {i}": one.random_like(int(state)) for i, state in enumerate(seeds)}
        except StatisticsError as error:
            notes.append(f"{name}: no random control, {error}")
    for selector, tops in incomplete.items():
        notes.append(
            f"{selector} leaves emotions without neurons at top {', '.join(tops)}: nothing was edited there"
        )
    return random, notes


def _pooled(trials: Trials, answers: Sequence[Int8[np.ndarray, "treatment set clip"]]) -> SpeakerMeans:
    """Changes of recall over all draws; cells without a count where there is none."""
    shape = (trials.n_speakers, len(trials.sets), len(trials.emotions))
    pooled = SpeakerMeans(np.zeros(shape), np.zeros(shape, dtype=np.int64))
    for one in answers:
        pooled = pooled + change_of(trials, one)
    return pooled


def _clip_notes(trials: Trials, candidate: NeuronSet) -> list[str]:
    """What the trials say of the clips; what they say of one candidate's neurons is told for each."""
    return [note for note in trials.notes(candidate) if not note.startswith(("no neurons", "no random"))]


def _origins(
    lm: Listener,
    clips: Clips,
    stats: GateStatistics,
    selectors: tuple[str, ...],
    tops: Float64[np.ndarray, " top"],
    **settings: str,
) -> Origins:
    return Origins(
        model=lm.name,
        fingerprint=lm.fingerprint,
        corpus=clips.name,
        corpus_fingerprint=clips.fingerprint,
        selector=", ".join(selectors),
        selection={"tops": tops.tolist(), **settings, "kept": stats.kept},
        identified_on=stats.corpus,
    )
