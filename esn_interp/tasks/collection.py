"""Collecting statistics: one streaming pass that labels every clip and reduces its gates."""

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, runtime_checkable
from typing import Protocol as Interface

import numpy as np
import torch
from jaxtyping import Float

from esn_interp.errors import CorpusError, EsnWarning, StatisticsError
from esn_interp.files import clean
from esn_interp.models.families.inputs import Prompts
from esn_interp.models.sites import GATE, checked_site
from esn_interp.neurons.accumulator import Accumulator
from esn_interp.neurons.batch_tap import BatchTap
from esn_interp.neurons.layout import SCOPES
from esn_interp.neurons.origin import GatedModel, Origin
from esn_interp.neurons.per_clip import PerClip
from esn_interp.neurons.side_file import SideFile
from esn_interp.neurons.statistics import GateStatistics
from esn_interp.progress import progress_bar
from esn_interp.speech.clips import Clips
from esn_interp.speech.known_clips import provenance
from esn_interp.tasks.batches import Batch
from esn_interp.tasks.budget import out_of_memory
from esn_interp.tasks.checkpoints import Seldom, read_checkpoint, write_checkpoint
from esn_interp.tasks.enough import until_correct
from esn_interp.tasks.hearing import Hearing, Plan
from esn_interp.tasks.protocols import Protocol
from esn_interp.tasks.questions import question_about
from esn_interp.tasks.recognition import Recognition

FEW = 10
"""Fewer kept clips of an emotion than this are warned of: their means say little about it. (Our choice.)"""


class CollectWarning(EsnWarning):
    """Something about the clips makes the statistics weaker than they look."""


@runtime_checkable
class ReadableModel(GatedModel, Interface):
    """The part of `AudioLM` that collecting needs.

    One that has `AudioLM.prepare` as well is given what that made, in another thread, in the place of waveforms.
    """

    def encode(self, waveforms: Any, prompt: Prompts) -> Any:
        """Hear the clips once; ``scopes`` of the result says where each token stands (-1 is padding)."""
        ...

    def scores(self, encoded: Any, labels: Sequence[str], *, tap: BatchTap) -> Float[np.ndarray, "clip label"]:
        """Log-probabilities of the labels; shows every layer's gates over the prompt to ``tap``.

        Another ``site`` than the gate's is named by a keyword, which only a model that has other sites takes.
        """
        ...


