"""Side effects: what an edit costs in tasks that have nothing to do with the emotion, with controls."""

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import numpy as np
from einops import rearrange, repeat
from jaxtyping import Float64, Int64

from esn_interp.analysis.controls import NO_CONTROL
from esn_interp.analysis.groups import GroupEffect, by_group, notes_on_groups, traits_of
from esn_interp.analysis.inference.estimates import Estimates, mean_over_sets
from esn_interp.analysis.inference.significance import CHANGE, CONTRAST, RATE, SpeakerMeans, nan_mean
from esn_interp.analysis.result import Origins, standing_notes
from esn_interp.analysis.side_effects.result import SideEffects, TextEffect
from esn_interp.errors import CorpusError, EditError, StatisticsError
from esn_interp.interventions.edits import at_random, steer
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.speech.clips import Clips
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE
from esn_interp.tasks.side_tasks import TASKS as CLIP_TASKS
from esn_interp.tasks.side_tasks import OffTarget, off_target
from esn_interp.tasks.unrelated_text import PASSAGE, read_text, sentences_of

TEXT = "text"
TASKS = (*CLIP_TASKS, TEXT)

UNLEARNT = 1000.0
"""Perplexity above which a model can't be said to know such text, so that changes say little. (Our choice.)"""

_OWN, _RANDOM = 0, 1

Edits = NeuronSet | Mapping[str, Sequence[Edit]] | Iterable[Edit]


