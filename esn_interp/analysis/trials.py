"""Neuron sets and their random controls, tried on every clip: what effects are computed from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int, Int8, Int64, Shaped

from esn_interp.analysis.controls import random_sets
from esn_interp.analysis.groups import traits_of
from esn_interp.analysis.inference.significance import RATE, SpeakerMeans, nan_mean, quotient
from esn_interp.analysis.result import standing_notes, told
from esn_interp.drawing.brief import brief
from esn_interp.errors import CorpusError, StatisticsError
from esn_interp.models.edits import Edit
from esn_interp.neurons.neuron_set import NeuronSet
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.progress import track
from esn_interp.speech.clips import Clips
from esn_interp.tasks.batches import Skipped
from esn_interp.tasks.listener import Listener
from esn_interp.tasks.recognition import BASELINE, PROMPT_SCOPES, Recognition, recognise
from esn_interp.tasks.unmoved import unmoved_note
from esn_interp.tasks.wording import Wording

Treatment = Callable[[NeuronSet], Sequence[Edit]]
"""How a set of neurons is edited: silenced, steered with some alpha, ..."""

HARDLY = 0.25
"""Less of the way from chance to everything right than this is hardly doing the task; our choice."""

UNMET = -1
"""Stands for the answer of a clip that did not meet a random draw."""


@dataclass(frozen=True, eq=False)
class Trials:
    """Answers of every clip without an edit, with each emotion's own neurons edited, and with random ones.

    ``random`` holds the answers under the random sets, `UNMET` where a clip did not meet a draw, and
    ``others`` those under further sets that are compared, ``relabelled`` those under sets that were selected by
    permuted labels; ``no_control`` says why there is no random set, where that is so. ``unmoved`` are own sets whose
    edits changed no score of any clip. ``tokens`` counts each clip's positions in the scopes audio, text and last, and
    ``traits`` are its sex and language, where the corpus knows.
    """

    emotions: tuple[str, ...]
    sets: tuple[str, ...]
    treatments: tuple[str, ...]
    clips: tuple[str, ...]
    speakers: tuple[str, ...]
    truth: Int64[np.ndarray, " clip"]
    tokens: Int64[np.ndarray, "clip scope"]
    baseline: Float32[np.ndarray, "clip emotion"]
    log_probs: Float32[np.ndarray, "treatment set clip emotion"]
    random: Int8[np.ndarray, "draw treatment set clip"]
    others: Int8[np.ndarray, "other treatment set clip"]
    relabelled: Int8[np.ndarray, "permutation treatment set clip"]
    skipped: tuple[Skipped, ...]
    no_control: str = ""
    heard: str = ""
    plans: tuple[str, ...] = ()
    unmoved: tuple[str, ...] = ()
    traits: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    __repr__ = brief

    @cached_property
    def target(self) -> Int64[np.ndarray, " set"]:
        """Position of each set's emotion among the emotions."""
        return np.array([self.emotions.index(emotion) for emotion in self.sets], dtype=np.int64)

    @property
    def n_speakers(self) -> int:
        """The number of different speakers."""
        return len(set(self.speakers))

    @cached_property
    def of_emotion(self) -> Bool[np.ndarray, "clip emotion"]:
        """Which emotion each clip has."""
        return self.truth[:, None] == np.arange(len(self.emotions))

    @cached_property
    def recall(self) -> Float64[np.ndarray, " emotion"]:
        """Share of each emotion's clips that is recognised without an edit; NaN without clips."""
        right = (self.baseline.argmax(axis=1) == self.truth)[:, None] & self.of_emotion
        return quotient(right.sum(axis=0), self.of_emotion.sum(axis=0))

    @cached_property
    def task_notes(self) -> tuple[str, ...]:
        """Whether the model can do the task at all: mean recall against chance, emotions that it never hears."""
        right = self.baseline.argmax(axis=1) == self.truth
        by_emotion = np.broadcast_to(right, (len(self.emotions), len(right)))
        uar = self.means(by_emotion, self.of_emotion.T).interval(nan_mean, within=RATE)
        chance = 1 / len(self.emotions)
        each = ", ".join(
            f"{emotion} {share:.2f}" for emotion, share in zip(self.emotions, self.recall, strict=True)
        )
        above = uar.low > chance if np.isfinite(uar.low) else uar.value > chance
        weak = uar.value < chance + HARDLY * (1 - chance)
        deaf = [emotion for emotion, share in zip(self.emotions, self.recall, strict=True) if share == 0]
        doubt = "the model does not do this task better than chance" if not above else "the model hardly does this task"
        return told(
            f"{doubt}: mean recall without an edit {uar:.2f}, chance {chance:.2f} (recall: {each}); what edits do to it"
            " says little about emotion"
            if weak or not above
            else None,
            f"without an edit no clip is recognised as {', '.join(deaf)}: that recall can't fall, and is left out of"
            " the means of changes"
            if deaf
            else None,
        )

    @cached_property
    def met(self) -> Bool[np.ndarray, "draw clip"]:
        """Which clips met which random draw."""
        return (self.random != UNMET).all(axis=(1, 2))

    @cached_property
    def speakers_with(self) -> Int64[np.ndarray, " emotion"]:
        """Number of speakers who have a clip of each emotion."""
        spoken = set(zip(self.truth.tolist(), self.speakers, strict=True))
        return np.bincount([emotion for emotion, _ in spoken], minlength=len(self.emotions))

    def means(
        self, outcome: Shaped[np.ndarray, " *cell clip"], among: Bool[np.ndarray, "... clip"]
    ) -> SpeakerMeans:
        """Means of an outcome over the clips in ``among`` (which is broadcast), by speaker and cell."""
        return SpeakerMeans.over_clips(outcome, among, self.speakers)

    def tokens_touched(self, positions: frozenset[str]) -> int:
        """Prompt positions, summed over the clips, that an edit of these scopes acts on."""
        return int(self.tokens[:, [scope in positions for scope in PROMPT_SCOPES]].sum())

    def notes(self, neurons: NeuronSet, *, tests: int = 1) -> tuple[str, ...]:
        """What a reader must know before trusting the figures; ``tests`` is how many p-values make a family."""
        empty = [emotion for emotion in self.sets if not len(neurons[emotion])]
        standing = standing_notes(
            self.n_speakers,
            self.skipped,
            *self.task_notes,
            f"no neurons for {', '.join(empty)}: nothing was edited there" if empty else None,
            *(
                f"{emotion}: only {count} of {self.n_speakers} speakers have a clip of it"
                if count
                else f"no clip is {emotion}: its recall is unknown and left out of the means"
                for emotion, count in zip(self.emotions, self.speakers_with, strict=True)
                if count < self.n_speakers
            ),
            self.no_control,
            unmoved_note(self.unmoved, len(self.clips)),
            tests=tests,
        )
        carried = f"edits were carried out {', '.join(self.plans)}" if self.plans else ""
        return tuple(note for note in (self.heard, *standing, carried) if note)