def collect(
    lm: ReadableModel,
    clips: Clips,
    *,
    batch_size: int | Literal["auto"] = 16,
    limit: int | None = None,
    per_clip: bool | str | Path = False,
    strict: bool = False,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    checkpoint_every: int = 20,
    resume: bool = False,
    emotions: Sequence[str] | None = None,
    synonyms: Mapping[str, tuple[str, ...]] | None = None,
    protocol: str | Path | Protocol = "ours",
    seed: int = 0,
    workers: int | None = None,
    site: str = GATE,
) -> GateStatistics:
    """Ask the multiple-choice emotion question about every clip, and add up its gates on the side of its
    answer.

    One pass, nothing stored but the sums: the memory does not grow with the number of clips. A clip counts as
    kept when the unedited model labels it correctly [ESN-SER]; both sides are collected, and the choice is
    made when neurons are selected. Padding never counts, so batches of any size give the same labels and
    counts, and sums that differ by floating-point order only. The same plan of batches on the same device gives the
    same numbers to the bit.

    Parameters
    ----------
    batch_size
        Clips at a time; or ``auto``, as many tokens as the device can be busy with and has room for. When memory does
        not suffice, it is halved, which is said once, and the pass goes on.
    limit
        Use this many clips at most, balanced over the emotions, drawn with ``seed``.
    per_clip
        Keep every clip's own sums as well, from which the statistics of any part of the clips follow. Large,
        16 bytes per clip, gate and scope: the size is told first, on stderr. With the name of a file they lie there,
        mapped into memory, and not in memory: statistics are then saved beside it.
    strict
        Stop at the first clip whose audio is bad, instead of skipping and listing it.
    checkpoint, checkpoint_every
        A file that is replaced after every so many batches (with ``auto``, of 16 clips): an interruption loses no more
        than these. Where writing takes long, it is written less often, so that it takes no more than a tenth of the
        time.
    resume
        Continue from ``checkpoint``, if it is there, with the batches that it was begun with, to the same numbers as
        an uninterrupted pass.
    emotions
        The options that the prompt lists, in this order; clips of other emotions are left out. By default
        the emotions of ``clips``. Name them when the clips are a shard, which may lack one: only statistics
        of the same emotions add up.

    synonyms
        Further words that count as naming an emotion, see `Recognition`.
    protocol
        How the question is put, and how many correct clips of an emotion are enough: then clips are asked about
        beforehand, in an order drawn with ``seed``, until there are so many.
    workers
        Threads that read audio ahead of the model, and one more that makes its inputs. None: four where the model is
        on a card, none where it shares the CPU with them.
    site
        Where in the layers a neuron's value is read: ``gate`` after its activation, ``pre`` before it, or ``gated``,
        the product that down reads. See `esn_interp.models.sites`.

    Raises
    ------
    CorpusError
        When no clip is of the emotions, none can be used, or a recording is there under several emotions.
    AudioError
        On a bad clip, when ``strict``.
    StatisticsError
        When the checkpoint is of another collection or not named, or a clip's gates are not finite; when memory does
        not suffice for a single clip; when recordings changed meanwhile.

    Warns
    -----
    CollectWarning
        When clips were skipped, or fewer than 10 clips of an emotion were labelled correctly.
    """
    checked_site(site, neurons=True)
    how, recognition, clips = question_about(clips, emotions, synonyms, protocol, limit=limit, seed=seed, lm=lm)
    if (most := how.identification_clips) is not None:
        asked: dict[str, Any] = {"batch_size": batch_size if isinstance(batch_size, int) else 16, "strict": strict}
        clips = until_correct(cast(Any, lm), clips, recognition, most, seed=seed, progress=progress, **asked)
    origin = Origin.of(lm, corpus=clips.name, corpus_fingerprint=clips.fingerprint, **provenance(clips), site=site)
    side = None if isinstance(per_clip, bool) else SideFile(per_clip, len(clips), _key(origin, recognition))
    if per_clip and progress:
        size, where = PerClip.size(len(clips), origin.n_gates, len(SCOPES)), f", in {side.path}" if side else ""
        sys.stderr.write(f"Keeping the sums of each of {len(clips)} clips: {_in_words(size)}{where}\n")
    plan = Plan.of(batch_size, lm, window=checkpoint_every)
    if checkpoint is not None:
        clean(checkpoint)
    start, partial = 0, None
    if resume:
        kept = "no" if not per_clip else "kept beside" if side else "kept"
        start, partial, plan = read_checkpoint(checkpoint, lm, origin, recognition, per_clip=kept, plan=plan)
    accumulator = Accumulator(origin, recognition.emotions, per_clip=bool(per_clip), start=partial, side=side)
    skipped = list(partial.skipped) if partial else []
    runner = _Runner(lm, recognition, accumulator, plan, told=progress)
    writes = Seldom()

    def so_far() -> GateStatistics:
        asked = recognition.wording.told
        return accumulator.statistics(prompt=recognition.told, skipped=skipped, seed=seed, asking=asked)

    hearing = Hearing(lm, clips, recognition, plan, strict=strict, workers=workers)
    bar = progress_bar("Collecting statistics", len(clips), enabled=progress)
    with bar as advance, hearing.from_row(start) as heard:
        advance(start)
        for item in heard:
            if isinstance(item, Batch):
                runner.run(item)
                advance(len(item))
                continue
            skipped += [(one.clip, one.reason) for one in item.skipped]
            advance(len(item.skipped))
            if checkpoint is not None and writes.due(last=item.position == len(clips)):
                with writes:
                    write_checkpoint(checkpoint, so_far(), plan, item.position)
    if progress:
        sys.stderr.writelines(f"{note}\n" for note in accumulator.notes)
    require_unchanged(clips, origin)
    stats = so_far()
    warn_of_weakness(stats)
    return stats


