"""Dose-response: how the answers move towards an emotion as its neurons are steered, with controls."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int, Int8, Int64

from esn_interp.analysis.dose.breaking import Losses, measure_losses
from esn_interp.analysis.dose.doses import Bands, DoseAxis, dose_axis
from esn_interp.analysis.dose.result import DoseResponse
from esn_interp.analysis.groups import by_group
from esn_interp.analysis.inference.estimates import Curves, mean_over_sets
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.sigmoid import fit_curves
from esn_interp.analysis.inference.significance import quotient
from esn_interp.analysis.inference.trend import page, spearman
from esn_interp.analysis.relabelling import Null, permuted_selection
from esn_interp.analysis.result import Origins
from esn_interp.analysis.trials import UNMET, Trials, run_trials
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener


def dose_response(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    alphas: Sequence[float | int] | None = None,
    tops: Sequence[float] | None = None,
    scopes: Sequence[str] | None = None,
    bands: Bands | None = None,
    alpha: float | int = 4.0,
    stats: GateStatistics | None = None,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    relabellings: int | None = None,
    null_alpha: float | int | None = None,
    conditional_on: str = "",
    positions: Iterable[str] = EVERYWHERE,
    side_clips: int = 0,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> DoseResponse:
    """Steer with each emotion's neurons at each dose, and see how many other clips become that emotion.

    Parameters
    ----------
    alphas
        Doses are gains, from -1 (silenced) through 0 (no edit) upwards; sorted, each once. The default.
    tops
        Doses are sizes of the sets: fractions of all gates, selected from ``stats`` as ``esns`` was.
    scopes
        Doses are token scopes: some of ``audio``, ``text``, ``last`` and ``all``.
    bands
        Doses are the parts of the set that lie in bands of layers: 3 for early, middle and late thirds, or
        the first and last layer of each band.
    alpha
        The gain where it is not the dose.
    draws
        Layer-matched random sets per emotion, run at the same doses; 0 for no control.
    draws_per_clip
        How many of the draws each clip meets, dealt evenly over speakers and emotions. The default of one
        keeps the control as cheap as the curve itself and estimates the same mean; None runs all draws on all
        clips.
    relabellings, null_alpha
        How often neurons are selected anew from permuted labels and turned up as well, by one gain (the largest unless
        it is named), for a p-value that knows of the selection. Where doses are gains and ``stats`` keep single clips
        and give ``esns``, 20 by default; 0 for none.
    conditional_on
        What was chosen with the true labels and is not repeated under permuted ones, for the result to tell.
    positions
        Token scopes that are edited: any of ``audio``, ``text``, ``last``; all by default.
    side_clips
        Ask so many clips, evenly over the emotions, for free answers, transcripts and the speaker's sex at
        every dose, to see where the model breaks. Text is generated, which is slow: none by default.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    EditError
        When more than one kind of dose is given, or a dose is out of its range.
    StatisticsError
        When the neurons or the statistics come from another model, or ``tops`` has no ``stats``.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    axis = dose_axis(
        esns,
        alphas=alphas,
        tops=tops,
        scopes=scopes,
        bands=bands,
        alpha=float(alpha),
        stats=stats,
        positions=frozenset(positions),
    )
    dosed = run_doses(
        lm,
        clips,
        axis,
        draws=draws,
        draws_per_clip=draws_per_clip,
        seed=seed,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
    )
    null, flip_null = Null(None, ()), None
    if axis.name == "alpha":
        null = permuted_selection(stats, esns, relabellings=relabellings, seed=seed)
    if null.sets:
        gain = float(max(dose.alpha for dose in axis.doses) if null_alpha is None else null_alpha)
        how: dict[str, Any] = {"seed": seed, "batch_size": batch_size, "strict": strict, "progress": progress}
        trials = run_trials(
            lm,
            clips,
            esns,
            {f"{gain:g}": replace(axis.doses[0], alpha=gain).edits},
            draws=0,
            draws_per_clip=None,
            relabelled=null.sets,
            description="Steering, labels permuted",
            **how,
        )
        flip_null = _flip_null(trials, gain, conditional_on=conditional_on, **null.about)
    lost = None
    if side_clips:
        asked = clips.limit(side_clips, seed=seed)
        lost = measure_losses(lm, asked, axis, esns.emotions, batch_size=batch_size, progress=progress)
    result = _result(axis, dosed, origins, lost, seed=seed)
    return replace(result, flip_null=flip_null, notes=(*result.notes, *null.notes))


def _flip_null(trials: Trials, gain: float, **about: Any) -> SelectionNull:
    """Flip rates of the own sets at a gain, beside those of sets that were selected by permuted labels."""
    target = trials.target[:, None]
    others = ~trials.of_emotion.T[trials.target]

    def rates(answers: Int[np.ndarray, "set clip"]) -> Float64[np.ndarray, " set"]:
        return quotient(((answers == target) & others).sum(axis=1), others.sum(axis=1))

    drawn = np.stack([rates(answers[0]) for answers in trials.relabelled])
    observed = rates(trials.log_probs[0].argmax(axis=-1))
    return SelectionNull.of(f"flip rate at alpha {gain:g}", trials.sets, observed, drawn, rises=True, **about)


@dataclass(frozen=True, eq=False)
class DosedTrials:
    """What was answered; ``trials`` holds what does not depend on the dose: clips, truth, unedited answers.

    ``target_log_prob`` is in nats; ``random`` is `UNMET` where a clip did not meet a draw.
    """

    trials: Trials
    predicted: Int64[np.ndarray, "set dose clip"]
    target_log_prob: Float32[np.ndarray, "set dose clip"]
    random: Int8[np.ndarray, "draw set dose clip"]
    notes: tuple[str, ...]


