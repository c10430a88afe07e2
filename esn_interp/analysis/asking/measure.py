"""Every way of asking, with the neurons that every way finds silenced or turned up: one matrix, asked by found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
from einops import rearrange, repeat
from jaxtyping import Float, Float64

from esn_interp.analysis.asking.finding import find
from esn_interp.analysis.asking.result import Asking
from esn_interp.analysis.asking.ways import Choosing, Way, usual_ways
from esn_interp.analysis.guards import check_apart_from
from esn_interp.analysis.inference.estimates import Estimates
from esn_interp.analysis.inference.permutation import SelectionNull
from esn_interp.analysis.inference.significance import CHANGE, RATE, SpeakerMeans, nan_mean
from esn_interp.analysis.recall_changes import RecallChanges
from esn_interp.analysis.relabelling import Null
from esn_interp.analysis.result import Origins, standing_notes, told
from esn_interp.errors import CorpusError
from esn_interp.interventions.edits import steer
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.speech.heard import warn_of_heard
from esn_interp.tasks.batches import Batch, Skipped, batches
from esn_interp.tasks.free_text import parse_answer
from esn_interp.tasks.listener import longest_clip, scores_under

_WRITTEN = 20
"""Tokens of a written answer, of which its letter or emotion is read."""


def asking(
    lm: Any,
    clips: Clips,
    identification: Clips,
    *,
    selector: str = "mad",
    top: float = 0.02,
    scope: str | None = None,
    pooling: str | None = None,
    filter: str = "correct",
    alpha: float = -1.0,
    ways: Mapping[str, Way] | None = None,
    found: Sequence[str] | None = None,
    relabellings: int = 0,
    written: int = 50,
    allow_identification_clips: bool = False,
    seed: int = 0,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
) -> Asking:
    """Find neurons under each way of asking, and edit them under every other.

    A neuron that hears anger matters however one asks; one that serves a letter, or the word "angry", matters only
    where that is the answer. Both look the same to a study that asks in one way.

    Parameters
    ----------
    clips, identification
        What effects are measured on, and what neurons are found on: other speakers.
    selector, top, scope, pooling, filter
        How neurons are selected under every way; see `select`.
    alpha
        By how much they are turned up; -1 silences them.
    ways
        Ways to ask, by name; see `esn_interp.analysis.asking.ways` for the usual six.
    found
        Under which of them neurons are looked for: those that choose an emotion; by default those of these under which
        the model does better than guessing, since lucky answers find no neurons. The result names those left out.
    relabellings
        Times that the same selection is repeated from labels permuted within speakers, for the null; each costs as much
        as the neurons themselves. 0 for none.
    written
        So many clips are asked for a written answer as well, unedited, to see whether it says what the scores say.
    allow_identification_clips
        Evaluate on clips that found the neurons, too, which is refused otherwise; the result says so.

    Raises
    ------
    StatisticsError
        When neurons can't be found under a way that is named, for want of correct answers for example, or under none;
        when labels can't be permuted.
    CorpusError
        When clips and identification clips are of other emotions or overlap, or no clip can be used.
    """
    tried = dict(usual_ways(seed) if ways is None else ways)
    names = [name for name, way in tried.items() if isinstance(way, Choosing)] if found is None else list(found)
    emotions = tuple(identification.emotions)
    if set(clips.emotions) - set(emotions):
        raise CorpusError(f"corpus {clips.name} has emotions that {identification.name} lacks; keep the same ones")
    if unknown := [name for name in names if not isinstance(tried.get(name), Choosing)]:
        raise CorpusError(f"{unknown[0]!r} is no way of choosing an emotion, so no neurons are found under it")
    check_apart_from(clips, identification, lm, allow_identification_clips=allow_identification_clips)
    how: dict[str, Any] = {"batch_size": batch_size, "strict": strict, "progress": progress, "seed": seed}
    size: dict[str, Any] = {"top": top, "scope": scope, "pooling": pooling, "filter": filter}
    ones = {name: cast(Choosing, tried[name]) for name in names}
    every = find(
        lm, identification, ones, selector, size, relabellings=relabellings, guessed=found is not None, **how
    )
    sets, nulls = every.sets, every.nulls
    edits = [
        [] if not len(one[emotion]) else list(steer(one[emotion], alpha))
        for own, null in zip(sets.values(), nulls, strict=True)
        for one in (own, *null.sets)
        for emotion in emotions
    ]
    heard = warn_of_heard(lm, clips.column("corpus"), clips.column("speaker"))
    answers = _answered(
        lm, clips, tried, emotions, edits, written=written, batch_size=batch_size, strict=strict, progress=progress
    )
    return _result(
        answers,
        Origins.of(lm, clips, next(iter(sets.values())), allow_identification_clips=allow_identification_clips),
        sets,
        nulls,
        left_out=every.left_out,
        titles={name: way.title for name, way in tried.items()},
        emotions=emotions,
        alpha=alpha,
        kept=every.kept,
        heard=heard,
        seed=seed,
    )


class _Answers:
    """What was answered rightly: ``right[way, condition, clip]``, the first condition unedited; NaN where unknown."""

    def __init__(self, ways: int, conditions: int, clips: Clips) -> None:
        self.right = np.full((ways, conditions, len(clips)), np.nan)
        self.same: list[list[bool]] = [[] for _ in range(ways)]
        self.used = np.zeros(len(clips), dtype=np.bool_)
        self.skipped: list[Skipped] = []
        self.clips = clips


def _answered(
    lm: Any,
    clips: Clips,
    ways: Mapping[str, Way],
    emotions: tuple[str, ...],
    edits: Sequence[Sequence[Edit]],
    *,
    written: int,
    batch_size: int,
    strict: bool,
    progress: bool,
) -> _Answers:
    """Ask about every clip in every way, unedited and under every edit."""
    conditions: list[Sequence[Edit]] = [(), *edits]
    answers, asked = _Answers(len(ways), len(conditions), clips), 0
    how: dict[str, Any] = {"batch_size": batch_size, "strict": strict, "longest": longest_clip(lm)}
    with progress_bar("Asking in every way", len(clips) * len(ways), enabled=progress) as advance:
        for batch in batches(clips, skipped=answers.skipped, **how):
            answers.used[batch.rows] = True
            for number, way in enumerate(ways.values()):
                scored: list[list[np.ndarray]] = []
                for prompts, labels in way.questions(emotions, batch.clips):
                    encoded = lm.encode(batch.waveforms, prompts)
                    scored.append(scores_under(lm, encoded, labels, conditions)[0])
                for at, scores in enumerate(zip(*scored, strict=True)):
                    answers.right[number, at, batch.rows] = way.right(emotions, batch.clips, scores)
                if asked < written and isinstance(way, Choosing):
                    some = batch.take(slice(0, written - asked))
                    answers.same[number] += _written(lm, way, emotions, some, scored[0][0])
                advance(len(batch))
            asked += len(batch)
    if not answers.used.any():
        raise CorpusError(f"corpus {clips.name}: no clip to ask about")
    return answers


def _written(
    lm: Any, way: Choosing, emotions: tuple[str, ...], some: Batch, scores: Float[np.ndarray, "clip label"]
) -> list[bool]:
    """Whether greedy written answers, without an edit, name what scores highest."""
    recognition, ids = way.asked(emotions), [clip.id for clip in some.clips]
    texts = lm.generate(some.waveforms, recognition.asked(ids), max_new_tokens=_WRITTEN)
    likeliest = recognition.by_emotion(scores[: len(ids)], ids).argmax(axis=1)
    said = [parse_answer(text, recognition, clip) for text, clip in zip(texts, ids, strict=True)]
    return [one == emotions[best] for one, best in zip(said, likeliest, strict=True)]


def _result(
    answers: _Answers,
    origins: Origins,
    sets: Mapping[str, NeuronSet],
    nulls: Sequence[Null],
    *,
    left_out: tuple[str, ...],
    titles: dict[str, str],
    emotions: tuple[str, ...],
    alpha: float,
    kept: Sequence[tuple[int, ...]],
    heard: str,
    seed: int,
) -> Asking:
    rows = np.flatnonzero(answers.used)
    clips, right = answers.clips, answers.right[..., rows]
    speakers = tuple(str(clips.column("speaker")[row]) for row in rows)
    truth = np.array([emotions.index(clips.column("emotion")[row]) for row in rows])
    of_emotion = truth == np.arange(len(emotions))[:, None]
    known = ~np.isnan(right[:, 0])
    change = rearrange(
        np.nan_to_num(right[:, 1:] - right[:, :1]),
        "way (found draw set) clip -> draw way found set clip",
        found=len(sets),
        set=len(emotions),
    )
    own = np.eye(len(emotions), dtype=np.bool_)
    every = np.ones(len(emotions), dtype=np.bool_)  # what one way never gets right, another may
    shape = (len(titles), len(sets))

    def changes(one: Float64[np.ndarray, "way found set clip"]) -> RecallChanges:
        cells = repeat(one, "way found set clip -> (way found) set emotion clip", emotion=len(emotions))
        among = known[:, None, :] & of_emotion  # way emotion clip
        among = repeat(among, "way emotion clip -> (way found) 1 emotion clip", found=len(sets))
        return RecallChanges(SpeakerMeans.over_clips(cells, among, speakers), own, every)

    real = changes(change[0])
    asked_so = np.array([[way == name for name in sets] for way in titles])

    def elsewhere(cells: np.ndarray) -> np.ndarray:
        specific = real.self_of(cells) - real.cross_of(cells)
        table = specific.reshape(*specific.shape[:-1], *shape)
        return nan_mean(np.swapaxes(np.where(asked_so, np.nan, table), -1, -2))

    before = SpeakerMeans.over_clips(
        repeat(np.nan_to_num(right[:, 0]), "way clip -> way emotion clip", emotion=len(emotions)),
        known[:, None, :] & of_emotion,
        speakers,
    )
    specific = real.specificity.mapped(lambda values: values.reshape(shape))
    compared = _compared(
        [real.means.value, *(changes(one).means.value for one in change[1:])],
        contrast=lambda cells: (real.self_of(cells) - real.cross_of(cells)).reshape(shape),
        elsewhere=elsewhere,
        titles=titles,
        nulls=nulls,
        rises=alpha > 0,
    )
    p = np.stack([one.p_values for one in compared], axis=1) if compared else np.full(shape, np.nan)
    permuted = dict.fromkeys(note for null in nulls for note in null.notes)
    return Asking(
        clips=tuple(str(clips.column("id")[row]) for row in rows),
        speakers=speakers,
        skipped=tuple(answers.skipped),
        notes=told(*standing_notes(len(set(speakers)), answers.skipped, heard or None), *left_out, *permuted),
        origins=origins,
        seed=seed,
        emotions=emotions,
        asked=tuple(titles),
        titles=tuple(titles.values()),
        found=tuple(sets),
        alpha=alpha,
        kept=np.array(kept, dtype=np.int64),
        neurons=np.array([[len(one[emotion]) for emotion in emotions] for one in sets.values()], dtype=np.int64),
        shared=_shared(sets, emotions),
        baseline=Estimates.reduced(before, nan_mean, within=RATE),
        self_change=real.self_change.mapped(lambda values: values.reshape(shape)),
        cross_change=real.cross_change.mapped(lambda values: values.reshape(shape)),
        specificity=specific,
        elsewhere=Estimates.reduced(real.means, elsewhere),
        by_emotion=Estimates.reduced(
            real.means, lambda cells: np.diagonal(cells, axis1=-2, axis2=-1), within=CHANGE
        ).mapped(lambda values: values.reshape(*shape, -1)),
        p_values=p,
        draws=len(change) - 1,
        nulls=compared,
        written=np.array([np.mean(one) if one else np.nan for one in answers.same]),
    )


def _compared(
    drawn: Sequence[Float64[np.ndarray, "way_found set emotion"]],
    *,
    contrast: Callable[[np.ndarray], Float64[np.ndarray, "way found"]],
    elsewhere: Callable[[np.ndarray], Float64[np.ndarray, " found"]],
    titles: Mapping[str, str],
    nulls: Sequence[Null],
    rises: bool,
) -> tuple[SelectionNull, ...]:
    """What neurons of each way do beside what those of permuted labels do; the first of ``drawn`` is the real one.

    The tests of one null are the ways of asking; its one number for all is the mean over the ways other than its own.
    """
    if len(drawn) < 2:
        return ()
    tables, others = np.stack([contrast(one) for one in drawn]), np.stack([elsewhere(one) for one in drawn])
    return tuple(
        SelectionNull.of(
            "self minus cross change, by way of asking",
            tuple(titles.values()),
            tables[0, :, at],
            tables[1:, :, at],
            rises=rises,
            whole=(others[0, at], others[1:, at]),
            **null.about,
        )
        for at, null in enumerate(nulls)
    )


def _shared(sets: Mapping[str, NeuronSet], emotions: tuple[str, ...]) -> Float64[np.ndarray, "found found"]:
    """Jaccard index of the neurons of the same emotion, the mean over the emotions."""
    index = {name: [set(one[emotion].indices().tolist()) for emotion in emotions] for name, one in sets.items()}

    def jaccard(a: set[int], b: set[int]) -> float:
        return len(a & b) / len(a | b) if a | b else float("nan")

    def shared(one: list[set[int]], other: list[set[int]]) -> float:
        return float(np.nanmean([jaccard(a, b) for a, b in zip(one, other, strict=True)]))

    return np.array([[shared(one, other) for other in index.values()] for one in index.values()])

