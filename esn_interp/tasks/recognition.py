"""Emotion recognition as a multiple-choice question: the prompt, the labels, the answers under conditions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int64

from esn_interp.drawing.brief import brief
from esn_interp.errors import CorpusError, EditError
from esn_interp.models.edits import Edit
from esn_interp.models.families.inputs import Prompts
from esn_interp.models.recording import PROMPT_SCOPES, tokens_by_scope
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.speech.heard import warn_of_heard
from esn_interp.tasks.batches import Skipped, batches
from esn_interp.tasks.listener import Listener, longest_clip, scores_under
from esn_interp.tasks.unmoved import unmoved, unmoved_note
from esn_interp.tasks.wording import LETTERS, Wording

FREE_QUESTION = "How does the speaker feel?"
BASELINE = "baseline"

Informed = Callable[[Int64[np.ndarray, " clip"], Float[np.ndarray, "clip emotion"]], Sequence[Edit]]
"""Edits of a batch that depend on its clips' positions in the corpus and on their unedited log-probabilities."""


@dataclass(frozen=True)
class Recognition:
    """The multiple-choice question about the speaker's emotion.

    ``emotions`` are the options that the prompt lists and, by default, the labels that are scored, in this order.
    With ``synonyms`` an emotion is scored by several words: the probabilities of its own name and of these are
    added, over all words that are scored. Where ``wording`` puts options behind letters, letters are scored.
    """

    emotions: tuple[str, ...]
    synonyms: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    wording: Wording = field(default_factory=Wording)

    def __post_init__(self) -> None:
        if len(self.emotions) < 2 or len(set(self.emotions)) != len(self.emotions):
            listed = ", ".join(self.emotions) or "none"
            raise CorpusError(f"a choice of emotions needs two or more different ones, got: {listed}")
        words = [word for emotion in self.emotions for word in self.words(emotion)]
        if shared := sorted({word for word in words if words.count(word) > 1}):
            raise CorpusError(f"the word {shared[0]!r} stands for two emotions; give each word to one only")
        if self.wording.lettered and self.synonyms:
            raise CorpusError("letters have no synonyms; score words, or leave the synonyms out")
        if strange := sorted(set(self.synonyms) - set(self.emotions)):
            raise CorpusError(f"synonyms of {strange[0]!r}, which is not among {', '.join(self.emotions)}")

    def words(self, emotion: str) -> tuple[str, ...]:
        """The words that are scored for an emotion, its name first."""
        return tuple(dict.fromkeys((emotion, *self.synonyms.get(emotion, ()))))

    @property
    def labels(self) -> tuple[str, ...]:
        """What is scored as an answer."""
        if self.wording.lettered:
            return tuple(LETTERS[: len(self.emotions)])
        return tuple(word for emotion in self.emotions for word in self.words(emotion))

    def by_emotion(
        self, scores: Float[np.ndarray, "clip label"], clips: Sequence[str] = ()
    ) -> Float[np.ndarray, "clip emotion"]:
        """Log-probabilities of the emotions, from those of the labels when these clips (by id) were asked about.

        Probabilities of synonyms are added; letters are those of the emotions that stood behind them.
        """
        if self.wording.shuffled:
            return np.take_along_axis(scores, self._letters(clips), axis=1)
        if not self.synonyms:
            return scores
        owner = np.array([at for at, emotion in enumerate(self.emotions) for _ in self.words(emotion)])
        columns = [np.logaddexp.reduce(scores[:, owner == at], axis=1) for at in range(len(self.emotions))]
        return np.stack(columns, axis=1)

    def answers(
        self, emotion: Int[np.ndarray, " clip"], clips: Sequence[str]
    ) -> Int[np.ndarray, " clip"]:
        """Which of the ``labels`` names an emotion when this clip (by id) is asked about: its name, or its letter."""
        if self.wording.shuffled:
            return np.take_along_axis(self._letters(clips), emotion[:, None], axis=1)[:, 0]
        first = np.cumsum([0, *(1 if self.wording.lettered else len(self.words(one)) for one in self.emotions)])
        return first[emotion]

    def _letters(self, clips: Sequence[str]) -> Int64[np.ndarray, "clip emotion"]:
        """The place of every emotion's letter."""
        return np.argsort([self.wording.order(clip, len(self.emotions)) for clip in clips], axis=1)

    @property
    def prompt(self) -> str:
        """The text that follows the audio, with the options in the order of the emotions."""
        return self.wording.prompt(self.emotions)

    @property
    def told(self) -> str:
        """The same, and how options are shuffled, where they are."""
        shuffled = f" (letters shuffled by clip, seed {self.wording.seed})" if self.wording.shuffled else ""
        return self.prompt + shuffled

    def asked(self, clips: Sequence[str]) -> Prompts:
        """What these clips, by their ids, are asked: the same about all, or its own order of options about each."""
        if not self.wording.shuffled:
            return self.prompt
        orders = (self.wording.order(clip, len(self.emotions)) for clip in clips)
        return [self.wording.prompt([self.emotions[at] for at in order]) for order in orders]

    def index(self, emotion: str, *, clip: str) -> int:
        """Position of an emotion among the options; ``clip`` is named when it is none of them."""
        if emotion not in self.emotions:
            raise CorpusError(
                f"clip {clip}: its emotion {emotion!r} is not among the options ({', '.join(self.emotions)});"
                " keep the clips of these emotions only, or ask for all"
            )
        return self.emotions.index(emotion)


