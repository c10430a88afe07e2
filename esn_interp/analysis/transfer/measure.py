"""Transfer: do neurons that were found on one corpus work on another, as well as that corpus's own do?"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from esn_interp.analysis.dose.doses import of_emotions
from esn_interp.analysis.inference.significance import Interval
from esn_interp.analysis.result import Origins, Result
from esn_interp.analysis.transfer.carried_over import RANDOM, CarriedOver, carried_over
from esn_interp.analysis.trials import Treatment, Trials, run_trials
from esn_interp.errors import CorpusError, EditError, StatisticsError
from esn_interp.interventions.edits import deactivate, steer
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener

if TYPE_CHECKING:
    import plotly.graph_objects as go

ABLATION, STEERING = "ablation", "steering"
EFFECTS = (ABLATION, STEERING)


@dataclass(frozen=True, eq=False)
class OnTarget:
    """What every corpus's neurons do on the clips of one corpus.

    ``ablation.change[k, i, j]`` is the change of recall of emotion j when the neurons of emotion i that came
    from source k are silenced; ``steering.change[k, i, j]`` the change of the share of clips of other
    emotions than j that are labelled j when these neurons are turned up. ``predicted`` indexes the emotions:
    without an edit, and by effect, source and set.
    """

    corpus: str
    origins: Origins
    tokens_touched: int
    ablation: CarriedOver
    steering: CarriedOver
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    baseline_predicted: Int64[np.ndarray, " clip"]
    predicted: Int64[np.ndarray, "effect source set clip"]
    skipped: tuple[Skipped, ...]

    def of(self, effect: str) -> CarriedOver:
        """``ablation`` or ``steering``."""
        if effect not in EFFECTS:
            raise StatisticsError(f"unknown effect {effect!r}; choose ablation or steering")
        return self.ablation if effect == ABLATION else self.steering


@dataclass(frozen=True, eq=False)
class Transfer(Result):
    """Neurons of each corpus, used on the clips of each.

    The effect of ablation is its specificity: the mean change of recall of the neurons' own emotion minus
    that of the others. The effect of steering is the flip gain: the share of other emotions' clips that are
    labelled as the target, minus that share without an edit (our choice: what the model mistakes by itself is
    no effect). The transfer ratio is the effect of a source's
    neurons over the effect of the target's own: 1 is as good, 0 is nothing. Its interval is paired over the
    target's speakers; it is undefined (NaN) where the interval of the denominator holds 0.

    ``sources`` are the corpora and ``random``, layer-matched random neurons in place of the target's own.
    ``neurons`` counts each corpus's sets; ``shared`` is the Jaccard index of two corpora's sets, the mean over
    the emotions: sets that are mostly the same neurons transfer as a matter of course.
    """

    kind: ClassVar[str] = "transfer"

    corpora: tuple[str, ...]
    sources: tuple[str, ...]
    emotions: tuple[str, ...]
    positions: tuple[str, ...]
    alpha: float
    draws: int
    seed: int
    neurons: Int64[np.ndarray, "corpus set"]
    shared: Float64[np.ndarray, "corpus corpus"]
    targets: tuple[OnTarget, ...]
    notes: tuple[str, ...]

    def target(self, corpus: str) -> OnTarget:
        """What was measured on one corpus."""
        if corpus not in self.corpora:
            raise StatisticsError(f"unknown corpus {corpus!r}; there are {', '.join(self.corpora)}")
        return self.targets[self.corpora.index(corpus)]

    def ratio(self, source: str, target: str, effect: str = ABLATION) -> Interval:
        """Transfer ratio of one corpus's neurons (or ``random``) on another."""
        if source not in self.sources:
            raise StatisticsError(f"unknown source {source!r}; there are {', '.join(self.sources)}")
        at = self.target(target).of(effect)
        return at.interval(at.ratio, self.sources.index(source))

    def to_frame(self) -> pd.DataFrame:
        """One row per target, effect, source and quantity (self, cross, effect, ratio)."""
        rows = [
            {
                **{"target": on.corpus, "effect": effect, "source": source, "quantity": quantity},
                **{"value": estimates.value[k], "low": estimates.low[k], "high": estimates.high[k]},
                "speakers": on.of(effect).speakers,
            }
            for on in self.targets
            for effect in EFFECTS
            for quantity, estimates in on.of(effect).quantities.items()
            for k, source in enumerate(self.sources)
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The result in one sentence: transfer ratios with 95 % intervals."""
        parts = [
            f"{source} to {target} {effect} {_ratio(self.ratio(source, target, effect))}"
            for source in self.corpora
            for target in self.corpora
            if source != target
            for effect in EFFECTS
        ]
        return (
            f"Neurons of another corpus have this share of the effect of a corpus's own: {'; '.join(parts)}"
            f" (1 is as good; steering at alpha {self.alpha:g}; the sets share"
            f" {self.shared[np.triu_indices(len(self.corpora), 1)].mean():.0%} of their neurons)."
        )

    def plot(self) -> "go.Figure":
        """Effects of own, transferred and random neurons on each corpus, and the ratios."""
        from esn_interp.analysis.transfer.figure import transfer_effects

        return transfer_effects(self)


def _ratio(ratio: Interval) -> str:
    return "undefined" if np.isnan(ratio.value) else f"{ratio:.2f}"


def transfer(
    lm: Listener,
    corpora: Mapping[str, tuple[Clips, NeuronSet]],
    *,
    alpha: float | int = 4.0,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
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
        raise StatisticsError(f"transfer is between two corpora or more; there {_are(len(corpora))}")
    if RANDOM in corpora:
        raise StatisticsError(f"a corpus can't be called {RANDOM!r} here: that is the control's name")
    if not (np.isfinite(alpha) and alpha >= -1 and alpha != 0):
        raise EditError(f"alpha is a finite number from -1 upwards that changes something, not {alpha:g}")
    for _, esns in corpora.values():
        esns.check(lm)
    emotions, notes = _shared_emotions(corpora)
    where, names = frozenset(positions), tuple(corpora)
    sets = {name: of_emotions(esns, emotions) for name, (_, esns) in corpora.items()}
    treatments: dict[str, Treatment] = {
        ABLATION: lambda neurons: deactivate(neurons, positions=where),
        STEERING: lambda neurons: steer(neurons, float(alpha), positions=where),
    }
    targets: list[OnTarget] = []
    drawn = 0
    for name, (clips, esns) in corpora.items():
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
        targets.append(_on_target(trials, name, names, Origins.of(lm, clips, esns), where))
        drawn = max(drawn, len(trials.random))
        notes += [f"{name}: {note}" for note in trials.notes(sets[name])]
        notes += [f"on {name}, {note}" for note in _undefined(targets[-1], names)]
        if esns.origin.corpus_fingerprint == clips.fingerprint:
            notes.append(f"{name}: its own neurons were found on these very clips, which favours them")
    return Transfer(
        corpora=names,
        sources=(*names, RANDOM),
        emotions=emotions,
        positions=tuple(scope for scope in SCOPES if scope in where),
        alpha=float(alpha),
        draws=drawn,
        seed=seed,
        neurons=np.array([[len(sets[name][emotion]) for emotion in emotions] for name in names]),
        shared=_shared_neurons([sets[name] for name in names]),
        targets=tuple(targets),
        notes=tuple(notes),
    )


def _are(count: int) -> str:
    return "is one" if count == 1 else "are none"


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


def _shared_neurons(sets: list[NeuronSet]) -> Float64[np.ndarray, "corpus corpus"]:
    """Mean over the emotions of the Jaccard index of two corpora's sets; 0 where both are empty."""

    def jaccard(one: NeuronSet, other: NeuronSet, emotion: str) -> float:
        mine, theirs = one.indices(emotion), other.indices(emotion)
        return len(np.intersect1d(mine, theirs)) / max(len(np.union1d(mine, theirs)), 1)

    return np.array([[np.mean([jaccard(a, b, e) for e in a.emotions]) for b in sets] for a in sets])


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
    )


def _undefined(on: OnTarget, names: tuple[str, ...]) -> list[str]:
    own = names.index(on.corpus)
    return [
        f"the effect of its own neurons ({effect}) does not differ from 0: its transfer ratios are undefined"
        for effect in EFFECTS
        if np.isnan(on.of(effect).ratio.value[own])
    ]
