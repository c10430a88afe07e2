"""Grounding: are an emotion's neurons driven by the audio or by the text of the prompt?"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from einops import rearrange
from jaxtyping import Float, Float64

from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.grounding.donors import NOBODY, Donors, find_donors, limit_matched
from esn_interp.analysis.grounding.interchange import PATCHED, Interchange, Recordable, interchange
from esn_interp.analysis.grounding.result import ALL, AUDIO, GROUPS, TEXT, Grounding
from esn_interp.analysis.inference.estimates import BySet
from esn_interp.analysis.inference.significance import CHANGE, RATE, SpeakerMeans, nan_mean, quotient
from esn_interp.analysis.result import Origins, told
from esn_interp.analysis.trials import Treatment, Trials, options, run_trials
from esn_interp.errors import StatisticsError
from esn_interp.interventions.edits import deactivate
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.recognition import Recognition
from esn_interp.tasks.side_tasks import TRANSCRIPTION

WORDING = "Listen to the voice. How does the speaker feel?"


def other_prompts(recognition: Recognition) -> dict[str, str]:
    """What differs from the usual question in the order of its options, in its wording, or altogether."""
    backwards = replace(recognition, emotions=recognition.emotions[::-1])
    reworded = replace(recognition, wording=replace(recognition.wording, question=WORDING))
    return {"order": backwards.prompt, "wording": reworded.prompt, "task": TRANSCRIPTION}


def grounding(
    lm: Recordable,
    clips: Clips,
    esns: NeuronSet,
    *,
    prompts: Mapping[str, str] | None = None,
    limit: int | None = None,
    draws: int = 4,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Grounding:
    """Exchange the gates of each emotion's neurons between clips, and between prompts.

    Parameters
    ----------
    prompts
        The other prompts, by name; see `other_prompts` for the usual three. The audio share compares the
        recordings with these prompts, so it depends on how different they are.
    limit
        Use this many clips at most, in whole groups of one speaker and sentence, so that they can be paired.
    draws
        Layer-matched random sets; every batch of clips meets one of them in turn, 0 for no control.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    StatisticsError
        When the neurons come from another model, all sets are empty, there is no other prompt, or no clip has
        a donor.
    CorpusError
        When no clip can be used, or the emotions of clips and neurons do not fit.
    """
    origins = Origins.of(lm, clips, esns, allow_identification_clips=allow_identification_clips)
    if not len(esns):
        raise StatisticsError(f"no neuron to patch: the sets of {', '.join(esns.emotions)} are all empty")
    recognition = options(clips, esns)
    clips = clips if limit is None else limit_matched(clips, limit, seed=seed)
    others = other_prompts(recognition) if prompts is None else dict(prompts)
    if not others or recognition.prompt in others.values():
        raise StatisticsError("prompts: give one or more that differ from the question that is asked")
    donors = find_donors(clips, esns.emotions)
    if (donors.row == NOBODY).all():
        raise StatisticsError(
            f"corpus {clips.name}: no speaker has clips of two emotions, so no clip has a donor of another emotion"
        )
    # Where there is none, the trials below tell why.
    random, _ = random_sets(esns, draws, seed=seed)
    exchanged = interchange(
        lm,
        clips,
        esns,
        donors,
        recognition=recognition,
        prompts=others,
        random=random,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
    )
    trials = run_trials(
        lm,
        clips.take(exchanged.rows),
        esns,
        {scope: _silenced(positions) for scope, positions in PATCHED.items()},
        draws=draws,
        draws_per_clip=1,
        seed=seed,
        batch_size=batch_size,
        strict=True,
        progress=progress,
        description="Silencing by scope",
    )
    return _result(
        exchanged, trials, donors, esns, others, origins, recognition, seed=seed
    )


def _silenced(positions: frozenset[str]) -> Treatment:
    return lambda neurons: deactivate(neurons, positions=positions)


def _result(
    exchanged: Interchange,
    trials: Trials,
    donors: Donors,
    esns: NeuronSet,
    prompts: dict[str, str],
    origins: Origins,
    recognition: Recognition,
    *,
    seed: int,
) -> Grounding:
    served = (donors.row[:, exchanged.rows] != NOBODY) & ~np.isnan(exchanged.change[0, ALL])
    moved = _means(trials, np.abs(exchanged.change))
    random_moved = _means(trials, np.abs(exchanged.random)[:, None])
    own, control = _losses(trials)
    value, low, high = exchanged.moves.reduced(lambda moves: _share(moves.sum(axis=-2)), within=RATE)
    same = donors.same_words[:, exchanged.rows][served]
    result = Grounding(
        origins=origins,
        prompt=recognition.prompt,
        prompts=prompts,
        seed=seed,
        draws=len(trials.random),
        emotions=trials.emotions,
        sets=trials.sets,
        neurons=tuple(len(esns[emotion]) for emotion in trials.sets),
        kinds=exchanged.kinds,
        groups=GROUPS,
        scopes=tuple(PATCHED),
        effect=BySet.of(_means(trials, exchanged.change)),
        moved=BySet.of(moved, within=(0.0, np.inf)),
        flipped=BySet.of(_means(trials, exchanged.flipped), within=RATE),
        random_effect=BySet.of(_first_scope(_means(trials, exchanged.random[:, None]))),
        share=BySet.computed(moved, lambda cells: _set_share(cells, ALL), within=RATE),
        random_share=BySet.computed(random_moved, lambda cells: _set_share(cells, 0), within=RATE),
        ablation=BySet.of(own, within=CHANGE),
        random_ablation=BySet.of(control, within=CHANGE),
        emotion=esns.emotion,
        layer=esns.layer,
        neuron=esns.neuron,
        gate_moves=exchanged.moves.value,
        neuron_share=value,
        neuron_low=low,
        neuron_high=high,
        same_words=float(same.mean()) if len(same) else float("nan"),
        averaged=exchanged.averaged,
        clips=trials.clips,
        speakers=trials.speakers,
        truth=trials.truth,
        change=exchanged.change,
        skipped=exchanged.skipped,
        notes=trials.notes(esns),
    )
    return replace(result, notes=(*result.notes, *_notes(result, served.any(axis=1), esns)))


def _means(trials: Trials, outcome: Float[np.ndarray, "kind scope set clip"]) -> SpeakerMeans:
    """Means by kind, group, scope and set, over the clips in which the outcome is known."""
    own = trials.of_emotion.T[trials.target]
    among = np.stack([~own, own])[:, None] & ~np.isnan(outcome)[:, None]
    return trials.means(np.where(among, outcome[:, None], 0.0), among)


def _first_scope(means: SpeakerMeans) -> SpeakerMeans:
    return SpeakerMeans(means.total[..., 0, :], means.count[..., 0, :])


def _set_share(
    moved: Float64[np.ndarray, "*batch kind group scope set"], scope: int
) -> Float64[np.ndarray, "*batch set"]:
    """Audio share with both groups of clips weighing the same, as far as they are known."""
    return _share(nan_mean(rearrange(moved[..., scope, :], "... group set -> ... set group")))


def _share(moved: Float64[np.ndarray, "*batch kind set"]) -> Float64[np.ndarray, "*batch set"]:
    """Audio share ``A / (A + T)``; NaN where nothing moves."""
    audio, text = moved[..., AUDIO, :], moved[..., TEXT:, :].mean(axis=-2)
    return quotient(audio, audio + text)


def _losses(trials: Trials) -> tuple[SpeakerMeans, SpeakerMeans]:
    """Change of each emotion's recall under its own neurons' ablation, by scope and set; and under random ones."""
    of_set = trials.of_emotion.T[trials.target]
    before = (trials.baseline.argmax(axis=1) == trials.truth).astype(np.int64)
    own = trials.means((trials.log_probs.argmax(axis=3) == trials.truth) - before, of_set)
    drawn = zip(trials.random, trials.met, strict=True)
    return own, own.pool(trials.means((answers == trials.truth) - before, of_set & met) for answers, met in drawn)


def _notes(result: Grounding, served: np.ndarray, esns: NeuronSet) -> tuple[str, ...]:
    return told(
        *(
            f"{emotion}: no clip has a donor of it, so its gates were not exchanged"
            for at, emotion in enumerate(result.sets)
            if not served[at] and len(esns[emotion])
        ),
        f"{1 - result.same_words:.0%} of the donors say other words than the clip, so that emotion is not all"
        " that differs"
        if result.same_words < 1
        else None,
        f"{result.averaged:.0%} of the donors differ from the clip in length: over the audio, their means were"
        " exchanged, not their course"
        if result.averaged > 0
        else None,
        _still(result),
    )


def _still(result: Grounding) -> str | None:
    """The exchanges that moved no digit of any clip, which look like an effect of 0 and are none."""
    still = [
        f"{kind}, {scope}, {emotion}"
        for at, kind in enumerate(result.kinds)
        for place, scope in enumerate(result.scopes)
        for row, emotion in enumerate(result.sets)
        if len(found := result.change[at, place, row][~np.isnan(result.change[at, place, row])]) and not found.any()
    ]
    return f"{len(still)} exchanges changed nothing, in no digit of any clip, such as {still[0]}" if still else None