@dataclass(frozen=True, eq=False)
class Predictions:
    """Answers of a model to one question, for every clip under every condition; clips in corpus order.

    ``log_probs`` are natural logarithms, normalised over the emotions; ``truth`` indexes ``emotions``;
    ``tokens`` counts each clip's positions by scope (audio, text, last): what an edit can touch; ``rows`` are
    the clips' positions in the corpus that was asked about. ``heard`` names the speakers whom the model
    learnt from, where there are such among them; ``plans`` say of each condition how its edits were carried out.
    ``unmoved`` are the conditions that edit something, and yet gave every clip the very scores of `BASELINE`.
    """

    conditions: tuple[str, ...]
    emotions: tuple[str, ...]
    log_probs: Float32[np.ndarray, "condition clip emotion"]
    truth: Int64[np.ndarray, " clip"]
    speaker: tuple[str, ...]
    clips: tuple[str, ...]
    rows: Int64[np.ndarray, " clip"]
    tokens: Int64[np.ndarray, "clip scope"]
    skipped: tuple[Skipped, ...] = ()
    heard: str = ""
    plans: tuple[str, ...] = ()
    unmoved: tuple[str, ...] = ()

    __repr__ = brief

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def unmoved_note(self) -> str:
        """What a reader must know of edits that changed nothing; empty where all changed something."""
        return unmoved_note(self.unmoved, len(self))

    @cached_property
    def predicted(self) -> Int[np.ndarray, "condition clip"]:
        """The most probable emotion; among equals, the first."""
        return self.log_probs.argmax(axis=2)

    @cached_property
    def correct(self) -> Bool[np.ndarray, "condition clip"]:
        """Whether each answer is right."""
        return self.predicted == self.truth

    def row(self, condition: str) -> int:
        """Position of a condition; KeyError when there is none of that name."""
        if condition not in self.conditions:
            raise KeyError(f"no condition {condition!r}; there are {', '.join(self.conditions)}")
        return self.conditions.index(condition)

    def confusion(self, condition: str = BASELINE) -> Int[np.ndarray, "truth answer"]:
        """Number of clips by true emotion (rows) and answer (columns)."""
        table = np.zeros((len(self.emotions), len(self.emotions)), dtype=np.int64)
        np.add.at(table, (self.truth, self.predicted[self.row(condition)]), 1)
        return table

    def recall(self, condition: str = BASELINE) -> Float[np.ndarray, " emotion"]:
        """Share of each emotion's clips that are labelled correctly; NaN for an emotion without clips."""
        table = self.confusion(condition)
        return _ratio(np.diag(table), table.sum(axis=1))

    def uar(self, condition: str = BASELINE) -> float:
        """Unweighted average recall over the emotions that have clips."""
        return float(np.nanmean(self.recall(condition)))

    def accuracy(self, condition: str = BASELINE) -> float:
        """Share of all clips that are labelled correctly."""
        return float(self.correct[self.row(condition)].mean())

    def macro_f1(self, condition: str = BASELINE) -> float:
        """Unweighted mean over the emotions that have clips of F1, which is 0 where nothing was hit."""
        table = self.confusion(condition)
        present = table.sum(axis=1) > 0
        f1 = _ratio(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))
        return float(f1[present].mean())


