"""Ablation: what each emotion's recall loses when one emotion's neurons are taken away, with controls."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from einops import rearrange

from esn_interp.analysis.ablation.groups import ablation_groups
from esn_interp.analysis.ablation.result import Ablation, Comparison
from esn_interp.analysis.controls import CONTROLS, DECILE, RANDOM, always_on, parse_controls
from esn_interp.analysis.groups import notes_on_groups
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import RATE, holm, nan_mean, standardised_effect
from esn_interp.analysis.recall_changes import RecallChanges, change_of, recall_without_edit
from esn_interp.analysis.relabelling import Null, permuted_selection
from esn_interp.analysis.result import Origins
from esn_interp.analysis.trials import Treatment, Trials, run_trials
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate, mean_ablate, resample_ablate
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.resampling import require_single_clips
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener

HOW = ("zero", "mean", "resample")

_OWN, _RANDOM = 0, 1


def ablation(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    how: str = "zero",
    stats: GateStatistics | None = None,
    controls: str | Iterable[str] = RANDOM,
    draws: int = 20,
    draws_per_clip: int | None = None,
    donors: int = 5,
    relabellings: int | None = None,
    conditional_on: str = "",
    positions: Iterable[str] = EVERYWHERE,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Ablation:
    """Ablate each emotion's neurons in turn and measure the recall of every emotion.

    Effects are measured on all clips: judging only those that the unedited model labels correctly would make
    pure noise look like a loss. The unit of inference is the speaker.

    Parameters
    ----------
    how
        ``"zero"`` writes 0 to the gates, ``"mean"`` their mean over emotions, which needs ``stats``, and
        ``"resample"`` what they did on other clips, which needs ``stats`` with per-clip values.
    controls
        One or more of ``"random"`` (random neurons of the same layers), ``"decile"`` (the same, and as active:
        of the same decile of mean abs(g); instead of ``random``) and ``"lap"`` (the neurons that fire most).
        The last two need ``stats``. Another emotion's neurons are always there: they are the cross cells.
    draws
        Random sets per emotion, drawn from outside the emotion's own set; 0 for no random control. Where the
        own neurons leave too few to draw from, there is none, and a note says so.
    draws_per_clip
        How many of the draws each clip meets; the default is all. Fewer cost less and estimate the same mean.
    donors
        Under ``resample``: clips whose gates are written, one after the other, evenly over the emotions. All
        conditions are run once for each; their mean is the effect. (Our choice.)
    relabellings
        How often neurons are selected anew from permuted labels and ablated as well, which gives a p-value that knows
        of the selection: 99 resolve one of .01, 20 one of .05. Needs ``stats`` with per-clip values that give
        ``esns``; then 20 by default. 0 for none.
    conditional_on
        What was chosen with the true labels and is not repeated under permuted ones, for the result to tell.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    StatisticsError
        When the neurons come from another model, ``how`` or a control is unknown, or either needs ``stats``, or the
        permutations that were asked for do.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    positions = frozenset(positions)
    drawn, fixed = parse_controls(controls, stats)
    given = _donors(stats, donors, seed=seed) if how == "resample" else ()
    others = {name: always_on(stats, esns) for name in fixed if stats is not None}
    null = permuted_selection(stats, esns, relabellings=relabellings, seed=seed)
    trials = run_trials(
        lm,
        clips,
        esns,
        treatments(how, stats, given, positions),
        draws=draws if drawn else 0,
        draws_per_clip=draws_per_clip if drawn else None,
        matched_on=stats if drawn == DECILE else None,
        others=others,
        relabelled=null.sets,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Ablating",
    )
    return _result(
        trials,
        origins,
        {"own": esns, **others},
        how=how,
        donors=given,
        positions=positions,
        matched=CONTROLS[drawn].matched if drawn and len(trials.random) else (),
        null=null,
        conditional_on=conditional_on,
        seed=seed,
    )


def treatments(
    how: str, stats: GateStatistics | None, donors: Sequence[str], positions: frozenset[str]
) -> dict[str, Treatment]:
    """The kinds of ablation as edits; one for each donor under ``resample``."""
    if how not in HOW:
        raise StatisticsError(f"unknown ablation {how!r}; choose {', '.join(HOW[:-1])} or {HOW[-1]}")
    if how == "zero":
        return {how: lambda neurons: deactivate(neurons, positions=positions)}
    if stats is None:
        raise StatisticsError(
            f"{how} ablation needs the statistics that hold what is written: pass stats= (esn: --stats)"
        )
    if how == "mean":
        return {how: lambda neurons: mean_ablate(neurons, stats, positions=positions)}

    def from_clip(donor: str) -> Treatment:
        return lambda neurons: resample_ablate(neurons, stats, donor, positions=positions)

    return {f"{how} {donor}": from_clip(donor) for donor in donors}