def options(clips: Clips, sets: NeuronSet) -> Recognition:
    """The question to ask, as the sets were asked for: about their emotions, or the clips' when these know more.

    Raises
    ------
    CorpusError
        When the clips and the sets each have an emotion that the other lacks.
    """
    wording = Wording.behind(sets.parameters)
    if set(clips.emotions) <= set(sets.emotions) and len(sets.emotions) > 1:
        return Recognition(tuple(sets.emotions), wording=wording)
    if set(sets.emotions) <= set(clips.emotions):
        return Recognition(tuple(clips.emotions), wording=wording)
    raise CorpusError(
        f"corpus {clips.name} has the emotions {', '.join(clips.emotions)}, the neuron sets"
        f" {', '.join(sets.emotions)}: keep the clips of the sets' emotions only"
    )


def draws_met(draws: int, draws_per_clip: int | None) -> int:
    """How many of the random draws each clip meets; by default all.

    Raises
    ------
    StatisticsError
        When there are not so many.
    """
    per_clip = draws if draws_per_clip is None else draws_per_clip
    if draws < 0 or (draws > 0 and not 1 <= per_clip <= draws):
        raise StatisticsError(f"each clip can meet 1 to {draws} random draws, not {per_clip}")
    return per_clip


def deal(
    truth: Int[np.ndarray, " clip"],
    speaker: Int[np.ndarray, " clip"],
    *,
    draws: int,
    per_clip: int,
    seed: int,
) -> Bool[np.ndarray, "draw clip"]:
    """Which clips meet which random draw when each clip meets ``per_clip`` of them.

    Clips are dealt in rotation, sorted by speaker and emotion and shuffled within these, so that every draw
    gets an even share of all; with ``per_clip = draws`` every clip meets every draw.
    """
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    order = shuffled[np.lexsort((truth[shuffled], speaker[shuffled]))]
    met = np.zeros((draws, len(truth)), dtype=np.bool_)
    for turn in range(per_clip):
        met[(np.arange(len(order)) * per_clip + turn) % draws, order] = True
    return met