class _Runner:
    """Runs batches past the accumulator; where memory does not suffice, in halves from then on."""

    def __init__(
        self, lm: ReadableModel, recognition: Recognition, accumulator: Accumulator, plan: Plan, *, told: bool
    ) -> None:
        self._lm, self._recognition, self._accumulator = lm, recognition, accumulator
        self._plan, self._told, self._halved = plan, told, False

    def run(self, batch: Batch) -> None:
        """Run a batch, or the parts of it that the budget allows."""
        parts = list(self._plan.budget.parts(batch.tokens))
        if len(parts) > 1:
            for part in parts:
                self.run(batch.take(part))
            return
        try:
            tap, scores = self._answered(batch)
        except Exception as error:
            if not out_of_memory(error):
                raise
            self._halve(batch, error)
        else:
            self._fold(batch, tap, scores)
            return
        # Outside the handler, where what the error held on to is free again.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        self.run(batch)

    def _answered(self, batch: Batch) -> tuple[BatchTap, Float[np.ndarray, "clip label"]]:
        recognition = self._recognition
        ids = [clip.id for clip in batch.clips]
        heard = batch.waveforms if batch.inputs is None else batch.inputs
        encoded = self._lm.encode(heard, recognition.asked(ids))
        tap = self._accumulator.tap(np.asarray(encoded.scopes))
        where = {} if tap.site == GATE else {"site": tap.site}
        ask: Callable[..., np.ndarray] = self._lm.scores  # the protocol asks nobody to know of sites
        scores = ask(encoded, recognition.labels, tap=tap, **where)
        return tap, recognition.by_emotion(scores, ids)

    def _fold(self, batch: Batch, tap: BatchTap, scores: Float[np.ndarray, "clip label"]) -> None:
        truth = np.array([self._recognition.index(clip.emotion, clip=clip.id) for clip in batch.clips])
        self._accumulator.fold(
            tap,
            emotion=truth,
            kept=scores.argmax(axis=1) == truth,
            ids=[clip.id for clip in batch.clips],
            speakers=[clip.speaker for clip in batch.clips],
            sentences=[clip.sentence for clip in batch.clips],
        )
        self._plan.ran(batch.rows)

    def _halve(self, batch: Batch, error: Exception) -> None:
        if len(batch) == 1:
            raise StatisticsError(
                f"clip {batch.clips[0].id}: memory does not suffice for this clip alone ({error}); cut it, or use a"
                " smaller model"
            ) from None
        before = self._plan.budget
        while len(list(self._plan.budget.parts(batch.tokens))) == 1:
            self._plan.budget = self._plan.budget.halved()
        if self._told and not self._halved:
            sys.stderr.write(f"Memory did not suffice for {before} at a time; going on with {self._plan.budget}\n")
        self._halved = True


def require_unchanged(clips: Clips, origin: Origin) -> None:
    """Refuse sums of recordings that were exchanged while they were listened to.

    Raises
    ------
    StatisticsError
        When they are not what they were.
    """
    if clips.fingerprint != origin.corpus_fingerprint:
        raise StatisticsError(
            f"corpus {clips.name}: recordings changed while they were listened to, so the sums are of old and new;"
            " collect anew"
        )


def warn_of_weakness(stats: GateStatistics) -> None:
    """Warn of what makes the statistics weak.

    Raises
    ------
    CorpusError
        When there is nothing in them.
    """
    seen, kept = stats.seen, stats.kept
    first = f"{stats.skipped[0][0]}: {stats.skipped[0][1]}" if stats.skipped else ""
    if not sum(seen.values()):
        raise CorpusError(
            f"corpus {stats.corpus}: none of its {len(stats.skipped)} clips can be used; the first is {first}"
        )
    if stats.skipped:
        total = sum(seen.values()) + len(stats.skipped)
        warnings.warn(
            f"skipped {len(stats.skipped)} of {total} clips; the first is {first}",
            CollectWarning,
            stacklevel=3,
        )
    if few := [emotion for emotion in kept if kept[emotion] < FEW]:
        warnings.warn(_few(few, kept, seen), CollectWarning, stacklevel=3)


def _few(few: Sequence[str], kept: Mapping[str, int], seen: Mapping[str, int]) -> str:
    """What few clips, or none, mean for the emotions that have no more."""
    why = {
        emotion: f"labelled correctly, of {seen[emotion]}" if kept[emotion] < seen[emotion] else "there are no more"
        for emotion in few
    }
    each = [f"{emotion} {kept[emotion]} ({why[emotion]})" for emotion in few]
    some, none = ([emotion for emotion in few if bool(kept[emotion]) == any_kept] for any_kept in (True, False))
    means = ["these emotions' neurons will be uncertain"] if some else []
    if none:
        means.append(
            f"neurons of {', '.join(none)} can't be selected: leave them out (emotions=, esn select --emotions), or use"
            " filter none"
        )
    return f"few clips to go by: {', '.join(each)}; {'; '.join(means)}"


def _key(origin: Origin, recognition: Recognition) -> str:
    """What ties a file of single clips to its collection."""
    whose = [origin.fingerprint, origin.component, origin.site, origin.corpus_fingerprint, recognition.told]
    return hashlib.sha256(json.dumps([*whose, *recognition.emotions]).encode()).hexdigest()[:16]


def _in_words(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
