"""Which selector, and how many neurons? Ablation under every selector and size, side by side."""

from collections.abc import Iterable, Sequence

import numpy as np
from einops import rearrange

from esn_interp.analysis.ablation.measure import treatments
from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.guards import check_apart
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import CONTRAST, RATE, nan_mean
from esn_interp.analysis.recall_changes import RecallChanges, change_of, recall_without_edit
from esn_interp.analysis.result import Origins
from esn_interp.analysis.selectors.result import Effects, SelectorComparison, by_selector
from esn_interp.analysis.trials import Trials, run_trials
from esn_interp.errors import StatisticsError
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.catalogue import contenders
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

TOPS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)


def compare_selectors(
    lm: Listener,
    clips: Clips,
    stats: GateStatistics,
    *,
    selectors: Sequence[str] | None = None,
    tops: Sequence[float] = TOPS,
    scope: str | None = None,
    pooling: str | None = None,
    filter: str = "correct",
    how: str = "zero",
    draws: int = 3,
    positions: Iterable[str] = EVERYWHERE,
    allow_identification_clips: bool = False,
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
    selectors
        Names of `SELECTORS`; without them all but the controls.
    tops
        Sizes, as fractions of all gates; see `select`. (For ``lape`` over all emotions together.)
    scope, pooling, filter
        Which tokens and clips the selectors count, and how; see `GateStatistics.rates`.
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
    reservations = check_apart(clips, stats.origin, allow_identification_clips=allow_identification_clips)
    names = tuple(dict.fromkeys(contenders() if selectors is None else selectors))
    sizes = np.unique(np.asarray(tops, dtype=np.float64))
    if not names or not len(sizes):
        raise StatisticsError("to compare selectors, give at least one selector and one size")
    if how == "resample":
        raise StatisticsError("selectors are compared by zero or mean ablation; resample with `ablation`")
    where, scope = frozenset(positions), stats.usual_scope if scope is None else scope
    candidates = {
        (name, top): select(stats, name, top=top, scope=scope, pooling=pooling, filter=filter, seed=seed)
        for name in names
        for top in sizes.tolist()
    }
    controls = {which: random_sets(one, draws, seed=seed) for which, one in candidates.items()}
    first, *others = candidates.values()
    others += [like for likes, _ in controls.values() for like in likes]
    trials = run_trials(
        lm,
        clips,
        first,
        treatments(how, stats, (), where),
        draws=0,
        draws_per_clip=None,
        others={f"other {n}": one for n, one in enumerate(others)},
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Comparing selectors",
    )
    answers = np.concatenate([trials.log_probs.argmax(axis=-1)[None].astype(np.int8), trials.others])
    n, drawn = len(candidates), iter(answers[len(candidates) :])
    kinds = [change_of(trials, one) for one in answers[:n]]
    kinds += [
        kinds[0].pool(change_of(trials, next(drawn)) for _ in likes) for likes, _ in controls.values()
    ]
    changes = RecallChanges.stack(trials, kinds)
    paired = Estimates.reduced(
        changes.means, lambda cells: changes.self_of(cells[..., :n, :, :] - cells[..., n:, :, :]), within=CONTRAST
    )
    return SelectorComparison(
        origins=Origins(
            model=lm.name,
            fingerprint=lm.fingerprint,
            corpus=clips.name,
            corpus_fingerprint=clips.fingerprint,
            selector=", ".join(names),
            selection={"tops": sizes.tolist(), "scope": scope, "filter": filter, "kept": stats.kept},
            identified_on=stats.corpus,
            reservations=reservations,
        ),
        how=how,
        positions=tuple(one for one in SCOPES if one in where),
        draws=draws,
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        selectors=names,
        tops=sizes,
        neurons=rearrange(
            [one.counts().sum(axis=1) for one in candidates.values()],
            "(selector top) set -> selector top set",
            selector=len(names),
        ),
        baseline_uar=recall_without_edit(trials).interval(nan_mean, within=RATE),
        own=Effects.of(changes, slice(0, n), len(names)),
        random=Effects.of(changes, slice(n, None), len(names)),
        own_minus_random=by_selector(paired, len(names)),
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=rearrange(
            answers[:n, 0], "(selector top) set clip -> selector top set clip", selector=len(names)
        ),
        skipped=trials.skipped,
        notes=_notes(trials, candidates, {which: why for which, (_, why) in controls.items() if draws and why}),
    )


def _notes(
    trials: Trials, candidates: dict[tuple[str, float], NeuronSet], without: dict[tuple[str, float], str]
) -> tuple[str, ...]:
    """What must be said of the clips, of candidates without a control, and of selectors that leave out emotions."""
    incomplete: dict[str, list[str]] = {}
    for (selector, top), one in candidates.items():
        if any(not len(one[emotion]) for emotion in one.emotions):
            incomplete.setdefault(selector, []).append(f"{top:.2g}")
    first = next(iter(candidates.values()))
    return (
        # What the trials say of one candidate's neurons is told for each.
        *(note for note in trials.notes(first) if not note.startswith(("no neurons", "no random"))),
        *(f"{selector}, top {top:g}: {why}" for (selector, top), why in without.items()),
        *(
            f"{selector} leaves emotions without neurons at top {', '.join(tops)}: nothing was edited there"
            for selector, tops in incomplete.items()
        ),
    )