def run_trials(
    lm: Listener,
    clips: Clips,
    sets: NeuronSet,
    treatments: Mapping[str, Treatment],
    *,
    draws: int,
    draws_per_clip: int | None,
    seed: int,
    batch_size: int,
    strict: bool,
    progress: bool,
    description: str,
    matched_on: GateStatistics | None = None,
    others: Mapping[str, NeuronSet] | None = None,
    relabelled: Sequence[NeuronSet] = (),
) -> Trials:
    """Run every clip under every treatment of every emotion's set, and of random sets beside them.

    Random sets match the layers. Where a set leaves too few neurons to draw from, there is no control, and
    the trials say why.

    Parameters
    ----------
    draws
        Random sets per emotion; 0 leaves the control out.
    draws_per_clip
        How many of the draws each clip meets; None is all of them. The mean over draws is estimated without
        bias either way, and one draw per clip costs no more than the sets themselves.
    matched_on
        Statistics by which random neurons match the deciles of activity too, see `NeuronSet.random_like`.
    others
        Further sets of the same emotions, by name; every clip meets them, in the same pass.
    relabelled
        Sets that were selected by permuted labels; every clip meets them, in the same pass.
    """
    per_clip = draws_met(draws, draws_per_clip)
    recognition = options(clips, sets)

    def conditions(neurons: NeuronSet, prefix: str) -> dict[str, Sequence[Edit]]:
        return {
            f"{prefix}/{name}/{emotion}": treat(neurons[emotion]) if len(neurons[emotion]) else ()
            for name, treat in treatments.items()
            for emotion in sets.emotions
        }

    drawn, no_control = random_sets(sets, draws, seed=seed, matched_on=matched_on)
    draws, per_clip = len(drawn), min(per_clip, len(drawn))
    random = [conditions(one, f"random {i}") for i, one in enumerate(drawn)]
    further = {k: v for name, one in (others or {}).items() for k, v in conditions(one, name).items()}
    permuted = {k: v for i, one in enumerate(relabelled) for k, v in conditions(one, f"relabelled {i}").items()}
    # With every clip meeting every draw, all of it is one pass in which each batch is heard once.
    together = {name: edits for draw in random for name, edits in draw.items()} if per_clip == draws else {}
    first = recognise(
        lm,
        clips,
        conditions={BASELINE: (), **conditions(sets, "own"), **further, **permuted, **together},
        recognition=recognition,
        batch_size=batch_size,
        strict=strict,
        progress=progress,
        description=description,
    )
    shape = (len(treatments), len(sets.emotions), len(first))
    n_own = shape[0] * shape[1]
    n_further = 1 + n_own + len(further)
    n_first = n_further + len(permuted)
    answers = np.full((draws, *shape), UNMET, dtype=np.int8)
    if together:
        answers[:] = first.predicted[n_first:].reshape(answers.shape)
    elif draws:
        speaker = np.unique(np.array(first.speaker), return_inverse=True)[1]
        met = deal(first.truth, speaker, draws=draws, per_clip=per_clip, seed=seed)
        runs = [draw for draw in range(draws) if met[draw].any()]
        for draw in track(runs, f"{description}: random controls", len(runs), enabled=progress):
            control = recognise(
                lm,
                clips.take(first.rows[met[draw]]),
                conditions=random[draw],
                recognition=recognition,
                batch_size=batch_size,
                strict=True,
                progress=False,
            )
            answers[draw][:, :, met[draw]] = control.predicted.reshape(*shape[:2], -1)
    return Trials(
        emotions=recognition.emotions,
        sets=tuple(sets.emotions),
        treatments=tuple(treatments),
        clips=first.clips,
        speakers=first.speaker,
        truth=first.truth,
        tokens=first.tokens,
        baseline=first.log_probs[0],
        log_probs=first.log_probs[1 : 1 + n_own].reshape(*shape, len(recognition.emotions)),
        random=answers,
        others=first.predicted[1 + n_own : n_further].astype(np.int8).reshape(-1, *shape),
        relabelled=first.predicted[n_further:n_first].astype(np.int8).reshape(-1, *shape),
        skipped=first.skipped,
        no_control=no_control,
        heard=first.heard,
        unmoved=tuple(
            f"{emotion} ({name})" if len(treatments) > 1 else emotion
            for name in treatments
            for emotion in sets.emotions
            if f"own/{name}/{emotion}" in first.unmoved
        ),
        traits=traits_of(clips, first.rows),
        plans=tuple(sorted({one for plan in first.plans for one in plan.split(", ")} - {"", "none"})),
    )