def side_effects(
    lm: Listener,
    clips: Clips,
    edits: Edits,
    *,
    alpha: float | None = None,
    tasks: Sequence[str] = TASKS,
    text: str | Sequence[str] = PASSAGE,
    draws: int = 5,
    limit: int | None = None,
    max_new_tokens: int = 96,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> SideEffects:
    """Ask for things that are not the emotion, with and without an edit, and with random neurons in its place.

    Parameters
    ----------
    edits
        A neuron set (each emotion's neurons by themselves), edits by name, or the edits of one condition.
    alpha
        With a neuron set: gates are multiplied by ``1 + alpha``; by default they are silenced (-1).
    tasks
        Any of ``transcription`` (1 - min(WER, 1)), ``sex``, ``valence``, ``arousal`` and ``text``, how likely
        an unrelated text is without any audio.
    text
        What is read for ``text``: sentences, or a text to be cut into them; built in is prose about maps.
    draws
        How often every edit is repeated on random neurons of the same layers; 0 for no control.
    limit
        Ask about so many clips only, evenly over the emotions, drawn with ``seed``.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    EditError
        When there is nothing to edit, or ``alpha`` comes with ready-made edits.
    StatisticsError
        When the neurons come from another model.
    CorpusError
        On an unknown task, a text of one sentence, or when no clip can be used.
    """
    if unknown := [task for task in tasks if task not in TASKS]:
        raise CorpusError(f"unknown side task {unknown[0]!r}; choose from {', '.join(TASKS)}")
    conditions, notes = _conditions(lm, edits, alpha)
    origins = _origins(lm, clips, edits, allow_identification_clips=allow_identification_clips)
    random, no_control = _random(conditions, tuple(lm.widths), draws=draws, seed=seed)
    every = {BASELINE: (), **conditions, **random}
    clips = clips if limit is None else clips.limit(limit, seed=seed)
    names = list(conditions)
    read = [task for task in tasks if task != TEXT]
    costs = off_target(
        lm,
        clips,
        conditions=every,
        tasks=read,
        max_new_tokens=max_new_tokens,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
    )
    n_draws = len(random) // len(names)
    accuracy, drawn = np.split(costs.accuracy, [1 + len(names)])
    drawn = rearrange(drawn, "(draw own) task clip -> draw own task clip", own=len(names))
    changes = _by_speaker(accuracy, drawn, costs.speakers)
    passage = None
    if TEXT in tasks:
        sentences = sentences_of(text) if isinstance(text, str) else tuple(text)
        passage = _text_effect(*read_text(lm, sentences, every), sentences=sentences, conditions=len(names))
        if passage.perplexity > UNLEARNT:
            notes.append(
                f"the unedited model's perplexity of the text is {passage.perplexity:,.0f}: it has not learnt to"
                " write such text, and changes say little"
            )
    same = [
        name
        for at, name in enumerate(names, start=1)
        if np.array_equal(accuracy[at], accuracy[0], equal_nan=True)
        and (passage is None or np.array_equal(passage.log_probs[at], passage.log_probs[0]))
    ]
    if same:
        notes.append(
            f"edits under which every answer on {len(costs.clips)} clips was as right or wrong as before:"
            f" {', '.join(same)}"
        )
    groups = _groups(accuracy, clips, costs, read)
    return SideEffects(
        origins=origins,
        alpha=_gain(alpha) if isinstance(edits, NeuronSet) else float("nan"),
        draws=n_draws,
        seed=seed,
        conditions=tuple(names),
        neurons=tuple(
            len({(e.layer, n) for e in one for n in e.neurons.tolist()}) for one in conditions.values()
        ),
        tasks=tuple(read),
        baseline=Estimates.of(_means(accuracy[0], costs.speakers), within=RATE),
        change=Estimates.of(changes, within=CHANGE)[_OWN],
        random_change=Estimates.of(changes, within=CHANGE)[_RANDOM],
        mean_change=_mean(changes, _OWN),
        random_mean=_mean(changes, _RANDOM),
        minus_random=Estimates.reduced(
            changes, lambda cells: mean_over_sets(cells[..., _OWN, :, :] - cells[..., _RANDOM, :, :]), within=CONTRAST
        ),
        text=passage,
        clips=costs.clips,
        speakers=costs.speakers,
        accuracy=accuracy,
        random_accuracy=drawn,
        skipped=costs.skipped,
        notes=standing_notes(len(set(costs.speakers)), (), *notes, no_control, *notes_on_groups(groups)),
        groups=groups,
    )


def _gain(alpha: float | None) -> float:
    return -1.0 if alpha is None else float(alpha)


def _conditions(
    lm: Listener, edits: Edits, alpha: float | None
) -> tuple[dict[str, Sequence[Edit]], list[str]]:
    """The edits by name, and what must be said of them."""
    notes: list[str] = []
    if isinstance(edits, NeuronSet):
        edits.check(lm)
        if edits.empty:
            notes.append(f"no neurons for {', '.join(edits.empty)}: left out")
        conditions: dict[str, Sequence[Edit]] = {
            emotion: steer(edits[emotion], _gain(alpha)) for emotion in edits.emotions if len(edits[emotion])
        }
    elif alpha is not None:
        raise EditError("alpha goes with neurons; ready-made edits carry their own gain")
    elif isinstance(edits, Mapping):
        conditions = {name: list(one) for name, one in cast(Mapping[str, Sequence[Edit]], edits).items()}
    else:
        conditions = {"edited": list(edits)}
    if not conditions or not any(conditions.values()):
        raise EditError("there is nothing to edit: the set of neurons or edits is empty")
    if still := [name for name, one in conditions.items() if all(edit.identity for edit in one)]:
        if len(still) == len(conditions):
            raise EditError("the edits change nothing: alpha 0 and a gain of 1 leave gates as they are")
        notes.append(f"edits that leave gates as they are, so that nothing is changed: {', '.join(still)}")
    return conditions, notes


def _random(
    conditions: Mapping[str, Sequence[Edit]], widths: tuple[int, ...], *, draws: int, seed: int
) -> tuple[dict[str, Sequence[Edit]], str]:
    """The same edits on random neurons, draw by draw; or none, and why."""
    states = np.random.SeedSequence(seed).generate_state(draws * len(conditions)).tolist()
    named = [(draw, name) for draw in range(draws) for name in conditions]
    try:
        return {
            f"{name}, random {draw}": at_random(conditions[name], widths, seed=state)
            for (draw, name), state in zip(named, states, strict=True)
        }, ("" if draws else NO_CONTROL)
    except StatisticsError as error:
        return {}, f"no random control: {error}"


def _origins(lm: Listener, clips: Clips, edits: Edits, *, allow_identification_clips: bool) -> Origins:
    if isinstance(edits, NeuronSet):
        return Origins.of(lm, clips, edits, allow_identification_clips=allow_identification_clips)
    return Origins(lm.name, lm.fingerprint, clips.name, clips.fingerprint, "edits", {}, "")


# ---------------------------------------------------------------- what clips say, by speaker


def _means(values: Float64[np.ndarray, "*cell clip"], speakers: Sequence[str]) -> SpeakerMeans:
    return SpeakerMeans.over_clips(values, ~np.isnan(values), speakers)


def _by_speaker(
    accuracy: Float64[np.ndarray, "condition task clip"],
    drawn: Float64[np.ndarray, "draw own task clip"],
    speakers: Sequence[str],
) -> SpeakerMeans:
    """Changes of accuracy, [speaker, kind, condition, task]; kind 0 is the edit, 1 its random controls."""
    own = _means(accuracy[1:] - accuracy[0], speakers)
    return SpeakerMeans.stack([own, own.pool(_means(one - accuracy[0], speakers) for one in drawn)])


def _groups(
    accuracy: Float64[np.ndarray, "condition task clip"], clips: Clips, costs: OffTarget, tasks: Sequence[str]
) -> tuple[GroupEffect, ...]:
    """Who pays: the mean change of each task's accuracy over the conditions, by sex and by language."""
    change, row_of = accuracy[1:] - accuracy[0], {name: row for row, name in enumerate(clips.column("id"))}
    return by_group(
        np.nan_to_num(change),
        ~np.isnan(change),
        mean_over_sets,
        [f"change of accuracy, {task}" for task in tasks],
        speakers=costs.speakers,
        traits=traits_of(clips, [row_of[name] for name in costs.clips]),
    )


def _mean(changes: SpeakerMeans, kind: int) -> Estimates:
    return Estimates.reduced(changes, lambda cells: mean_over_sets(cells[..., kind, :, :]), within=CHANGE)


# ---------------------------------------------------------------- what a text says, by sentence


def _text_effect(
    log_probs: Float64[np.ndarray, "every sentence"],
    tokens: Int64[np.ndarray, " sentence"],
    *,
    sentences: tuple[str, ...],
    conditions: int,
) -> TextEffect:
    """Ratios of perplexities: exponentials of the mean change per token, so that bounds are those of it."""
    own, drawn = np.split(log_probs[1:] - log_probs[0], [conditions])
    draws = rearrange(drawn, "(draw condition) sentence -> draw condition sentence", condition=conditions)
    # Sentences take the place of speakers: they are what differs when the text is another one.
    total = rearrange([own, draws.sum(axis=0)], "kind condition sentence -> sentence kind condition")
    read = repeat(np.array([1, len(draws)]), "kind -> kind condition", condition=conditions)
    means = SpeakerMeans(total, tokens[:, None, None] * read)

    def ratio(changes: Estimates) -> Estimates:
        return Estimates(np.exp(-changes.value), np.exp(-changes.high), np.exp(-changes.low))

    each, mean = ratio(Estimates.of(means)), ratio(Estimates.reduced(means, nan_mean))
    return TextEffect(
        sentences=sentences,
        tokens=tokens,
        log_probs=log_probs[: 1 + conditions],
        perplexity=float(np.exp(-log_probs[0].sum() / tokens.sum())),
        ratio=each[_OWN],
        random_ratio=each[_RANDOM],
        mean_ratio=mean.at(_OWN, speakers=len(sentences)),
        random_mean=mean.at(_RANDOM, speakers=len(sentences)),
    )