def recognise(
    lm: Listener,
    clips: Clips,
    *,
    conditions: Mapping[str, Sequence[Edit] | Informed] | None = None,
    recognition: Recognition | None = None,
    batch_size: int = 32,
    strict: bool = False,
    progress: bool = True,
    description: str = "Recognising emotions",
) -> Predictions:
    """Ask the multiple-choice question about every clip, under every condition.

    A batch is heard (encoded) once, and all conditions run on it; what is kept is one row of label scores
    per clip and condition, so the memory does not grow with the model. Conditions without an acting edit
    share one run.

    Parameters
    ----------
    conditions
        Edits by name, in the order of the result; the default is the unedited model, named ``baseline``. A
        function is called for every batch and gives the edits that depend on the unedited answers.
    recognition
        The question; by default it offers the emotions of ``clips`` in their canonical order.
    strict
        Stop at the first clip whose audio is bad, instead of skipping and listing it.

    Raises
    ------
    CorpusError
        When there is no usable clip, or a clip's emotion is not among the options.
    EditError
        When an edit drives the scores out of the finite numbers.

    Warns
    -----
    HeardWarning
        When clips are by speakers that the model learnt from.
    """
    heard = warn_of_heard(lm, clips.column("corpus"), clips.column("speaker"))
    recognition = recognition or Recognition(clips.emotions)
    plan = dict(conditions or {BASELINE: ()})
    truth = np.array(
        [
            recognition.index(emotion, clip=clip)
            for clip, emotion in zip(clips.column("id"), clips.column("emotion"), strict=True)
        ],
        dtype=np.int64,
    )
    log_probs = np.full((len(plan), len(clips), len(recognition.emotions)), np.nan, dtype=np.float32)
    tokens = np.zeros((len(clips), len(PROMPT_SCOPES)), dtype=np.int64)
    used = np.zeros(len(clips), dtype=np.bool_)
    skipped: list[Skipped] = []
    plans: dict[str, set[str]] = {name: set() for name in plan}

    with progress_bar(description, len(clips) * len(plan), enabled=progress) as advance:
        for batch in batches(
            clips, batch_size=batch_size, skipped=skipped, strict=strict, longest=longest_clip(lm)
        ):
            ids = [clip.id for clip in batch.clips]
            encoded = lm.encode(batch.waveforms, recognition.asked(ids))
            used[batch.rows] = True
            tokens[batch.rows] = tokens_by_scope(np.asarray(encoded.scopes))
            scored = _Scored(lm, recognition, encoded, plan, np.array(batch.rows, dtype=np.int64), ids)
            for at, name in enumerate(plan):
                scores, carried = scored.under(name)
                plans[name].add(carried)
                if not np.isfinite(scores).all():
                    bad = batch.clips[int(np.argmin(np.isfinite(scores).all(axis=1)))].id
                    raise EditError(
                        f"condition {name!r}: the model's scores for clip {bad} are not finite;"
                        " edit less strongly, or run the model in float32"
                    )
                log_probs[at, batch.rows] = scores
                advance(len(batch))

    if not used.any():
        reason = f"; the first of {len(skipped)} skipped: {skipped[0].reason}" if skipped else ""
        raise CorpusError(f"corpus {clips.name}: no clip to ask about{reason}")
    rows = np.flatnonzero(used)
    speakers, ids = clips.column("speaker"), clips.column("id")
    log_probs = log_probs[:, rows]
    return Predictions(
        conditions=tuple(plan),
        emotions=recognition.emotions,
        log_probs=log_probs,
        truth=truth[rows],
        speaker=tuple(str(speakers[row]) for row in rows),
        clips=tuple(str(ids[row]) for row in rows),
        rows=rows,
        tokens=tokens[rows],
        skipped=tuple(skipped),
        heard=heard,
        plans=tuple(", ".join(sorted(plans[name] - {""})) for name in plan),
        unmoved=unmoved({name: _acts(edits) for name, edits in plan.items()}, log_probs, BASELINE),
    )


@dataclass(frozen=True, eq=False)
class _Scored:
    """A batch under all conditions: those that are known beforehand together, and without edits once at most."""

    lm: Listener
    recognition: Recognition
    encoded: Any
    conditions: Mapping[str, Sequence[Edit] | Informed]
    rows: Int64[np.ndarray, " clip"]
    ids: Sequence[str]

    def under(self, name: str) -> tuple[Float[np.ndarray, "clip emotion"], str]:
        """Log-probabilities, and how the edits were carried out, where the model tells."""
        condition = self.conditions[name]
        edits = list(condition(self.rows, self._unedited)) if callable(condition) else condition
        if _changes_nothing(edits):
            return self._unedited, "none"
        return self._under([edits])[0] if callable(condition) else self._known[name]

    @cached_property
    def _unedited(self) -> Float[np.ndarray, "clip emotion"]:
        return self._known[None][0] if None in self._known else self._under([()])[0][0]

    @cached_property
    def _known(self) -> dict[str | None, tuple[Float[np.ndarray, "clip emotion"], str]]:
        """Conditions that edit the same in every batch; None is the unedited one, if anybody asks for it."""
        known = {name: edits for name, edits in self.conditions.items() if not callable(edits)}
        acting: dict[str | None, Sequence[Edit]] = {}
        if len(known) < len(self.conditions) or any(map(_changes_nothing, known.values())):
            acting[None] = ()
        acting |= {name: edits for name, edits in known.items() if not _changes_nothing(edits)}
        return dict(zip(acting, self._under(list(acting.values())), strict=True))

    def _under(self, conditions: Sequence[Sequence[Edit]]) -> list[tuple[Float[np.ndarray, "clip emotion"], str]]:
        scores, plans = scores_under(self.lm, self.encoded, self.recognition.labels, conditions)
        return [(self.recognition.by_emotion(one, self.ids), plan) for one, plan in zip(scores, plans, strict=True)]


def _acts(edits: Sequence[Edit] | Informed) -> bool:
    return callable(edits) or not _changes_nothing(edits)


def _changes_nothing(edits: Sequence[Edit]) -> bool:
    return all(edit.identity for edit in edits)


def _ratio(part: np.ndarray, whole: np.ndarray) -> Float[np.ndarray, " emotion"]:
    """Elementwise quotient, NaN where the whole is 0."""
    whole = whole.astype(np.float64)
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)