def _donors(stats: GateStatistics | None, count: int, *, seed: int) -> tuple[str, ...]:
    """Ids of clips drawn without replacement, one emotion after the other, right or wrong alike."""
    if stats is None:
        return ()
    clips, rng = require_single_clips(stats), np.random.default_rng(seed)
    if not 1 <= count <= len(clips):
        raise StatisticsError(f"donors are 1 to {len(clips)} clips of {stats.corpus}, not {count}")
    order = rng.permutation(len(clips))
    turn = np.zeros(len(clips), dtype=np.int64)
    for emotion in range(len(stats.emotions)):
        mine = order[clips.emotion[order] == emotion]
        turn[mine] = np.arange(len(mine))
    # Within a turn the emotions are shuffled too, so that a single donor is not always of the first.
    chosen = order[np.argsort(turn[order], kind="stable")][:count]
    return tuple(clips.ids[row] for row in chosen)


def _result(
    trials: Trials,
    origins: Origins,
    sets: Mapping[str, NeuronSet],
    *,
    how: str,
    donors: tuple[str, ...],
    positions: frozenset[str],
    matched: tuple[str, ...],
    null: Null,
    conditional_on: str,
    seed: int,
) -> Ablation:
    own = trials.log_probs.argmax(axis=-1)
    draws = [change_of(trials, drawn, met) for drawn, met in zip(trials.random, trials.met, strict=True)]
    first = change_of(trials, own)
    others = [change_of(trials, answers) for answers in trials.others]
    changes = RecallChanges.stack(trials, [first, first.pool(draws), *others])
    relabelled = [change_of(trials, answers).value for answers in trials.relabelled]
    nulls = changes.selection_nulls(_OWN, relabelled, trials.sets, conditional_on=conditional_on, **null.about)
    cells, speakers, groups = changes.cells, changes.speakers, ablation_groups(trials, own)
    own_self, cross, specificity = changes.self_change, changes.cross_change, changes.specificity
    recall = recall_without_edit(trials)
    before = Estimates.of(recall, within=RATE)
    difference = changes.by_speaker(_OWN, _RANDOM)
    effects = [standardised_effect(values) for values in difference.T]
    p_values = changes.p_values(_OWN, _RANDOM, seed=seed)

    def counts(neurons: NeuronSet) -> tuple[int, ...]:
        return tuple(len(neurons[emotion]) for emotion in trials.sets)

    return Ablation(
        origins=origins,
        how=how,
        donors=donors,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        tokens_touched=trials.tokens_touched(positions),
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=counts(sets["own"]),
        baseline_uar=recall.interval(nan_mean, within=RATE),
        baseline_recall=before.value,
        baseline_low=before.low,
        baseline_high=before.high,
        change=cells.value[_OWN],
        change_low=cells.low[_OWN],
        change_high=cells.high[_OWN],
        matched=matched,
        random_change=cells.value[_RANDOM],
        random_low=cells.low[_RANDOM],
        random_high=cells.high[_RANDOM],
        random_draws=np.array([draw.value for draw in draws]).reshape(len(draws), *changes.own.shape),
        self_change=own_self.at(_OWN, speakers=speakers),
        cross_change=cross.at(_OWN, speakers=speakers),
        specificity=specificity.at(_OWN, speakers=speakers),
        random_self=own_self.at(_RANDOM, speakers=speakers),
        random_cross=cross.at(_RANDOM, speakers=speakers),
        self_minus_random=changes.self_minus(_OWN, _RANDOM),
        effect_size=standardised_effect(nan_mean(difference)),
        effect_sizes=np.array([effect.value for effect in effects]),
        effect_low=np.array([effect.low for effect in effects]),
        effect_high=np.array([effect.high for effect in effects]),
        p_values=p_values,
        p_holm=holm(p_values),
        comparisons=tuple(
            Comparison(
                name=name,
                neurons=counts(sets[name]),
                shared=counts(sets["own"] & sets[name]),
                change=cells.value[at],
                change_low=cells.low[at],
                change_high=cells.high[at],
                self_change=own_self.at(at, speakers=speakers),
                cross_change=cross.at(at, speakers=speakers),
                own_minus=changes.self_minus(_OWN, at),
                predicted=rearrange(trials.others[at - 2], "treatment set clip -> (treatment set) clip"),
            )
            for at, name in enumerate(list(sets)[1:], start=2)
        ),
        speakers_with=trials.speakers_with,
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=np.vstack(
            [trials.baseline.argmax(axis=1), rearrange(own, "treatment set clip -> (treatment set) clip")]
        ),
        random_predicted=rearrange(trials.random, "draw treatment set clip -> draw (treatment set) clip"),
        skipped=trials.skipped,
        notes=(*trials.notes(sets["own"], tests=len(trials.sets)), *notes_on_groups(groups), *null.notes),
        groups=groups,
        self_null=nulls[0],
        specificity_null=nulls[1],
    )
