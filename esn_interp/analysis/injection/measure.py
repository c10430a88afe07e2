"""Label-agnostic injection: does steering help where the clip's label is not known, and how near to knowing it."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from einops import rearrange, repeat
from jaxtyping import Float64

from esn_interp.analysis.groups import by_group, traits_of
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.significance import (
    CHANGE,
    CONTRAST,
    RATE,
    SpeakerMeans,
    holm,
    nan_mean,
    sign_flip_tests,
)
from esn_interp.analysis.injection.injected import ORACLE, Controls, injecting
from esn_interp.analysis.injection.result import Injection
from esn_interp.analysis.result import Origins, standing_notes
from esn_interp.analysis.trials import draws_met, options
from esn_interp.errors import EditError, StatisticsError
from esn_interp.interventions.edits import distinct_alphas
from esn_interp.interventions.injection import METHODS
from esn_interp.models.edits import EVERYWHERE, SCOPES
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, PROMPT_SCOPES, Predictions, recognise

ALPHAS = (0.5, 1.0, 2.0, 4.0)
_OWN, _RANDOM = 0, 1






def injection(
    lm: Listener,
    clips: Clips,
    esns: NeuronSet,
    *,
    methods: Sequence[str] = METHODS,
    alphas: Sequence[float | int] = ALPHAS,
    draws: int = 20,
    draws_per_clip: int | None = 1,
    positions: Iterable[str] = EVERYWHERE,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Injection:
    """Steer every clip without its label, and see whether more of them are recognised.

    Each clip is heard once; its unedited answer is the first pass of the methods that need one.

    Parameters
    ----------
    methods
        Any of ``two_pass``, ``mix`` and ``union``; the oracle is always run beside them.
    alphas
        Gains, from -1 upwards.
    draws
        Layer-matched random sets for the control, used with the same weights; 0 for none.
    draws_per_clip
        How many of them each clip meets, dealt evenly over speakers and emotions; None is all.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    EditError
        On an unknown method, or an alpha that is below -1 or not finite.
    StatisticsError
        When the neurons come from another model or are none at all.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    if unknown := [method for method in methods if method not in METHODS]:
        raise EditError(f"unknown way of injecting {unknown[0]!r}; choose from {', '.join(METHODS)}")
    doses = distinct_alphas(alphas)
    if not len(esns):
        raise StatisticsError("there is nothing to inject: the set of neurons is empty")
    per_clip = draws_met(draws, draws_per_clip)
    recognition, where = options(clips, esns), frozenset(positions)
    truth = np.array(
        [
            recognition.index(emotion, clip=clip)
            for clip, emotion in zip(clips.column("id"), clips.column("emotion"), strict=True)
        ],
        dtype=np.int64,
    )
    speaker = np.unique(np.array(clips.column("speaker")), return_inverse=True)[1]
    controls = Controls.draw(esns, truth, speaker, draws=draws, per_clip=per_clip, seed=seed)
    tried = (ORACLE, *dict.fromkeys(methods))
    answers = recognise(
        lm,
        clips,
        conditions={
            BASELINE: (),
            **injecting(
                esns,
                truth,
                controls,
                methods=tried,
                alphas=doses.tolist(),
                emotions=recognition.emotions,
                positions=where,
            ),
        },
        recognition=recognition,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description="Injecting",
    )
    traits = traits_of(clips, answers.rows)
    return _result(answers, traits, origins, esns, controls, tried, doses, where, seed=seed)


