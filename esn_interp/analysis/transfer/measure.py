"""Transfer: do neurons that were found on one corpus work on another, as well as that corpus's own do?"""

from collections.abc import Iterable, Mapping

import numpy as np

from esn_interp.analysis.dose.doses import of_emotions
from esn_interp.analysis.groups import notes_on_groups
from esn_interp.analysis.guards import check_apart
from esn_interp.analysis.overlap.pair import jaccard
from esn_interp.analysis.result import Origins
from esn_interp.analysis.transfer.carried_over import RANDOM, carried_over
from esn_interp.analysis.transfer.groups import transfer_groups
from esn_interp.analysis.transfer.result import ABLATION, EFFECTS, STEERING, OnTarget, Transfer
from esn_interp.analysis.trials import Treatment, Trials, run_trials
from esn_interp.errors import CorpusError, EditError, StatisticsError
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener


def transfer(
    lm: Listener,
    corpora: Mapping[str, tuple[Clips, NeuronSet]],
    *,
    alpha: float | int = 4.0,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Transfer:
    """Use the neurons of each corpus on the clips of every corpus, silenced and turned up.

    Corpora are compared on the emotions that all of them have clips of and all sets know; clips of others are
    left out, and the question offers the shared emotions alone, so that all are asked the same.

    Parameters
    ----------
    corpora
        By name: clips to measure on, and the neurons that were found on (other speakers of) that corpus.
    alpha
        The gain of steering.
    draws
        Random sets like the target's own, as the control; 0 for none. See `ablation` for ``draws_per_clip``.

    Raises
    ------
    StatisticsError
        With fewer than two corpora, or neurons of another model.
    CorpusError
        When the corpora share fewer than two emotions, or no clip can be used.
    EditError
        When alpha is 0, below -1 or not finite.
    """
    if len(corpora) < 2:
        there = "is one" if corpora else "are none"
        raise StatisticsError(f"transfer is between two corpora or more; there {there}")
    if RANDOM in corpora:
        raise StatisticsError(f"a corpus can't be called {RANDOM!r} here: that is the control's name")
    if not (np.isfinite(alpha) and alpha >= -1 and alpha != 0):
        raise EditError(f"alpha is a finite number from -1 upwards that changes something, not {alpha:g}")
    origins = {
        name: Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
        for name, (clips, esns) in corpora.items()
    }
    for clips, _ in corpora.values():  # on which the neurons of the others are tried as well
        for _, other in corpora.values():
            check_apart(clips, other.origin, allow_identification_clips=allow_identification_clips)
    emotions, notes = _shared_emotions(corpora)
    where, names = frozenset(positions), tuple(corpora)
    sets = {name: of_emotions(esns, emotions) for name, (_, esns) in corpora.items()}
    treatments: dict[str, Treatment] = {
        ABLATION: lambda neurons: deactivate(neurons, positions=where),
        STEERING: lambda neurons: steer(neurons, float(alpha), positions=where),
    }
    targets: list[OnTarget] = []
    drawn = 0
    for name, (clips, _) in corpora.items():
        trials = run_trials(
            lm,
            clips.where(emotion=emotions),
            sets[name],
            treatments,
            others={other: sets[other] for other in names if other != name},
            draws=draws,
            draws_per_clip=draws_per_clip,
            seed=seed,
            batch_size=batch_size,
            strict=strict,
            progress=progress,
            description=f"On {name}",
        )
        targets.append(_on_target(trials, name, names, origins[name], where))
        drawn = max(drawn, len(trials.random))
        notes += [f"{name}: {note}" for note in trials.notes(sets[name])]
        notes += [f"on {name}, {note}" for note in _undefined(targets[-1], names)]
        own = [one for one in targets[-1].groups if one.effect.endswith(f"neurons of {name}")]
        notes += [f"on {name}, {note}" for note in notes_on_groups(own)]
        notes += [f"{name}: {note}" for note in origins[name].reservations.notes]
    return Transfer(
        corpora=names,
        sources=(*names, RANDOM),
        emotions=emotions,
        positions=tuple(scope for scope in SCOPES if scope in where),
        alpha=float(alpha),
        draws=drawn,
        seed=seed,
        neurons=np.array([[len(sets[name][emotion]) for emotion in emotions] for name in names]),
        # The mean over the emotions; two empty sets share nothing.
        shared=np.array(
            [[np.nan_to_num(jaccard(a, b).diagonal()).mean() for b in sets.values()] for a in sets.values()]
        ),
        targets=tuple(targets),
        notes=tuple(notes),
    )


def _shared_emotions(
    corpora: Mapping[str, tuple[Clips, NeuronSet]],
) -> tuple[tuple[str, ...], list[str]]:
    """The emotions to compare on, in the order of the first corpus, and a note on those left out."""
    known = [set(clips.emotions) & set(esns.emotions) for clips, esns in corpora.values()]
    everywhere = set[str].intersection(*known)
    first = next(iter(corpora.values()))[0].emotions
    shared = tuple(emotion for emotion in first if emotion in everywhere)
    left_out = sorted(
        set[str].union(*known, *(set(clips.emotions) for clips, _ in corpora.values())) - everywhere
    )
    if len(shared) < 2:
        raise CorpusError(
            f"corpora {', '.join(corpora)} and their neurons share {len(shared)} emotions; transfer needs two"
        )
    return shared, [f"not compared, as not all have them: {', '.join(left_out)}"] if left_out else []


def _on_target(
    trials: Trials, name: str, names: tuple[str, ...], origins: Origins, positions: frozenset[str]
) -> OnTarget:
    """Own neurons among the others, in the order of the corpora."""
    own = trials.log_probs.argmax(axis=-1).astype(np.int64)
    others = iter(trials.others.astype(np.int64))
    predicted = np.stack([own if corpus == name else next(others) for corpus in names], axis=1)
    measured = [
        carried_over(trials, predicted[at], at, denominator=names.index(name), steering=effect == STEERING)
        for at, effect in enumerate(EFFECTS)
    ]
    return OnTarget(
        corpus=name,
        origins=origins,
        tokens_touched=trials.tokens_touched(positions),
        ablation=measured[0],
        steering=measured[1],
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        baseline_predicted=trials.baseline.argmax(axis=1).astype(np.int64),
        predicted=predicted,
        skipped=trials.skipped,
        groups=transfer_groups(trials, *predicted, sources=names),
    )


def _undefined(on: OnTarget, names: tuple[str, ...]) -> list[str]:
    own = names.index(on.corpus)
    return [
        f"the effect of its own neurons ({effect}) does not differ from 0: its transfer ratios are undefined"
        for effect in EFFECTS
        if np.isnan(on.of(effect).ratio.value[own])
    ]
