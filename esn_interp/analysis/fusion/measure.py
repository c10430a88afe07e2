"""Leave one corpus out: fuse the neurons of the others, and silence them on it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.fusion.result import Fusion, LeftOut
from esn_interp.analysis.fusion.variance import SOURCES, variance_shares
from esn_interp.analysis.inference.significance import RATE, nan_mean
from esn_interp.analysis.recall_changes import RecallChanges, change_of, recall_without_edit
from esn_interp.analysis.trials import run_trials
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.neurons.fusion import FUSIONS, POOLED, fuse
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.selectors import select
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

OWN, RANDOM = "own", "random"


def fusion(
    lm: Listener,
    corpora: Mapping[str, tuple[Clips, GateStatistics]],
    *,
    languages: Mapping[str, str] | None = None,
    selector: str = "mad",
    ways: Sequence[str] = (*FUSIONS, POOLED),
    top: float = 0.02,
    scope: str | None = None,
    pooling: str | None = None,
    filter: str = "correct",
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Fusion:
    """Are there neurons for an emotion, or only for an emotion in one corpus?

    Parameters
    ----------
    corpora
        By name: clips to measure on, and statistics of other speakers of that corpus; three or more, so that two are
        left to fuse.
    languages
        What is spoken in each; by default as its clips say.
    ways
        Ways to fuse, see `fuse`.

    Raises
    ------
    StatisticsError
        When there are fewer than three corpora, or they do not fit one another.
    CorpusError
        When no clip of a corpus can be used.
    """
    if len(corpora) < 3:
        raise StatisticsError(f"to leave one corpus out and fuse the others takes three or more, not {len(corpora)}")
    spoken = {name: _language(clips) for name, (clips, _) in corpora.items()} | dict(languages or {})
    how: dict[str, Any] = {"scope": scope, "pooling": pooling, "filter": filter}
    statistics = {name: stats for name, (_, stats) in corpora.items()}
    for stats in statistics.values():
        stats.check(lm)
    left_out: list[LeftOut] = []
    counts: list[list[int]] = []
    for name, (clips, stats) in corpora.items():
        others = {other: one for other, one in statistics.items() if other != name}
        sets = {way: fuse(others, selector, how=way, top=top, seed=seed, **how) for way in ways}
        sets[OWN] = select(stats, selector, top=top, seed=seed, **how)
        drawn, _ = random_sets(sets[ways[0]], 1, seed=seed)
        sets |= {RANDOM: drawn[0]} if drawn else {RANDOM: _nothing(sets[ways[0]])}
        counts.append([len(one) for one in sets.values()])
        run: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "strict": strict, "progress": progress}
        left_out.append(_measured(lm, clips, sets, name, spoken[name], **run))
    shared = fuse(statistics, selector, how=ways[0], top=top, seed=seed, **how)
    single = all(stats.per_clip is not None for stats in statistics.values())
    first = next(iter(statistics.values()))
    alone = [one for one in set(spoken.values()) if list(spoken.values()).count(one) == 1]
    return Fusion(
        model=lm.name,
        fingerprint=lm.fingerprint,
        selector=selector,
        selection={name: str(value) for name, value in {"top": top, **how}.items()},
        emotions=shared.emotions,
        corpora=tuple(corpora),
        languages=tuple(spoken.values()),
        sources=(*ways, OWN, RANDOM),
        seed=seed,
        neurons=np.array(counts, dtype=np.int64),
        left_out=tuple(left_out),
        levels=SOURCES,
        variance=variance_shares(statistics, spoken, shared)
        if single
        else np.full((len(first.emotions), len(SOURCES)), np.nan),
        notes=tuple(
            f"{language} is spoken in one corpus only: what is between corpora counts as between languages there"
            for language in sorted(alone)
        ),
    )


def _language(clips: Clips) -> str:
    """The language of most clips; empty where they do not say."""
    spoken = [str(one or "") for one in clips.column("language")]
    return max(sorted(set(spoken)), key=spoken.count)


def _nothing(like: NeuronSet) -> NeuronSet:
    return NeuronSet.from_indices(like.origin, {emotion: np.zeros(0, dtype=np.int64) for emotion in like.emotions})


def _measured(
    lm: Listener,
    clips: Clips,
    sets: Mapping[str, NeuronSet],
    name: str,
    language: str,
    *,
    seed: int,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> LeftOut:
    """Every source's neurons silenced on one corpus, in one pass."""
    first, *others = sets
    trials = run_trials(
        lm,
        clips.where(emotion=list(sets[first].emotions)),
        sets[first],
        {"zero": deactivate},
        # Names of their own: the trials call the first of them "own".
        others={f"by {source}": sets[source] for source in others},
        draws=0,
        draws_per_clip=None,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description=f"{name} left out",
    )
    answers = [trials.log_probs.argmax(axis=-1), *trials.others]
    changes = RecallChanges.stack(trials, [change_of(trials, one) for one in answers])
    return LeftOut(
        corpus=name,
        corpus_fingerprint=clips.fingerprint,
        language=language,
        clips=len(trials.clips),
        speakers=trials.n_speakers,
        baseline_uar=recall_without_edit(trials).interval(nan_mean, within=RATE),
        self_change=changes.self_change,
        cross_change=changes.cross_change,
        specificity=changes.specificity,
        notes=trials.notes(sets[first]),
    )