def _result(
    answers: Predictions,
    traits: Mapping[str, Sequence[str]],
    origins: Origins,
    esns: NeuronSet,
    controls: Controls,
    methods: tuple[str, ...],
    doses: Float64[np.ndarray, " alpha"],
    positions: frozenset[str],
    *,
    seed: int,
) -> Injection:
    truth, before, cells = answers.truth, answers.predicted[0], (len(methods), len(doses))
    edited = rearrange(
        answers.predicted[1:], "(turn method alpha) clip -> turn method alpha clip", method=cells[0], alpha=cells[1]
    )
    change = (edited == truth).astype(np.float64) - (before == truth)
    # Own neurons and random ones; a clip's change under random ones is the mean over the draws that it met.
    drawn = len(change) > 1
    outcome = np.stack([change[0], change[1:].mean(axis=0) if drawn else np.zeros_like(change[0])])
    met = repeat(np.array([True, drawn]), "kind -> kind method alpha clip", method=1, alpha=1, clip=len(truth))
    of_emotion = answers.truth == np.arange(len(answers.emotions))[:, None]

    def recall_of(values: np.ndarray, among: np.ndarray) -> SpeakerMeans:
        by_emotion = repeat(values, "... clip -> ... emotion clip", emotion=len(of_emotion))
        return SpeakerMeans.over_clips(by_emotion, among[..., None, :] & of_emotion, answers.speaker)

    accuracy, recall = SpeakerMeans.over_clips(outcome, met, answers.speaker), recall_of(outcome, met)
    right = (before == truth).astype(np.float64)
    everyone = np.ones_like(right, dtype=np.bool_)
    per_speaker = accuracy.per_speaker[:, _OWN] - accuracy.per_speaker[:, _RANDOM]
    # The oracle is a yardstick, not one of the ways that are tested, so it is a family of its own.
    families = per_speaker[:, :1], per_speaker[:, 1:]
    tested = [
        sign_flip_tests(rearrange(one, "speaker method alpha -> speaker (method alpha)"), seed=seed) for one in families
    ]
    p_values = np.concatenate(tested).reshape(cells)
    adjusted = np.vstack([holm(p_values[0]), holm(p_values[1:].ravel()).reshape(-1, len(doses))])

    def accuracy_of(kind: int) -> Estimates:
        return Estimates.reduced(accuracy, lambda cells: cells[..., kind, :, :], within=CHANGE)

    def uar_of(kind: int) -> Estimates:
        return Estimates.reduced(recall, lambda cells: nan_mean(cells[..., kind, :, :, :]), within=CHANGE)

    return Injection(
        origins=origins,
        positions=tuple(scope for scope in SCOPES if scope in positions),
        tokens_touched=int(answers.tokens[:, [scope in positions for scope in PROMPT_SCOPES]].sum()),
        seed=seed,
        draws=len(controls.sets),
        emotions=answers.emotions,
        sets=tuple(esns.emotions),
        neurons=tuple(len(esns[emotion]) for emotion in esns.emotions),
        methods=methods,
        alphas=doses,
        baseline_accuracy=SpeakerMeans.over_clips(right, everyone, answers.speaker).interval(within=RATE),
        baseline_uar=recall_of(right, everyone).interval(nan_mean, within=RATE),
        accuracy=accuracy_of(_OWN),
        uar=uar_of(_OWN),
        random_accuracy=accuracy_of(_RANDOM),
        random_uar=uar_of(_RANDOM),
        above_random=Estimates.reduced(
            accuracy, lambda cells: cells[..., _OWN, :, :] - cells[..., _RANDOM, :, :], within=CONTRAST
        ),
        p_values=p_values,
        p_holm=adjusted,
        clips=answers.clips,
        speakers=answers.speaker,
        truth=truth,
        baseline_predicted=before,
        predicted=edited[0],
        random_predicted=edited[1:].astype(np.int8),
        skipped=answers.skipped,
        notes=_notes(answers, esns, controls.missing, tests=families[1][0].size),
        groups=by_group(
            change[0],
            np.ones_like(change[0], dtype=np.bool_),
            lambda cells: rearrange(cells, "... method alpha -> ... (method alpha)"),
            [f"accuracy change by {method} at alpha {alpha:g}" for method in methods for alpha in doses],
            speakers=answers.speaker,
            traits=traits,
        ),
    )


def _notes(answers: Predictions, esns: NeuronSet, no_control: str, *, tests: int) -> tuple[str, ...]:
    """What a reader must know before trusting the figures."""
    without = [name for name in answers.emotions if name not in esns.emotions or not len(esns[name])]
    unheard = [name for at, name in enumerate(answers.emotions) if not (answers.truth == at).any()]
    return standing_notes(
        len(set(answers.speaker)),
        answers.skipped,
        f"no neurons for {', '.join(without)}: these clips are not steered towards it" if without else None,
        f"no clip is {', '.join(unheard)}: left out of the mean recall" if unheard else None,
        no_control,
        answers.unmoved_note,
        tests=tests,
    )