def run_doses(
    lm: Listener,
    clips: Clips,
    axis: DoseAxis,
    *,
    draws: int,
    draws_per_clip: int | None,
    seed: int,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> DosedTrials:
    """Run the doses; those that share their neurons together, so that each clip is heard once for them.

    A dose of alpha 0 is not run: the unedited answers stand in. See `run_trials` for the options.
    """
    tried: list[Trials] = []
    for group in axis.groups:
        first = axis.doses[group[0]]
        treatments = {axis.doses[at].label: axis.doses[at].edits for at in group if axis.doses[at].alpha}
        of_several = f", {axis.name} {first.label}" if len(axis.groups) > 1 else ""
        tried.append(
            run_trials(
                lm,
                clips,
                first.neurons,
                treatments,
                draws=draws,
                draws_per_clip=draws_per_clip,
                seed=seed,
                batch_size=batch_size,
                strict=strict,
                progress=progress,
                description=f"Steering{of_several}",
            )
        )
    base = tried[0]
    shape = (len(base.sets), len(axis.doses), len(base.clips))
    log_probs = np.empty((*shape, len(base.emotions)), dtype=np.float32)
    log_probs[:] = base.baseline
    # Where a set is too large to leave a control, its dose has none; the others keep theirs.
    random = np.full((max(len(trials.random) for trials in tried), *shape), UNMET, dtype=np.int8)
    for group, trials in zip(axis.groups, tried, strict=True):
        drawn = slice(len(trials.random))
        unedited = np.where(trials.met, trials.baseline.argmax(axis=-1), UNMET)
        for at in group:
            random[drawn, :, at] = unedited[:, None]
        for treatment, at in enumerate(at for at in group if axis.doses[at].alpha):
            log_probs[:, at] = trials.log_probs[treatment]
            random[drawn, :, at] = trials.random[:, treatment]
    target = base.target[:, None, None, None]
    return DosedTrials(
        trials=base,
        predicted=log_probs.argmax(axis=-1),
        target_log_prob=np.take_along_axis(log_probs, target, axis=-1)[..., 0],
        random=random,
        notes=_notes(axis, tried),
    )


def _notes(axis: DoseAxis, tried: list[Trials]) -> tuple[str, ...]:
    """What all doses share is said once, the rest with the dose that it is true of."""
    notes = [
        trials.notes(axis.doses[group[0]].neurons) for group, trials in zip(axis.groups, tried, strict=True)
    ]
    shared = [note for note in notes[0] if all(note in others for others in notes)]
    return (
        *shared,
        *(
            f"{axis.name} {axis.doses[group[0]].label}: {note}"
            for group, some in zip(axis.groups, notes, strict=True)
            for note in some
            if note not in shared
        ),
    )


def _result(
    axis: DoseAxis, dosed: DosedTrials, origins: Origins, lost: Losses | None, *, seed: int
) -> DoseResponse:
    """Compute the curves, and what is fitted to them."""
    trials, predicted, target = dosed.trials, dosed.predicted, dosed.trials.target[:, None, None]
    of_target = trials.of_emotion.T[trials.target][:, None]
    flip = trials.means(predicted == target, ~of_target)
    unedited = trials.means((trials.baseline.argmax(axis=-1) == trials.target[:, None])[:, None], ~of_target)
    draws = [trials.means(answers == target, ~of_target & (answers != UNMET)) for answers in dosed.random]
    curves = Curves.of(flip)
    doses = np.array([dose.value for dose in axis.doses], dtype=np.float64)
    sigmoid, of_sets = fit_curves(doses, unedited, flip) if axis.ordered else (None, ())
    groups = by_group(
        predicted == target,
        ~of_target,
        mean_over_sets,
        [f"flip rate at {axis.name} {dose.label}" for dose in axis.doses],
        speakers=trials.speakers,
        traits=trials.traits,
    )
    notes = (sigmoid.note,) if sigmoid and sigmoid.note else ()
    return DoseResponse(
        origins=origins,
        axis=axis.name,
        labels=tuple(dose.label for dose in axis.doses),
        doses=doses,
        alphas=np.array([dose.alpha for dose in axis.doses], dtype=np.float64),
        positions=tuple(tuple(scope for scope in SCOPES if scope in dose.positions) for dose in axis.doses),
        tokens_touched=np.array([trials.tokens_touched(dose.positions) for dose in axis.doses]),
        seed=seed,
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=np.array([[len(dose.neurons[emotion]) for dose in axis.doses] for emotion in trials.sets]),
        flip=curves,
        recall=Curves.of(trials.means(predicted == target, of_target)),
        log_prob=Curves.of(trials.means(dosed.target_log_prob, ~of_target), (-np.inf, 0.0)),
        random_flip=Curves.of(flip.pool(draws)),
        random_draws=np.array([mean_over_sets(draw.value) for draw in draws]).reshape(len(draws), len(doses)),
        unedited_flip=Curves.of(unedited).at(0),
        spearman=spearman(doses, curves.mean) if axis.ordered else float("nan"),
        page_p=page(mean_over_sets(flip.per_speaker)) if axis.ordered else float("nan"),
        sigmoid=sigmoid,
        set_sigmoids=of_sets,
        lost=lost,
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        predicted=predicted,
        skipped=trials.skipped,
        notes=(*dosed.notes, *notes),
        groups=groups,
    )
